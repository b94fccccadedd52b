//===- WgmmaTest.cpp - warp group products against their definition ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Wgmma.h"
#include "quantopt/Support/Half.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <set>

using namespace quantopt;
using namespace quantopt::ptx;

namespace {

/// One warp's rows, all of B, and the accumulators.
struct Operands {
  uint8_t a[16][32], b[256][32];
  uint32_t aRegisters[4][32], d[128][32];
  const uint32_t *aPointers[4];
  uint32_t *dPointers[128];

  explicit Operands(const std::function<uint8_t()> &randomByte) {
    for (auto &row : a)
      std::generate(std::begin(row), std::end(row), randomByte);
    for (auto &row : b)
      std::generate(std::begin(row), std::end(row), randomByte);
    arrangeWgmmaA(a, aRegisters);
    for (unsigned i = 0; i < 4; ++i)
      aPointers[i] = aRegisters[i];
    for (unsigned i = 0; i < 128; ++i)
      dPointers[i] = d[i];
  }
};

TEST(Wgmma, IntegersEqualDefinition) {
  std::mt19937 random(4);
  for (unsigned n : {8, 24, 64, 256})
    for (MatrixType aType : {MatrixType::S8, MatrixType::U8})
      for (MatrixType bType : {MatrixType::S8, MatrixType::U8})
        for (bool accumulates : {false, true}) {
          auto operands = std::make_unique<Operands>([&] { return uint8_t(random()); });
          for (auto &lanes : operands->d)
            std::generate(std::begin(lanes), std::end(lanes), std::ref(random));
          auto before = std::make_unique<Operands>(*operands);
          Wgmma instruction{n, aType, bType, AccumulatorType::S32};
          instruction.accumulates = accumulates;
          ASSERT_TRUE(instruction.isLegal());
          wgmma(instruction, operands->aPointers, operands->b, operands->dPointers);
          // "Register Fragments for wgmma D": d[i] of a lane.
          for (unsigned lane = 0; lane < 32; ++lane)
            for (unsigned i = 0; i < n / 2; ++i) {
              unsigned row = lane / 4 + (i % 4 < 2 ? 0 : 8), column = i / 4 * 8 + lane % 4 * 2 + (i & 1);
              uint32_t sum = accumulates ? before->d[i][lane] : 0;
              for (unsigned k = 0; k < 32; ++k) {
                uint8_t x = operands->a[row][k], y = operands->b[column][k];
                sum += uint32_t((aType == MatrixType::S8 ? int8_t(x) : int(x)) *
                                (bType == MatrixType::S8 ? int8_t(y) : int(y)));
              }
              ASSERT_EQ(operands->d[i][lane], sum);
            }
        }
}

TEST(Wgmma, IntegersSaturate) {
  auto operands = std::make_unique<Operands>([] { return uint8_t(127); });
  for (auto &lanes : operands->d)
    std::fill(std::begin(lanes), std::end(lanes), uint32_t(INT32_MAX - 5));
  Wgmma instruction{8, MatrixType::S8, MatrixType::S8, AccumulatorType::S32};
  instruction.satfinite = true;
  wgmma(instruction, operands->aPointers, operands->b, operands->dPointers);
  EXPECT_EQ(operands->d[0][0], uint32_t(INT32_MAX));
}

TEST(Wgmma, HalvesEqualDefinition) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (MatrixType type : {MatrixType::F16, MatrixType::BF16})
    for (bool negates : {false, true})
      for (bool half : {false, true}) {
        if (half && type == MatrixType::BF16)
          continue;
        auto operands = std::make_unique<Operands>([] { return uint8_t(0); });
        auto fill = [&](auto &rows) {
          for (auto &row : rows)
            for (unsigned i = 0; i < 16; ++i) {
              float value = normal(random);
              uint16_t bits = type == MatrixType::F16 ? floatToHalf(value) : floatToBfloat(value);
              std::memcpy(&row[2 * i], &bits, 2);
            }
        };
        fill(operands->a);
        fill(operands->b);
        arrangeWgmmaA(operands->a, operands->aRegisters);
        for (auto &lanes : operands->d)
          for (uint32_t &word : lanes)
            word = half ? floatToHalf(normal(random)) * 0x10001u : llvm::bit_cast<uint32_t>(normal(random));
        auto before = std::make_unique<Operands>(*operands);
        constexpr unsigned n = 40;
        Wgmma instruction{n, type, type, half ? AccumulatorType::F16 : AccumulatorType::F32};
        instruction.negatesB = negates;
        ASSERT_TRUE(instruction.isLegal());
        wgmma(instruction, operands->aPointers, operands->b, operands->dPointers);
        auto value = [&](const uint8_t *row, unsigned i) -> double {
          uint16_t bits;
          std::memcpy(&bits, row + 2 * i, 2);
          return type == MatrixType::F16 ? halfToFloat(bits) : bfloatToFloat(bits);
        };
        for (unsigned lane = 0; lane < 32; ++lane)
          for (unsigned i = 0; i < n / 2; ++i) {
            unsigned row = lane / 4 + (i % 4 < 2 ? 0 : 8), column = i / 4 * 8 + lane % 4 * 2 + (i & 1);
            double sum = 0;
            for (unsigned k = 0; k < 16; ++k)
              sum += value(operands->a[row], k) * value(operands->b[column], k);
            sum = negates ? -sum : sum;
            if (half) {
              uint16_t addend = uint16_t(before->d[i / 2][lane] >> (i % 2 * 16));
              ASSERT_EQ(uint16_t(operands->d[i / 2][lane] >> (i % 2 * 16)), doubleToHalf(sum + halfToFloat(addend)));
            } else {
              float addend = llvm::bit_cast<float>(before->d[i][lane]);
              ASSERT_EQ(operands->d[i][lane], llvm::bit_cast<uint32_t>(float(sum + addend)));
            }
          }
      }
}

