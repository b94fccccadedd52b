//===- MmaTest.cpp - matrix instructions against their definition ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// The reference reads elements through the index formulas that the PTX ISA prints for every shape, and sums naively.
//
//===----------------------------------------------------------------------------===//
#include "Mma.h"
#include "quantopt/Support/Half.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace quantopt;
using namespace quantopt::ptx;

namespace {

struct Warp {
  uint32_t words[4][32];
  const uint32_t *inputs[4] = {words[0], words[1], words[2], words[3]};
  uint32_t *outputs[4] = {words[0], words[1], words[2], words[3]};

  template <typename Random> void fill(Random &&random) {
    for (auto &lanes : words)
      for (uint32_t &word : lanes)
        word = random();
  }
  /// Element i of a lane, where elements of `bits` fill the lane's registers in order.
  uint32_t element(unsigned lane, unsigned i, unsigned bits) const {
    unsigned perWord = 32 / bits;
    uint32_t word = words[i / perWord][lane] >> (i % perWord * bits);
    return bits == 32 ? word : word & ((1u << bits) - 1);
  }
};

struct Place {
  unsigned row, column;
};

/// "Matrix Fragments for mma.m16n8k64" and its siblings: element i of A in a lane.
Place placeOfA(MmaShape shape, unsigned bits, unsigned lane, unsigned i) {
  unsigned group = lane >> 2, thread = lane % 4, perWord = 32 / bits;
  unsigned word = i / perWord, within = i % perWord;
  if (shape.m == 8)
    return {group, thread * perWord + within};
  return {word % 2 == 0 ? group : group + 8, thread * perWord + within + (word < 2 ? 0 : 4 * perWord)};
}
Place placeOfB(unsigned bits, unsigned lane, unsigned i) {
  unsigned perWord = 32 / bits;
  return {lane % 4 * perWord + i % perWord + (i < perWord ? 0 : 4 * perWord), lane >> 2};
}
Place placeOfC(unsigned lane, unsigned i) { return {(lane >> 2) + (i < 2 ? 0 : 8), lane % 4 * 2 + (i & 1)}; }

int64_t integer(MatrixType type, uint32_t bits) {
  if (type == MatrixType::S8)
    return int8_t(bits);
  if (type == MatrixType::S4)
    return int32_t(bits << 28) >> 28;
  return bits;
}

struct IntegerCase {
  MmaShape shape;
  bool nibbles;
};
class IntegerMma : public testing::TestWithParam<IntegerCase> {};

TEST_P(IntegerMma, EqualsDefinition) {
  auto [shape, nibbles] = GetParam();
  std::mt19937 random(shape.k * 16 + shape.m);
  using Types = std::vector<MatrixType>;
  Types types = nibbles ? Types{MatrixType::S4, MatrixType::U4} : Types{MatrixType::S8, MatrixType::U8};
  unsigned bits = nibbles ? 4 : 8;
  for (MatrixType aType : types)
    for (MatrixType bType : types)
      for (bool satfinite : {false, true})
        for (bool extreme : {false, true}) {
          Warp a, b, c, d;
          a.fill(random);
          b.fill(random);
          c.fill([&] { return extreme ? 0x7ffffff0u + (random() & 0x1f) : random(); });
          ASSERT_TRUE(isMma(shape, aType, bType, AccumulatorType::S32));
          mma(shape, aType, bType, AccumulatorType::S32, satfinite, a.inputs, b.inputs, c.inputs, d.outputs);

          MmaRegisters registers = mmaRegisters(shape, aType, AccumulatorType::S32);
          int64_t aMatrix[16][64], bMatrix[64][8];
          for (unsigned lane = 0; lane < 32; ++lane) {
            for (unsigned i = 0; i < registers.a * 32 / bits; ++i) {
              Place place = placeOfA(shape, bits, lane, i);
              aMatrix[place.row][place.column] = integer(aType, a.element(lane, i, bits));
            }
            for (unsigned i = 0; i < registers.b * 32 / bits; ++i) {
              Place place = placeOfB(bits, lane, i);
              bMatrix[place.row][place.column] = integer(bType, b.element(lane, i, bits));
            }
          }
          for (unsigned lane = 0; lane < 32; ++lane)
            for (unsigned i = 0; i < registers.c; ++i) {
              Place place = placeOfC(lane, i);
              int64_t sum = int32_t(c.words[i][lane]);
              for (unsigned k = 0; k < shape.k; ++k)
                sum += aMatrix[place.row][k] * bMatrix[k][place.column];
              if (satfinite)
                sum = std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX);
              ASSERT_EQ(d.words[i][lane], uint32_t(sum)) << "lane " << lane << " register " << i;
            }
        }
}

INSTANTIATE_TEST_SUITE_P(Shapes, IntegerMma,
                         testing::Values(IntegerCase{{8, 8, 16}, false}, IntegerCase{{16, 8, 16}, false},
                                         IntegerCase{{16, 8, 32}, false}, IntegerCase{{8, 8, 32}, true},
                                         IntegerCase{{16, 8, 32}, true}, IntegerCase{{16, 8, 64}, true}));

class FloatMma : public testing::TestWithParam<std::tuple<unsigned, MatrixType, AccumulatorType>> {};

