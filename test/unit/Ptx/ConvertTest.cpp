//===- ConvertTest.cpp - conversions between PTX's types ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Convert.h"
#include "quantopt/Support/Half.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace quantopt;
using namespace quantopt::ptx;

namespace {

constexpr IntegerFormat s8{8, true}, u8{8, false}, s16{16, true}, s32{32, true}, u32{32, false}, s64{64, true},
    u64{64, false};

uint32_t bitsOf(float value) { return llvm::bit_cast<uint32_t>(value); }

FloatMode modeOf(Rounding rounding) {
  FloatMode mode;
  mode.rounding = rounding;
  return mode;
}

TEST(Convert, NarrowingIsTheProjectsOwn) {
  std::mt19937 random(1);
  for (unsigned i = 0; i < 200000; ++i) {
    uint32_t bits = i % 2 ? random() : bitsOf(std::ldexp(float(int32_t(random())), int(random() % 60) - 60));
    float value = llvm::bit_cast<float>(bits);
    if (std::isnan(value))
      continue;
    ASSERT_EQ(convertFloat(FloatFormat::F16, FloatFormat::F32, bits, {}), floatToHalf(value)) << value;
    ASSERT_EQ(convertFloat(FloatFormat::BF16, FloatFormat::F32, bits, {}), floatToBfloat(value)) << value;
  }
}

TEST(Convert, DirectedNarrowingBracketsTheValue) {
  std::mt19937 random(1);
  for (unsigned i = 0; i < 100000; ++i) {
    uint32_t bits = random();
    float value = llvm::bit_cast<float>(bits);
    if (!std::isfinite(value))
      continue;
    for (FloatFormat format : {FloatFormat::F16, FloatFormat::BF16}) {
      auto rounded = [&](Rounding rounding) {
        return decodeFloat(format, convertFloat(format, FloatFormat::F32, bits, modeOf(rounding)));
      };
      double down = rounded(Rounding::Down), up = rounded(Rounding::Up), toZero = rounded(Rounding::Zero);
      ASSERT_LE(down, value);
      ASSERT_GE(up, value);
      ASSERT_EQ(toZero, value < 0 ? up : down);
      double nearest = rounded(Rounding::Nearest);
      ASSERT_TRUE(nearest == down || nearest == up);
    }
  }
}

TEST(Convert, WideningAndBackKeepsEveryHalf) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits)
    for (FloatFormat format : {FloatFormat::F16, FloatFormat::BF16}) {
      uint64_t wide = convertFloat(FloatFormat::F32, format, bits, {});
      uint64_t back = convertFloat(format, FloatFormat::F32, wide, {});
      ASSERT_EQ(back, isNan(format, bits) ? 0x7fff : bits);
    }
}

TEST(Convert, SpecialValues) {
  EXPECT_EQ(convertFloat(FloatFormat::F16, FloatFormat::F32, 0x7fc00000, {}), 0x7fffu);
  EXPECT_EQ(convertFloat(FloatFormat::F16, FloatFormat::F32, bitsOf(65520), {}), 0x7c00u);
  EXPECT_EQ(convertFloat(FloatFormat::F16, FloatFormat::F32, bitsOf(65520), modeOf(Rounding::Zero)), 0x7bffu);
  EXPECT_EQ(convertFloat(FloatFormat::F16, FloatFormat::F32, bitsOf(-1e9f), modeOf(Rounding::Up)), 0xfbffu);
  FloatMode satfinite, relu, saturate, flush;
  satfinite.satfinite = relu.relu = saturate.saturate = flush.flush = true;
  EXPECT_EQ(convertFloat(FloatFormat::F16, FloatFormat::F32, bitsOf(1e9f), satfinite), 0x7bffu);
  EXPECT_EQ(convertFloat(FloatFormat::F16, FloatFormat::F32, bitsOf(-1), relu), 0u);
  EXPECT_EQ(convertFloat(FloatFormat::F32, FloatFormat::F32, bitsOf(1.5f), saturate), bitsOf(1));
  EXPECT_EQ(convertFloat(FloatFormat::F32, FloatFormat::F32, 0x7fc00000, saturate), 0u);
  EXPECT_EQ(convertFloat(FloatFormat::F32, FloatFormat::F32, 0x80000001, flush), 0x80000000u);
  EXPECT_EQ(convertPair(FloatFormat::F16, bitsOf(2), bitsOf(1), {}), 0x40003c00u);
  EXPECT_EQ(convertPair(FloatFormat::BF16, bitsOf(2), bitsOf(-1), relu), 0x40000000u);
  EXPECT_EQ(convertToTf32(0x3f801000), 0x3f802000u);
  EXPECT_EQ(convertToTf32(0x3f800fff), 0x3f800000u);
}

