//===- ArithmeticTest.cpp - lane arithmetic against wider arithmetic ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Arithmetic.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace quantopt;
using namespace quantopt::ptx;

namespace {

// 113 bits of mantissa: products of all formats below f64 are exact.
using Quad = __float128;

/// A sum and what it lost.
struct Sum {
  Quad value, error = 0;
};
Sum sumOf(Quad a, Quad b) {
  Quad sum = a + b, partOfB = sum - a;
  return {sum, (a - (sum - partOfB)) + (b - partOfB)};
}

constexpr FloatFormat narrowFormats[] = {FloatFormat::F16, FloatFormat::BF16, FloatFormat::F32};
constexpr Rounding allRoundings[] = {Rounding::Nearest, Rounding::Zero, Rounding::Down, Rounding::Up};

uint64_t infinityOf(FloatFormat format) {
  return format == FloatFormat::F16 ? 0x7c00 : format == FloatFormat::BF16 ? 0x7f80 : 0x7f800000;
}
uint64_t signOf(FloatFormat format) { return format == FloatFormat::F32 ? 0x80000000 : 0x8000; }

/// The value of a magnitude; infinity counts as the power of two after the largest value, as rounding treats it.
Quad magnitudeValue(FloatFormat format, uint64_t magnitude) {
  if (magnitude < infinityOf(format))
    return decodeFloat(format, magnitude);
  return format == FloatFormat::F16 ? Quad(65536) : Quad(0x1p127) * 2;
}

/// Rounding by its definition: among the two neighbours of the exact value.
uint64_t roundByDefinition(FloatFormat format, Sum exact, Rounding rounding) {
  bool negative = exact.value < 0;
  Quad magnitude = negative ? -exact.value : exact.value, error = negative ? -exact.error : exact.error;
  uint64_t low = 0, high = infinityOf(format);
  while (low + 1 < high) {
    uint64_t middle = (low + high) / 2;
    Quad value = magnitudeValue(format, middle);
    (value < magnitude || (value == magnitude && error >= 0) ? low : high) = middle;
  }
  Quad below = magnitude - magnitudeValue(format, low), above = magnitudeValue(format, high) - magnitude;
  bool isExact = below == 0 && error == 0;
  bool nearerHigh = above < below || (above == below && (error > 0 || (error == 0 && (high & 1) == 0)));
  bool up = !isExact && (rounding == Rounding::Nearest ? nearerHigh
                         : rounding == Rounding::Down  ? negative
                         : rounding == Rounding::Up    ? !negative
                                                       : false);
  return (up ? high : low) | (negative ? signOf(format) : 0);
}

/// Finite numbers: of any size, near each other, halves of units, subnormals.
class Numbers {
public:
  Numbers(FloatFormat format, unsigned seed) : format(format), random(seed) {}
  uint64_t operator()() {
    uint64_t mantissa = random() & 3 ? random() : uint64_t(random() & 3) << (random() % 24);
    uint64_t bits = mantissa & (2 * signOf(format) - 1);
    unsigned mantissaBits = format == FloatFormat::F16 ? 10 : format == FloatFormat::BF16 ? 7 : 23;
    uint64_t exponentMask = infinityOf(format), bias = exponentMask / 2 & exponentMask;
    switch (random() % 4) {
    case 0:
      bits = (bits & ~exponentMask) | (bias + ((random() % 16) << mantissaBits));
      break;
    case 1:
      bits &= ~exponentMask;
      break;
    default:
      break;
    }
    return (bits & exponentMask) == exponentMask ? bits ^ (uint64_t(1) << mantissaBits) : bits;
  }

private:
  FloatFormat format;
  std::mt19937 random;
};

FloatMode modeOf(Rounding rounding) {
  FloatMode mode;
  mode.rounding = rounding;
  return mode;
}

TEST(Arithmetic, SumsProductsAndFusedSumsAreRoundedOnce) {
  for (FloatFormat format : narrowFormats)
    for (Rounding rounding : allRoundings) {
      Numbers next(format, 3 + unsigned(rounding));
      FloatMode mode = modeOf(rounding);
      for (unsigned i = 0; i < 10000; ++i) {
        uint64_t a = next(), b = next(), c = next();
        Quad x = decodeFloat(format, a), y = decodeFloat(format, b), z = decodeFloat(format, c);
        if (x + y != 0)
          ASSERT_EQ(addFloats(format, a, b, mode), roundByDefinition(format, sumOf(x, y), rounding)) << a << " " << b;
        if (x - y != 0)
          ASSERT_EQ(subtractFloats(format, a, b, mode), roundByDefinition(format, sumOf(x, -y), rounding));
        if (x * y != 0)
          ASSERT_EQ(multiplyFloats(format, a, b, mode), roundByDefinition(format, {x * y}, rounding));
        if (x * y + z != 0)
          ASSERT_EQ(fusedMultiplyAdd(format, a, b, c, mode), roundByDefinition(format, sumOf(x * y, z), rounding))
              << a << " " << b << " " << c;
      }
    }
}

TEST(Arithmetic, FusedMultiplyAddDoesNotRoundTwice) {
  // 1.0078125 · 1.5 = 1.51171875 lies in the middle of two bf16 numbers; the addend decides, but is lost in double.
  for (auto [addend, expected] : {std::pair(0x0001, 0x3fc2), std::pair(0x8001, 0x3fc1)})
    EXPECT_EQ(fusedMultiplyAdd(FloatFormat::BF16, 0x3f81, 0x3fc0, addend, {}), uint64_t(expected));
}

TEST(Arithmetic, HalfSumsAndProductsOfAllMagnitudes) {
  // Every f16 against a few partners.
  for (uint64_t a = 0; a < 0x10000; ++a) {
    if ((a & 0x7c00) == 0x7c00)
      continue;
    for (uint64_t b : {0x3c01, 0xbbff, 0x0001, 0x83ff, 0x7bff, 0x1234}) {
      Quad x = decodeFloat(FloatFormat::F16, a), y = decodeFloat(FloatFormat::F16, b);
      if (x + y != 0)
        ASSERT_EQ(addFloats(FloatFormat::F16, a, b, {}),
                  roundByDefinition(FloatFormat::F16, {x + y}, Rounding::Nearest));
      if (x * y != 0)
        ASSERT_EQ(multiplyFloats(FloatFormat::F16, a, b, {}),
                  roundByDefinition(FloatFormat::F16, {x * y}, Rounding::Nearest));
    }
  }
}

TEST(Arithmetic, SingleEqualsTheProcessor) {
  Numbers next(FloatFormat::F32, 9);
  for (unsigned i = 0; i < 100000; ++i) {
    uint32_t a = uint32_t(next()), b = uint32_t(next()), c = uint32_t(next());
    float x = llvm::bit_cast<float>(a), y = llvm::bit_cast<float>(b), z = llvm::bit_cast<float>(c);
    auto bits = [](float value) { return std::isnan(value) ? 0x7fffffff : llvm::bit_cast<uint32_t>(value); };
    ASSERT_EQ(addFloats(FloatFormat::F32, a, b, {}), bits(x + y));
    ASSERT_EQ(multiplyFloats(FloatFormat::F32, a, b, {}), bits(x * y));
    ASSERT_EQ(fusedMultiplyAdd(FloatFormat::F32, a, b, c, {}), bits(std::fma(x, y, z)));
    ASSERT_EQ(divideFloats(FloatFormat::F32, a, b, {}), bits(x / y));
    ASSERT_EQ(squareRoot(FloatFormat::F32, a, {}), bits(std::sqrt(x)));
  }
}

TEST(Arithmetic, QuotientsAndRootsInEveryDirection) {
  for (Rounding rounding : allRoundings) {
    Numbers next(FloatFormat::F32, 5);
    for (unsigned i = 0; i < 20000; ++i) {
      uint32_t a = uint32_t(next()), b = uint32_t(next());
      Quad x = llvm::bit_cast<float>(a), y = llvm::bit_cast<float>(b);
      if (x == 0 || y == 0)
        continue;
      ASSERT_EQ(divideFloats(FloatFormat::F32, a, b, modeOf(rounding)),
                roundByDefinition(FloatFormat::F32, {x / y}, rounding));
      // A root r is right where r², and nothing closer, brackets x: check it by squares of the neighbours.
      uint32_t magnitude = a & 0x7fffffff;
      uint64_t root = squareRoot(FloatFormat::F32, magnitude, modeOf(rounding));
      Quad r = decodeFloat(FloatFormat::F32, root), value = llvm::bit_cast<float>(magnitude);
      Quad nextBelow = decodeFloat(FloatFormat::F32, root - 1), nextAbove = decodeFloat(FloatFormat::F32, root + 1);
      if (rounding == Rounding::Nearest)
        ASSERT_TRUE((r + nextBelow) * (r + nextBelow) <= 4 * value && 4 * value <= (r + nextAbove) * (r + nextAbove));
      else if (rounding == Rounding::Up)
        ASSERT_TRUE(nextBelow * nextBelow < value && value <= r * r);
      else
        ASSERT_TRUE(r * r <= value && value < nextAbove * nextAbove);
    }
  }
}

TEST(Arithmetic, NanIsCanonical) {
  EXPECT_EQ(addFloats(FloatFormat::F32, 0x7fc12345, 0x3f800000, {}), 0x7fffffffu);
  EXPECT_EQ(addFloats(FloatFormat::F32, 0x7f800000, 0xff800000, {}), 0x7fffffffu);
  EXPECT_EQ(multiplyFloats(FloatFormat::F16, 0x7c00, 0, {}), 0x7fffu);
  EXPECT_EQ(fusedMultiplyAdd(FloatFormat::BF16, 0x7f81, 0, 0, {}), 0x7fffu);
}

TEST(Arithmetic, MinimumAndMaximum) {
  FloatMode propagate;
  propagate.propagateNan = true;
  EXPECT_EQ(minimumFloat(FloatFormat::F32, 0x7fc00000, 0x3f800000, {}), 0x3f800000u);
  EXPECT_EQ(maximumFloat(FloatFormat::F32, 0x3f800000, 0xffc00000, {}), 0x3f800000u);
  EXPECT_EQ(maximumFloat(FloatFormat::F32, 0x7fc00001, 0xffc00000, {}), 0x7fffffffu);
  EXPECT_EQ(maximumFloat(FloatFormat::F16, 0x3c00, 0x7e00, propagate), 0x7fffu);
  EXPECT_EQ(minimumFloat(FloatFormat::F32, 0, 0x80000000, {}), 0x80000000u);
  EXPECT_EQ(maximumFloat(FloatFormat::F32, 0x80000000, 0, {}), 0u);
  EXPECT_EQ(minimumFloat(FloatFormat::BF16, 0xbf80, 0x3f80, {}), 0xbf80u);
}

TEST(Arithmetic, Modes) {
  FloatMode flush, saturate, relu;
  flush.flush = saturate.saturate = relu.relu = true;
  EXPECT_EQ(addFloats(FloatFormat::F32, 0x80000001, 0x80000001, flush), 0x80000000u);
  EXPECT_EQ(multiplyFloats(FloatFormat::F32, 0x00800000, 0x3f000000, flush), 0u);
  EXPECT_EQ(multiplyFloats(FloatFormat::F32, 0x00800000, 0x3f000000, {}), 0x00400000u);
  EXPECT_EQ(addFloats(FloatFormat::F16, 0x3c00, 0x3c00, saturate), 0x3c00u);
  EXPECT_EQ(addFloats(FloatFormat::F16, 0x7e00, 0x3c00, saturate), 0u);
  EXPECT_EQ(fusedMultiplyAdd(FloatFormat::F16, 0x3c00, 0xbc00, 0, relu), 0u);
  EXPECT_EQ(fusedMultiplyAdd(FloatFormat::F16, 0x7e00, 0xbc00, 0, relu), 0x7fffu);
  EXPECT_EQ(negateFloat(FloatFormat::F32, 0x00000001, flush), 0x80000000u);
  EXPECT_EQ(absoluteFloat(FloatFormat::F16, 0xbc00, {}), 0x3c00u);
  EXPECT_EQ(onHalves(0xbc003c00, [](uint64_t a) { return negateFloat(FloatFormat::F16, a, {}); }), 0x3c00bc00u);
}

TEST(Arithmetic, ApproximationsAreNearestToTheExactValue) {
  struct Case {
    Approximation function;
    long double (*exact)(long double);
    float low, high;
  };
  const Case cases[] = {
      {Approximation::Reciprocal, [](long double x) { return 1 / x; }, -1e30f, 1e30f},
      {Approximation::SquareRoot, [](long double x) { return std::sqrt(x); }, 0, 1e30f},
      {Approximation::ReciprocalSquareRoot, [](long double x) { return 1 / std::sqrt(x); }, 1e-30f, 1e30f},
      {Approximation::Exp2, [](long double x) { return std::exp2(x); }, -140, 128},
      {Approximation::Log2, [](long double x) { return std::log2(x); }, 1e-40f, 1e30f},
      {Approximation::Log2, [](long double x) { return std::log2(x); }, 0.5f, 2},
      {Approximation::Sine, [](long double x) { return std::sin(x); }, -100, 100},
      {Approximation::Cosine, [](long double x) { return std::cos(x); }, -100, 100},
      {Approximation::Tanh, [](long double x) { return std::tanh(x); }, -10, 10},
      {Approximation::Tanh, [](long double x) { return std::tanh(x); }, -0.05f, 0.05f},
  };
  std::mt19937 random(2);
  for (const Case &test : cases) {
    std::uniform_real_distribution<float> uniform(test.low, test.high);
    for (unsigned i = 0; i < 20000; ++i) {
      float x = uniform(random);
      float y = llvm::bit_cast<float>(
          uint32_t(approximate(test.function, FloatFormat::F32, llvm::bit_cast<uint32_t>(x), {})));
      long double exact = test.exact(x);
      long double unit = std::ldexp(1.0L, std::max(std::ilogb(exact), -126) - 23);
      ASSERT_LE(std::fabs(y - exact), unit * 0.50001L) << int(test.function) << " of " << x;
    }
  }
}

TEST(Arithmetic, ApproximationsAtTheEdges) {
  auto single = [](Approximation function, uint32_t a) {
    return uint32_t(approximate(function, FloatFormat::F32, a, {}));
  };
  constexpr uint32_t infinity = 0x7f800000, nan = 0x7fffffff, minus = 0x80000000, one = 0x3f800000;
  EXPECT_EQ(single(Approximation::Reciprocal, minus), infinity | minus);
  EXPECT_EQ(single(Approximation::ReciprocalSquareRoot, 0), infinity);
  EXPECT_EQ(single(Approximation::ReciprocalSquareRoot, one | minus), nan);
  EXPECT_EQ(single(Approximation::Exp2, infinity | minus), 0u);
  EXPECT_EQ(single(Approximation::Exp2, infinity), infinity);
  EXPECT_EQ(single(Approximation::Exp2, minus), one);
  EXPECT_EQ(single(Approximation::Exp2, nan), nan);
  EXPECT_EQ(single(Approximation::Log2, 0), infinity | minus);
  EXPECT_EQ(single(Approximation::Log2, one | minus), nan);
  EXPECT_EQ(single(Approximation::Log2, infinity), infinity);
  EXPECT_EQ(single(Approximation::Tanh, infinity | minus), one | minus);
  EXPECT_EQ(single(Approximation::Sine, infinity), nan);
  EXPECT_EQ(divideApproximately(one, 0x7f000000, {}), 0u);
  EXPECT_EQ(divideApproximately(infinity, 0x7f000000, {}), nan);
  EXPECT_EQ(divideFloats(FloatFormat::F32, one, 0x7f000000, {}), 0x00400000u);
  EXPECT_EQ(approximate(Approximation::Exp2, FloatFormat::F16, 0x3c00, {}), 0x4000u);
}

TEST(Arithmetic, Permutations) {
  uint32_t a = 0x83020100, b = 0x07060584;
  EXPECT_EQ(permuteBytes(PermuteMode::Index, a, b, 0x7210), 0x07020100u);
  EXPECT_EQ(permuteBytes(PermuteMode::Index, a, b, 0xbc03), 0xffff0083u);
  EXPECT_EQ(permuteBytes(PermuteMode::F4E, a, b, 1), 0x84830201u);
  EXPECT_EQ(permuteBytes(PermuteMode::B4E, a, b, 1), 0x06070001u);
  EXPECT_EQ(permuteBytes(PermuteMode::RC8, a, b, 2), 0x02020202u);
  EXPECT_EQ(permuteBytes(PermuteMode::ECL, a, b, 2), 0x83020202u);
  EXPECT_EQ(permuteBytes(PermuteMode::ECR, a, b, 2), 0x02020100u);
  EXPECT_EQ(permuteBytes(PermuteMode::RC16, a, b, 1), 0x83028302u);
}

TEST(Arithmetic, Bits) {
  EXPECT_EQ(lop3(0xf0f0f0f0, 0xcccccccc, 0xaaaaaaaa, 0xe8), 0xe8e8e8e8u);
  IntegerFormat u32{32, false}, s32{32, true}, u64{64, false};
  EXPECT_EQ(extractBits(u32, 0xabcd1234, 4, 8), 0x23u);
  EXPECT_EQ(extractBits(s32, 0xabcd1234, 28, 4), 0xfffffffau);
  EXPECT_EQ(extractBits(s32, 0xabcd1234, 28, 8), 0xfffffffau);
  EXPECT_EQ(extractBits(u32, 0xabcd1234, 28, 8), 0xau);
  EXPECT_EQ(extractBits(s32, 0x80000000, 40, 8), 0xffffffffu);
  EXPECT_EQ(extractBits(s32, 0x80000000, 0, 0), 0u);
  EXPECT_EQ(extractBits(s32, 0x00000008, 3, 1), 0xffffffffu);
  EXPECT_EQ(extractBits(u64, 0xabcd123400000000, 36, 8), 0x23u);
  EXPECT_EQ(insertBits(32, 0xff, 0x12345678, 8, 4), 0x12345f78u);
  EXPECT_EQ(insertBits(32, 0xff, 0, 28, 8), 0xf0000000u);
  EXPECT_EQ(insertBits(32, 0xff, 5, 40, 8), 5u);
  EXPECT_EQ(findHighestBit(u32, 0x00010000, false), 16u);
  EXPECT_EQ(findHighestBit(s32, 0xfffffffe, true), 31u);
  EXPECT_EQ(findHighestBit(s32, 0xffffffff, false), 0xffffffffu);
  EXPECT_EQ(findNthSet(0xb4, 3, 1), 4u);
  EXPECT_EQ(findNthSet(0xb4, 3, 2), 5u);
  EXPECT_EQ(findNthSet(0xb4, 3, -1), 2u);
  EXPECT_EQ(findNthSet(0xb4, 3, 0), 0xffffffffu);
  EXPECT_EQ(funnelShift(true, false, 0x80000000, 1, 33), 3u);
  EXPECT_EQ(funnelShift(true, true, 0x12345678, 1, 99), 0x12345678u);
  EXPECT_EQ(funnelShift(false, true, 0x12345678, 0xabc, 4), 0xc1234567u);
  EXPECT_EQ(shiftLeft(32, 1, 32), 0u);
  EXPECT_EQ(shiftRight(s32, 0x80000000, 99), 0xffffffffu);
  EXPECT_EQ(shiftRight(u32, 0x80000000, 31), 1u);
}

TEST(Arithmetic, Integers) {
  IntegerFormat u32{32, false}, s32{32, true}, s64{64, true}, u64{64, false};
  EXPECT_EQ(dot4(0x80ff017f, true, 0x02ff0203, true, 10), uint32_t(10 - 256 + 1 + 2 + 381));
  EXPECT_EQ(dot4(0x80ff017f, false, 0x02ff0203, true, 10), uint32_t(10 + 256 - 255 + 2 + 381));
  EXPECT_EQ(dot2(0xffff0003, true, 0x05060708, true, 1, false), uint32_t(1 + 24 - 7));
  EXPECT_EQ(dot2(0xffff0003, true, 0x05060708, true, 1, true), uint32_t(1 + 18 - 5));
  EXPECT_EQ(multiplyHigh(s32, 0xffffffff, 2), 0xffffffffu);
  EXPECT_EQ(multiplyHigh(u32, 0xffffffff, 2), 1u);
  EXPECT_EQ(multiplyHigh(s64, ~uint64_t(0), 2), ~uint64_t(0));
  EXPECT_EQ(multiplyHigh(u64, ~uint64_t(0), 2), 1u);
  EXPECT_EQ(addAbsoluteDifference(s32, 0xffffffff, 1, 5), 7u);
  EXPECT_EQ(addAbsoluteDifference(u32, 0xffffffff, 1, 5), 3u);
  EXPECT_EQ(addSaturating(INT32_MAX, 1), uint32_t(INT32_MAX));
  EXPECT_EQ(subtractSaturating(INT32_MIN, 1), uint32_t(INT32_MIN));
}

TEST(Arithmetic, Comparisons) {
  uint32_t one = 0x3f800000, nan = 0x7fc00000;
  EXPECT_TRUE(compareFloats(Comparison::Lt, FloatFormat::F32, 0, one, {}));
  EXPECT_TRUE(compareFloats(Comparison::Eq, FloatFormat::F32, 0, 0x80000000, {}));
  for (Comparison ordered : {Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Ge, Comparison::Num})
    EXPECT_FALSE(compareFloats(ordered, FloatFormat::F32, nan, one, {}));
  for (Comparison unordered : {Comparison::Equ, Comparison::Neu, Comparison::Ltu, Comparison::Geu, Comparison::Nan})
    EXPECT_TRUE(compareFloats(unordered, FloatFormat::F32, nan, one, {}));
  EXPECT_TRUE(compareIntegers(Comparison::Lt, {32, true}, 0xffffffff, 0));
  EXPECT_FALSE(compareIntegers(Comparison::Lt, {32, false}, 0xffffffff, 0));
  EXPECT_TRUE(hasProperty(FloatFormat::F16, 0x0001, FloatProperty::Subnormal));
  EXPECT_FALSE(hasProperty(FloatFormat::F32, 0, FloatProperty::Normal));
}

} // namespace