TEST_P(FloatMma, EqualsDefinition) {
  auto [k, type, accumulator] = GetParam();
  MmaShape shape{16, 8, k};
  bool half = accumulator == AccumulatorType::F16;
  std::mt19937 random(k);
  std::normal_distribution<float> normal;
  auto narrow = [type = type](float x) { return type == MatrixType::F16 ? floatToHalf(x) : floatToBfloat(x); };
  auto widen = [type = type](uint32_t x) {
    return type == MatrixType::F16 ? halfToFloat(uint16_t(x)) : bfloatToFloat(uint16_t(x));
  };
  auto pair = [&] { return narrow(normal(random)) | uint32_t(narrow(normal(random))) << 16; };
  Warp a, b, c;
  a.fill(pair);
  b.fill(pair);
  c.fill([&] {
    return half ? floatToHalf(normal(random)) | uint32_t(floatToHalf(normal(random))) << 16
                : llvm::bit_cast<uint32_t>(normal(random));
  });
  Warp d = c;
  ASSERT_TRUE(isMma(shape, type, type, accumulator));
  // In place, as accumulators are.
  uint32_t *outputs[4] = {d.words[0], d.words[1], d.words[2], d.words[3]};
  const uint32_t *addends[4] = {d.words[0], d.words[1], d.words[2], d.words[3]};
  mma(shape, type, type, accumulator, false, a.inputs, b.inputs, addends, outputs);

  MmaRegisters registers = mmaRegisters(shape, type, accumulator);
  double aMatrix[16][16], bMatrix[16][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < registers.a * 2; ++i) {
      Place place = placeOfA(shape, 16, lane, i);
      aMatrix[place.row][place.column] = widen(a.element(lane, i, 16));
    }
    for (unsigned i = 0; i < registers.b * 2; ++i) {
      Place place = placeOfB(16, lane, i);
      bMatrix[place.row][place.column] = widen(b.element(lane, i, 16));
    }
  }
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      Place place = placeOfC(lane, i);
      double sum = 0;
      for (unsigned j = 0; j < k; ++j)
        sum += aMatrix[place.row][j] * bMatrix[j][place.column];
      if (half)
        ASSERT_EQ(d.element(lane, i, 16), doubleToHalf(sum + halfToFloat(uint16_t(c.element(lane, i, 16)))));
      else
        ASSERT_EQ(d.words[i][lane], llvm::bit_cast<uint32_t>(float(sum + llvm::bit_cast<float>(c.words[i][lane]))));
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, FloatMma,
                         testing::Values(std::tuple(8, MatrixType::F16, AccumulatorType::F32),
                                         std::tuple(16, MatrixType::F16, AccumulatorType::F32),
                                         std::tuple(8, MatrixType::F16, AccumulatorType::F16),
                                         std::tuple(16, MatrixType::F16, AccumulatorType::F16),
                                         std::tuple(8, MatrixType::BF16, AccumulatorType::F32),
                                         std::tuple(16, MatrixType::BF16, AccumulatorType::F32)));

TEST(Mma, NanIsCanonical) {
  Warp a{}, b{}, c{}, d{};
  a.words[0][0] = 0x7c00; // infinity times zero in row 0
  mma({16, 8, 16}, MatrixType::F16, MatrixType::F16, AccumulatorType::F32, false, a.inputs, b.inputs, c.inputs,
      d.outputs);
  EXPECT_EQ(d.words[0][0], 0x7fffffffu);
  EXPECT_EQ(d.words[0][4], 0u);
}

TEST(Mma, RefusesWhatTheIsaLacks) {
  EXPECT_FALSE(isMma({16, 8, 64}, MatrixType::S8, MatrixType::S8, AccumulatorType::S32));
  EXPECT_FALSE(isMma({8, 8, 32}, MatrixType::S4, MatrixType::S8, AccumulatorType::S32));
  EXPECT_FALSE(isMma({16, 8, 16}, MatrixType::F16, MatrixType::BF16, AccumulatorType::F32));
  EXPECT_FALSE(isMma({16, 8, 16}, MatrixType::BF16, MatrixType::BF16, AccumulatorType::F16));
  EXPECT_FALSE(isMma({8, 8, 16}, MatrixType::F16, MatrixType::F16, AccumulatorType::F32));
  EXPECT_FALSE(isMma({16, 8, 32}, MatrixType::S8, MatrixType::S8, AccumulatorType::F32));
}

TEST(Ldmatrix, GivesFragments) {
  uint16_t rows[8][8];
  for (unsigned i = 0; i < 64; ++i)
    rows[i / 8][i % 8] = uint16_t(i);
  uint32_t lanes[32];
  ldmatrix(rows, false, lanes);
  EXPECT_EQ(lanes[0], 0x00010000u);
  EXPECT_EQ(lanes[5], 0x000b000au); // row 1, columns 2 and 3
  ldmatrix(rows, true, lanes);
  EXPECT_EQ(lanes[5], 0x00190011u); // column 1, rows 2 and 3
  EXPECT_EQ(ldmatrixAddressLane(3, 2), 26u);
}

TEST(Ldmatrix, StmatrixIsItsInverse) {
  std::mt19937 random(1);
  for (bool transposed : {false, true}) {
    uint32_t lanes[32], again[32];
    uint16_t rows[8][8];
    std::generate(std::begin(lanes), std::end(lanes), std::ref(random));
    stmatrix(lanes, transposed, rows);
    ldmatrix(rows, transposed, again);
    EXPECT_TRUE(std::equal(std::begin(lanes), std::end(lanes), again));
  }
}

} // namespace