TEST(Convert, ToIntegral) {
  auto rounded = [](float value, Rounding rounding) {
    return llvm::bit_cast<float>(uint32_t(
        convertFloat(FloatFormat::F32, FloatFormat::F32, bitsOf(value), modeOf(rounding), /*toIntegral=*/true)));
  };
  EXPECT_EQ(rounded(2.5f, Rounding::Nearest), 2);
  EXPECT_EQ(rounded(3.5f, Rounding::Nearest), 4);
  EXPECT_EQ(rounded(-2.5f, Rounding::Zero), -2);
  EXPECT_EQ(rounded(-2.5f, Rounding::Down), -3);
  EXPECT_EQ(rounded(2.1f, Rounding::Up), 3);
}

TEST(Convert, FloatToInteger) {
  auto toInteger = [](IntegerFormat to, float value, Rounding rounding) {
    return convertToInteger(to, FloatFormat::F32, bitsOf(value), modeOf(rounding));
  };
  EXPECT_EQ(int64_t(toInteger(s32, -2.5f, Rounding::Nearest)), -2);
  EXPECT_EQ(int64_t(toInteger(s32, -3.5f, Rounding::Nearest)), -4);
  EXPECT_EQ(int64_t(toInteger(s32, 3e9f, Rounding::Zero)), INT32_MAX);
  EXPECT_EQ(int64_t(toInteger(s32, -3e9f, Rounding::Zero)), INT32_MIN);
  EXPECT_EQ(toInteger(u32, 3e9f, Rounding::Zero), 3000000000u);
  EXPECT_EQ(toInteger(u32, -1, Rounding::Zero), 0u);
  EXPECT_EQ(int64_t(toInteger(s8, 200, Rounding::Nearest)), 127);
  EXPECT_EQ(int64_t(toInteger(s8, -200, Rounding::Nearest)), -128);
  EXPECT_EQ(toInteger(u8, 300, Rounding::Nearest), 255u);
  EXPECT_EQ(toInteger(u64, 1.8e19f, Rounding::Zero), uint64_t(1.8e19f));
  EXPECT_EQ(toInteger(u64, 1e20f, Rounding::Zero), ~uint64_t(0));
  EXPECT_EQ(int64_t(toInteger(s64, 1e20f, Rounding::Zero)), INT64_MAX);
  EXPECT_EQ(int64_t(toInteger(s32, 2.1f, Rounding::Up)), 3);
  EXPECT_EQ(int64_t(toInteger(s32, -2.1f, Rounding::Down)), -3);
  EXPECT_EQ(toInteger(s32, NAN, Rounding::Nearest), 0u);
  EXPECT_EQ(int64_t(toInteger(s64, NAN, Rounding::Nearest)), INT64_MIN);
}

TEST(Convert, IntegerToFloat) {
  std::mt19937_64 random(1);
  for (unsigned i = 0; i < 100000; ++i) {
    uint64_t value = random() >> (random() % 64);
    ASSERT_EQ(convertFromInteger(FloatFormat::F32, u64, value, {}), bitsOf(float(value)));
    ASSERT_EQ(convertFromInteger(FloatFormat::F32, s64, value, {}), bitsOf(float(int64_t(value))));
    ASSERT_EQ(convertFromInteger(FloatFormat::F32, s32, value, {}), bitsOf(float(int32_t(value))));
    ASSERT_EQ(convertFromInteger(FloatFormat::F64, u64, value, {}), llvm::bit_cast<uint64_t>(double(value)));
    ASSERT_EQ(convertFromInteger(FloatFormat::F16, s16, value, {}), floatToHalf(float(int16_t(value))));
  }
  EXPECT_EQ(convertFromInteger(FloatFormat::F32, s32, 0x7fffffff, modeOf(Rounding::Zero)), bitsOf(2147483520.0f));
}

TEST(Convert, IntegerToInteger) {
  EXPECT_EQ(convertInteger(s32, s8, 0x80, false), ~uint64_t(0) << 7);
  EXPECT_EQ(convertInteger(u32, s8, 0x80, false), 0xffffff80u);
  EXPECT_EQ(convertInteger(s8, s32, 0x180, false), uint64_t(int64_t(-128)));
  EXPECT_EQ(convertInteger(s8, s32, 0x180, true), 127u);
  EXPECT_EQ(convertInteger(u8, s32, 0xffffffff, true), 0u);
  EXPECT_EQ(convertInteger(s32, u64, ~uint64_t(0), true), 0x7fffffffu);
  EXPECT_EQ(int64_t(convertInteger(s32, s64, uint64_t(INT64_MIN), true)), INT32_MIN);
}

TEST(Convert, Pack) {
  EXPECT_EQ(convertPack({4, true}, 9, -9, 0xabcdef12), 0xcdef1278u);
  EXPECT_EQ(convertPack({4, false}, 16, -1, 0), 0xf0u);
  EXPECT_EQ(convertPack({8, true}, 300, -5, 0x1234), 0x12347ffbu);
  EXPECT_EQ(convertPack({8, false}, 300, -5, 0x1234), 0x1234ff00u);
  EXPECT_EQ(convertPack({16, true}, 40000, -40000, 0), 0x7fff8000u);
  EXPECT_EQ(convertPack({16, false}, 40000, -1, 0), 0x9c400000u);
  EXPECT_EQ(convertPack({2, true}, 5, -5, 1), 0x16u);
}

} // namespace
