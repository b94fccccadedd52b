//===- KvLayoutTest.cpp - rows in a cache -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/KvLayout.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>
#include <vector>

using namespace quantopt::numerics;

static std::vector<KvLayout> allLayouts() {
  std::vector<KvLayout> layouts;
  for (int64_t bits : {2, 3, 4, 8, 16})
    for (int64_t headDim : {48, 64, 128})
      for (bool isSymmetric : {false, true})
        for (bool hasHalfScales : {false, true})
          for (int64_t groupSize : {int64_t(16), headDim})
            layouts.push_back({bits, headDim, groupSize, 32, 0.95f, isSymmetric, hasHalfScales});
  return layouts;
}

static std::vector<float> randomRow(int64_t size, std::mt19937 &random) {
  std::normal_distribution<float> normal;
  std::vector<float> row(size);
  for (float &x : row)
    x = normal(random);
  return row;
}

// Every token of a block is read back as it was quantized, and none overwrites another.
TEST(KvLayout, RowsComeBack) {
  std::mt19937 random(1);
  for (const KvLayout &layout : allLayouts()) {
    ASSERT_FALSE(bool(layout.check()));
    std::vector<uint8_t> block(layout.blockBytes(), 0xee);
    std::vector<std::vector<float>> rows;
    for (int64_t token = 0; token < layout.pageTokens; ++token) {
      rows.push_back(randomRow(layout.headDim, random));
      layout.writeRow(rows.back().data(), token, block.data());
    }
    for (int64_t token = 0; token < layout.pageTokens; ++token) {
      std::vector<float> read(layout.headDim);
      layout.readRow(block.data(), token, read.data());
      for (int64_t i = 0; i < layout.headDim; ++i) {
        float x = rows[token][i];
        if (!layout.isQuantized()) {
          EXPECT_NEAR(read[i], x, std::fabs(x) * 0x1p-11f + 0x1p-25f);
          continue;
        }
        // Within half a step, or clipped by at most 5 % of the largest, which is less than 6.
        float range = 6, steps = float((1 << layout.bits) - 1);
        EXPECT_LE(std::fabs(read[i] - x), 2 * range / steps + 0.05f * range) << layout.bits;
      }
    }
  }
}

// Codes and scales are those of the dynamic quantizer, in the documented places.
TEST(KvLayout, HoldsTheQuantizersCodes) {
  std::mt19937 random(2);
  KvLayout layout{4, 64, 32, 16, 0.95f, false, true};
  std::vector<float> row = randomRow(64, random);
  std::vector<uint8_t> block(layout.blockBytes()), codes(64), zeros(2), expected(64);
  std::vector<float> scales(2), expectedScales(2), readZeros(2);
  layout.writeRow(row.data(), 5, block.data());
  quantizeAsymmetric<float>(layout.quantizer(), row.data(), 1, 64, expected.data(), expectedScales.data(),
                            zeros.data());
  layout.readCodes(block.data(), 5, codes.data(), scales.data(), readZeros.data());
  EXPECT_EQ(codes, expected);
  EXPECT_EQ(scales, expectedScales);
  for (int group : {0, 1})
    EXPECT_EQ(readZeros[group], float(zeros[group]));
  EXPECT_EQ(block[5 * 32] & 15, expected[0]);
  EXPECT_EQ(block[5 * 32] >> 4, expected[1]);
  EXPECT_EQ(layout.scaleOffset(5, 1), 16 * 32 + (5 * 2 + 1) * 4);
}

TEST(KvLayout, FourBitsAreThreePointSevenTimesSmaller) {
  KvLayout quantized{4, 128, 128, 64, 0.95f, false, true}, half{16, 128, 128, 64, 0.95f, false, true};
  EXPECT_GE(double(half.tokenBytes()) / double(quantized.tokenBytes()), 3.7);
}

TEST(KvLayout, RefusesWhatDoesNotFit) {
  auto message = [](KvLayout layout) { return llvm::toString(layout.check()); };
  KvLayout layout;
  layout.bits = 5;
  EXPECT_EQ(message(layout), "expected a cache of 2, 3, 4, 8 or 16 bits, got 5");
  layout = KvLayout();
  layout.headDim = 72;
  EXPECT_NE(message(layout), "");
  layout = KvLayout();
  layout.groupSize = 48;
  EXPECT_NE(message(layout), "");
  layout = KvLayout();
  layout.pageTokens = 8;
  EXPECT_NE(message(layout), "");
  layout = KvLayout();
  layout.clip = 0;
  EXPECT_NE(message(layout), "");
}
