//===- DynamicQuantizerTest.cpp - run-time quantizers ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/DynamicQuantizer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>
#include <vector>

using namespace quantopt::numerics;

using Ints = std::vector<int>;

/// Three rows of ten: two of both signs, one of positive numbers.
static const std::vector<float> numbers = {
    0x1.427a32p-10f, 0x1.31ea5ap-2f,  -0x1.18b798p-2f,  0x0p0f,          -0x1.d19538p-2f, -0x1.fbb918p-1f,
    0x1.ecb246p-5f,  0x1.571858p0f,   -0x1.f804fcp-2f,  -0x1.3daee2p-1f, 0x1.e188cap-7f,  0x1.5ed58ep-7f,
    0x1.9e8176p-9f,  -0x1.c957fap-6f, -0x1.cc1764p-11f, 0x1.55c164p-6f,  -0x1.4a5aaap-5f, -0x1.c1dac6p-7f,
    -0x1.d33e98p-5f, -0x1.3ceab4p-5f, 0x1.26ad78p3f,    0x1.2ceaaap0f,   0x1.959538p2f,   0x1.5b37e8p0f,
    0x1.914864p-1f,  0x1.de8b1p-1f,   0x1.92ae7ap3f,    0x1.58c372p1f,   0x1.f0a652p-3f,  0x1.22122ep-1f};

template <typename T> struct Quantized {
  Ints codes, zeros;
  std::vector<T> scales, back;
};

template <typename T>
static Quantized<T> symmetric(const DynamicQuantizerOptions &options, const std::vector<T> &x, int64_t rows,
                              int64_t cols) {
  std::vector<int8_t> codes(x.size());
  Quantized<T> result;
  result.scales.resize(rows * options.groupsPerRow(cols));
  result.back.resize(x.size());
  quantizeSymmetric(options, x.data(), rows, cols, codes.data(), result.scales.data());
  dequantizeSymmetric(options, codes.data(), result.scales.data(), rows, cols, result.back.data());
  result.codes.assign(codes.begin(), codes.end());
  return result;
}

template <typename T>
static Quantized<T> asymmetric(const DynamicQuantizerOptions &options, const std::vector<T> &x, int64_t rows,
                               int64_t cols) {
  std::vector<uint8_t> codes(x.size()), zeros(rows * options.groupsPerRow(cols));
  Quantized<T> result;
  result.scales.resize(zeros.size());
  result.back.resize(x.size());
  quantizeAsymmetric(options, x.data(), rows, cols, codes.data(), result.scales.data(), zeros.data());
  dequantizeAsymmetric(options, codes.data(), result.scales.data(), zeros.data(), rows, cols, result.back.data());
  result.codes.assign(codes.begin(), codes.end());
  result.zeros.assign(zeros.begin(), zeros.end());
  return result;
}

static DynamicQuantizerOptions optionsOf(int bits, float clip, int64_t groupSize = 0) {
  DynamicQuantizerOptions options;
  options.bits = bits;
  options.clip = clip;
  options.groupSize = groupSize;
  return options;
}

// The expected values are numpy's, from the formulas of the accuracy reference in float32.

TEST(DynamicQuantizer, SymmetricEqualsTheReference) {
  Quantized<float> result = symmetric(optionsOf(4, 0.9f), numbers, 3, 10);
  EXPECT_EQ(result.codes,
            (Ints{0, 2, -2, 0, -3, -6, 0, 7, -3, -4, 2, 1, 0, -4, 0, 3, -5, -2, -8, -5, 6, 1, 4, 1, 0, 1, 7, 2, 0, 0}));
  EXPECT_EQ(result.scales, (std::vector<float>{0x1.60e5d6p-3f, 0x1.e09826p-8f, 0x1.9e2fcep0f}));
  for (size_t i = 0; i < numbers.size(); ++i)
    EXPECT_EQ(result.back[i], float(result.codes[i]) * result.scales[i / 10]);
}

TEST(DynamicQuantizer, AsymmetricEqualsTheReference) {
  Quantized<float> result = asymmetric(optionsOf(4, 0.95f), numbers, 3, 10);
  EXPECT_EQ(result.codes,
            (Ints{6, 8, 4, 6, 3, 0, 6, 15, 3, 2, 14, 13, 12, 5, 11, 15, 3, 8, 0, 3, 12, 1, 8, 2, 1, 1, 15, 3, 0, 1}));
  EXPECT_EQ(result.scales, (std::vector<float>{0x1.2e754p-3f, 0x1.4350b4p-8f, 0x1.980cf6p-1f}));
  EXPECT_EQ(result.zeros, (Ints{6, 11, 0}));
  for (size_t i = 0; i < numbers.size(); ++i)
    EXPECT_EQ(result.back[i], float(result.codes[i] - result.zeros[i / 10]) * result.scales[i / 10]);
}

TEST(DynamicQuantizer, TiesGoToEven) {
  std::vector<float> x = {7, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 3.5f};
  EXPECT_EQ(symmetric(optionsOf(4, 1), x, 1, 8).codes, (Ints{7, 0, 2, 2, 0, -2, -2, 4}));
  // Scale 1, zero 8.
  std::vector<float> y = {7, -8, 0.5f, 1.5f, -0.5f, -1.5f, 2.5f};
  EXPECT_EQ(asymmetric(optionsOf(4, 1), y, 1, 7).codes, (Ints{15, 0, 8, 10, 8, 6, 10}));
}

