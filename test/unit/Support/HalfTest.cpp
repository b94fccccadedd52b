//===- HalfTest.cpp - 16-bit floats against LLVM's APFloat -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Half.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>
#include <vector>

using namespace quantopt;
using llvm::APFloat;

namespace {
struct Format {
  const llvm::fltSemantics &semantics;
  float (*widen)(uint16_t);
  uint16_t (*narrow)(float);
  uint16_t (*narrowDouble)(double);
};
} // namespace

static const Format formats[] = {{APFloat::IEEEhalf(), halfToFloat, floatToHalf, doubleToHalf},
                                 {APFloat::BFloat(), bfloatToFloat, floatToBfloat, doubleToBfloat}};

static uint16_t narrowByLlvm(APFloat value, const llvm::fltSemantics &semantics) {
  bool losesInfo;
  value.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
  return uint16_t(value.bitcastToAPInt().getZExtValue());
}

TEST(Half, All65536ValuesWidenExactlyAndComeBack) {
  for (const Format &format : formats)
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      APFloat expected(format.semantics, llvm::APInt(16, bits));
      float value = format.widen(uint16_t(bits));
      if (expected.isNaN()) {
        EXPECT_TRUE(std::isnan(value)) << bits;
        EXPECT_TRUE(std::isnan(format.widen(format.narrow(value)))) << bits;
        continue;
      }
      bool losesInfo;
      expected.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &losesInfo);
      ASSERT_EQ(llvm::bit_cast<uint32_t>(value), llvm::bit_cast<uint32_t>(expected.convertToFloat())) << bits;
      ASSERT_EQ(format.narrow(value), bits);
    }
}

TEST(Half, NarrowingRoundsToNearestEven) {
  std::mt19937 random(1);
  for (const Format &format : formats) {
    std::vector<uint32_t> cases;
    // Around the middle between neighbours of every magnitude, and at random.
    for (uint32_t bits = 0; bits < 65536; bits += 7) {
      uint32_t exact = llvm::bit_cast<uint32_t>(format.widen(uint16_t(bits)));
      for (uint32_t offset : {0x0fffu, 0x1000u, 0x1001u, 0x7fffu, 0x8000u, 0x8001u})
        cases.push_back(exact + offset);
    }
    for (int i = 0; i < 100000; ++i)
      cases.push_back(uint32_t(random()));
    for (uint32_t bits : cases) {
      float value = llvm::bit_cast<float>(bits);
      if (std::isnan(value))
        continue;
      ASSERT_EQ(format.narrow(value), narrowByLlvm(APFloat(value), format.semantics)) << value;
    }
  }
}

TEST(Half, NarrowingFromDoubleRoundsOnce) {
  std::mt19937_64 random(2);
  for (const Format &format : formats)
    for (int i = 0; i < 100000; ++i) {
      // A tie of the format, a hair away from it: rounding to f32 first would restore the tie.
      float exact = format.widen(uint16_t(random()));
      float next = format.widen(uint16_t(format.narrow(exact) + 1));
      if (!std::isfinite(exact) || !std::isfinite(next))
        continue;
      double middle = (double(exact) + double(next)) / 2;
      for (double value : {middle, std::nextafter(middle, HUGE_VAL), std::nextafter(middle, -HUGE_VAL)})
        ASSERT_EQ(format.narrowDouble(value), narrowByLlvm(APFloat(value), format.semantics)) << value;
    }
}

TEST(Half, ArraysEqualTheirElements) {
  std::vector<float> values(1000);
  for (int i = 0; i < 1000; ++i)
    values[i] = std::sin(float(i)) * std::exp2(float(i % 40 - 28));
  std::vector<uint16_t> bits(1000);
  std::vector<float> back(1000);
  floatToHalf(values.data(), 1000, bits.data());
  halfToFloat(bits.data(), 1000, back.data());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(bits[i], floatToHalf(values[i]));
    ASSERT_EQ(back[i], halfToFloat(bits[i]));
  }
}
