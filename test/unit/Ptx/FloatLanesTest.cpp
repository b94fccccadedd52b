//===- FloatLanesTest.cpp - arithmetic of warps against that of lanes --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatLanes.h"
#include "gtest/gtest.h"
#include <random>

using namespace quantopt;
using namespace quantopt::ptx;

namespace {

uint64_t computeLane(FloatOperation operation, FloatFormat format, uint64_t a, uint64_t b, uint64_t c) {
  switch (operation) {
  case FloatOperation::Add:
    return addFloats(format, a, b, {});
  case FloatOperation::Subtract:
    return subtractFloats(format, a, b, {});
  case FloatOperation::Multiply:
    return multiplyFloats(format, a, b, {});
  case FloatOperation::FusedMultiplyAdd:
    return fusedMultiplyAdd(format, a, b, c, {});
  case FloatOperation::Minimum:
    return minimumFloat(format, a, b, {});
  case FloatOperation::Maximum:
    return maximumFloat(format, a, b, {});
  }
  return 0;
}

TEST(FloatLanes, EqualLanes) {
  std::mt19937 random(5);
  // All kinds of values: NaN, infinities, zeros, ties, subnormals; and close ones, that cancel.
  auto word = [&]() -> uint32_t {
    static constexpr uint16_t special[] = {0,      0x8000, 0x7c00, 0xfc00, 0x7e01, 0x7f80, 0xff80, 0x7fc1,
                                           0x0001, 0x8001, 0x3c01, 0x3f81, 0x7bff, 0x7f7f, 0x0400, 0x0080};
    auto half = [&]() -> uint32_t { return random() % 4 == 0 ? special[random() % 16] : random() & 0xffff; };
    return half() | half() << 16;
  };
  for (FloatFormat format : {FloatFormat::F32, FloatFormat::F16, FloatFormat::BF16})
    for (int operation = 0; operation <= int(FloatOperation::Maximum); ++operation)
      for (unsigned i = 0; i < 3000; ++i) {
        uint32_t a[32], b[32], c[32], d[32];
        for (unsigned lane = 0; lane < 32; ++lane) {
          a[lane] = word();
          b[lane] = random() % 8 == 0 ? a[lane] ^ (random() & 0x80008001) : word();
          c[lane] = word();
        }
        computeFloats(FloatOperation(operation), format, a, b, c, d);
        for (unsigned lane = 0; lane < 32; ++lane) {
          auto compute = [&](uint64_t x, uint64_t y, uint64_t z) {
            return computeLane(FloatOperation(operation), format, x, y, z);
          };
          uint32_t expected = format == FloatFormat::F32 ? uint32_t(compute(a[lane], b[lane], c[lane]))
                                                         : onHalves(a[lane], b[lane], c[lane], compute);
          ASSERT_EQ(d[lane], expected) << "format " << int(format) << " operation " << operation << ": " << a[lane]
                                       << " " << b[lane] << " " << c[lane];
        }
      }
}

TEST(FloatLanes, OtherModesAreLeftToLanes) {
  FloatMode flush;
  flush.flush = true;
  EXPECT_TRUE(hasFloatLanes(FloatFormat::F32, {}));
  EXPECT_FALSE(hasFloatLanes(FloatFormat::F64, {}));
  EXPECT_FALSE(hasFloatLanes(FloatFormat::F32, flush));
}

} // namespace