TEST(Wgmma, RefusesWhatTheIsaLacks) {
  using A = AccumulatorType;
  EXPECT_FALSE((Wgmma{40, MatrixType::S8, MatrixType::S8, A::S32}.isLegal()));
  EXPECT_FALSE((Wgmma{264, MatrixType::F16, MatrixType::F16, A::F32}.isLegal()));
  EXPECT_FALSE((Wgmma{64, MatrixType::S4, MatrixType::S4, A::S32}.isLegal()));
  EXPECT_FALSE((Wgmma{64, MatrixType::F16, MatrixType::BF16, A::F32}.isLegal()));
  EXPECT_FALSE((Wgmma{64, MatrixType::BF16, MatrixType::BF16, A::F16}.isLegal()));
}

TEST(MatrixDescriptor, IsTheIsaFormat) {
  // Start 0x400, leading 1 unit, stride 1024 bytes, 128-byte swizzle: what the literature writes as these shifts.
  uint64_t bits = uint64_t(1) << 62 | uint64_t(64) << 32 | uint64_t(1) << 16 | 0x400 >> 4;
  MatrixDescriptor descriptor = MatrixDescriptor::decode(bits);
  EXPECT_EQ(descriptor.start, 0x400u);
  EXPECT_EQ(descriptor.leading, 16u);
  EXPECT_EQ(descriptor.stride, 1024u);
  EXPECT_EQ(descriptor.swizzle, TensorSwizzle::Bytes128);
  EXPECT_EQ(descriptor.encode(), bits);
  EXPECT_EQ(descriptor.findProblem(), "");
}

TEST(MatrixDescriptor, ChunksOfASwizzledTileAreDistinctAndMeetAllBanks) {
  for (TensorSwizzle swizzle : {TensorSwizzle::Bytes32, TensorSwizzle::Bytes64, TensorSwizzle::Bytes128}) {
    unsigned width = swizzleBytes(swizzle);
    std::set<uint32_t> addresses;
    for (unsigned slice = 0; slice < width / 32; ++slice) {
      MatrixDescriptor descriptor{2048 + slice * 32, 16, 8 * width, swizzle, 0};
      ASSERT_EQ(descriptor.findProblem(), "");
      for (unsigned row = 0; row < 64; ++row)
        for (unsigned chunk = 0; chunk < 2; ++chunk)
          addresses.insert(descriptor.chunkAddress(row, chunk));
    }
    EXPECT_EQ(addresses.size(), 64 * width / 16);
    EXPECT_EQ(*addresses.begin(), 2048u);
    EXPECT_EQ(*addresses.rbegin(), 2048 + 64 * width - 16);
    // Eight rows of one chunk fill eight different 16-byte columns of the 128 bytes that the banks hold.
    std::set<uint32_t> columns;
    MatrixDescriptor descriptor{2048, 16, 8 * width, swizzle, 0};
    for (unsigned row = 0; row < 8; ++row)
      columns.insert(descriptor.chunkAddress(row, 0) % 128);
    EXPECT_EQ(columns.size(), 8u);
  }
}

TEST(MatrixDescriptor, UnswizzledChunksFollowTheStrides) {
  MatrixDescriptor descriptor{256, 4096, 128, TensorSwizzle::None, 0};
  EXPECT_EQ(descriptor.chunkAddress(0, 0), 256u);
  EXPECT_EQ(descriptor.chunkAddress(3, 0), 256u + 48);
  EXPECT_EQ(descriptor.chunkAddress(9, 1), 256u + 128 + 16 + 4096);
}

TEST(MatrixDescriptor, ProblemsAreFound) {
  MatrixDescriptor good{1024, 16, 1024, TensorSwizzle::Bytes128, 0};
  EXPECT_EQ(good.findProblem(), "");
  MatrixDescriptor offset = good, phase = good, slice = good, stride = good;
  offset.baseOffset = 1;
  phase.start += 128;
  slice.start += 112;
  stride.stride = 512;
  for (const MatrixDescriptor &bad : {offset, phase, slice, stride})
    EXPECT_NE(bad.findProblem(), "");
}

} // namespace