TEST(DynamicQuantizer, ZeroRowsHaveTheLeastScale) {
  Quantized<float> result = symmetric(optionsOf(4, 0.9f), std::vector<float>(6), 2, 3);
  EXPECT_EQ(result.codes, Ints(6));
  EXPECT_EQ(result.scales, (std::vector<float>{1e-8f, 1e-8f}));
  Quantized<float> plain = asymmetric(optionsOf(4, 0.95f), std::vector<float>(6), 2, 3);
  EXPECT_EQ(plain.codes, Ints(6));
  EXPECT_EQ(plain.zeros, Ints(2));
  EXPECT_EQ(plain.back, std::vector<float>(6));
  EXPECT_TRUE(symmetric(optionsOf(4, 0.9f), std::vector<float>(), 0, 8).scales.empty());
}

TEST(DynamicQuantizer, RangesOfOneSignIncludeZero) {
  Quantized<float> positive = asymmetric<float>(optionsOf(4, 1), {15, 3, 8}, 1, 3);
  EXPECT_EQ(positive.zeros, Ints{0});
  EXPECT_EQ(positive.codes, (Ints{15, 3, 8}));
  Quantized<float> negative = asymmetric<float>(optionsOf(4, 1), {-15, -3, -8}, 1, 3);
  EXPECT_EQ(negative.zeros, Ints{15});
  EXPECT_EQ(negative.codes, (Ints{0, 12, 7}));
}

TEST(DynamicQuantizer, GroupsAreRowsOfTheirOwn) {
  // 10 columns in groups of 4: two groups of 4 and one of 2 per row.
  DynamicQuantizerOptions grouped = optionsOf(4, 0.9f, 4), whole = optionsOf(4, 0.9f);
  ASSERT_EQ(grouped.groupsPerRow(10), 3);
  Quantized<float> together = symmetric(grouped, numbers, 3, 10), plain = asymmetric(grouped, numbers, 3, 10);
  for (int64_t row = 0; row < 3; ++row)
    for (int64_t group = 0; group < 3; ++group) {
      auto begin = row * 10 + group * 4, length = group == 2 ? int64_t(2) : 4;
      std::vector<float> part(numbers.begin() + begin, numbers.begin() + begin + length);
      Quantized<float> alone = symmetric(whole, part, 1, length), plainAlone = asymmetric(whole, part, 1, length);
      EXPECT_EQ(together.scales[row * 3 + group], alone.scales[0]);
      EXPECT_EQ(Ints(together.codes.begin() + begin, together.codes.begin() + begin + length), alone.codes);
      EXPECT_EQ(plain.zeros[row * 3 + group], plainAlone.zeros[0]);
      EXPECT_EQ(Ints(plain.codes.begin() + begin, plain.codes.begin() + begin + length), plainAlone.codes);
    }
}

/// The definition, an operation a line.
template <typename T> static void checkAgainstDefinition(int bits, float clip) {
  int64_t cols = 257;
  std::vector<T> x;
  for (int64_t i = 0; i < 5 * cols; ++i)
    x.push_back(T(std::sin(double(i) * 12.9898) * 43.7 * std::pow(10.0, double(i / cols) - 3)));
  Quantized<T> result = symmetric(optionsOf(bits, clip), x, 5, cols),
               plain = asymmetric(optionsOf(bits, clip), x, 5, cols);
  T greatest = T((1 << (bits - 1)) - 1), span = T((1 << bits) - 1);
  for (int64_t row = 0; row < 5; ++row) {
    T absmax = 0, high = 0, low = 0;
    for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
      absmax = std::max(absmax, std::abs(x[i]));
      high = std::max(high, x[i]);
      low = std::min(low, x[i]);
    }
    T scaled = T(clip) * absmax, scale = std::max(scaled / greatest, T(1e-8f));
    high = T(clip) * high;
    low = T(clip) * low;
    T range = high - low, step = std::max(range / span, T(1e-8f));
    T zero = std::min(std::max(std::nearbyint(-low / step), T(0)), span);
    ASSERT_EQ(result.scales[row], scale);
    ASSERT_EQ(plain.scales[row], step);
    ASSERT_EQ(plain.zeros[row], int(zero));
    for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
      ASSERT_EQ(result.codes[i], int(std::min(std::max(std::nearbyint(x[i] / scale), -greatest - 1), greatest)));
      ASSERT_EQ(plain.codes[i], int(std::min(std::max(std::nearbyint(x[i] / step) + zero, T(0)), span)));
    }
  }
}

TEST(DynamicQuantizer, EqualsItsDefinition) {
  for (int bits : {2, 3, 4, 8})
    for (float clip : {1.0f, 0.9f, 0.95f}) {
      checkAgainstDefinition<float>(bits, clip);
      checkAgainstDefinition<double>(bits, clip);
    }
}

TEST(DynamicQuantizer, NanIsKept) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  for (float value : {nan, -nan}) {
    EXPECT_TRUE(std::isnan(symmetric<float>(optionsOf(4, 0.9f), {1, value, 2}, 1, 3).scales[0]));
    EXPECT_TRUE(std::isnan(asymmetric<float>(optionsOf(4, 0.9f), {1, value, 2}, 1, 3).scales[0]));
  }
}
