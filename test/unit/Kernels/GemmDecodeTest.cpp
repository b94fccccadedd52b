//===- GemmDecodeTest.cpp - products of few rows ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// Rows, outputs and contraction. The contraction divides evenly among warps, does not, and is shorter than they are
/// many; rows fill a tile, do not, and take several blocks.
static constexpr std::array<int64_t, 3> decodeShapes[] = {{1, 192, 576},  {3, 192, 1536}, {8, 192, 576}, {1, 100, 130},
                                                          {5, 100, 1536}, {2, 7, 33},     {17, 100, 650}};

static GemmCase makeDecode(DType input, DType weight, const std::array<int64_t, 3> &shape, const char *arch) {
  auto [rows, outputs, inner] = shape;
  GemmCase gemm = makeGemm("gemm_decode", rows, outputs, inner, arch);
  gemm.input = input;
  gemm.weight = weight;
  int64_t parts = std::min<int64_t>(4, (inner + 63) / 64);
  gemm.tiles = {8, 16, 128, 8, 16, 1, parts == 3 ? 2 : parts};
  return gemm;
}

TEST(GemmDecode, IsExactByInt4) {
  for (const char *arch : {"sm_75", "sm_80", "sm_86", "sm_87", "sm_89"})
    for (const auto &shape : decodeShapes)
      expectGemm(makeDecode(DType::I4, DType::I4, shape, arch));
}

TEST(GemmDecode, IsExactByInt8) {
  for (const char *arch : {"sm_75", "sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a"})
    for (const auto &shape : decodeShapes)
      for (DType weight : {DType::I4, DType::I8})
        expectGemm(makeDecode(DType::I8, weight, shape, arch));
}

TEST(GemmDecode, HasExactIntegerSums) {
  for (const auto &shape : decodeShapes) {
    expectGemmSums(makeDecode(DType::I4, DType::I4, shape, "sm_80"));
    expectGemmSums(makeDecode(DType::I8, DType::I4, shape, "sm_90a"));
  }
}

TEST(GemmDecode, RoundsOnceAndAddsBiasAndResidual) {
  for (DType type : {DType::F32, DType::F16, DType::BF16})
    for (unsigned added : {0, 1, 2, 3})
      for (const char *arch : {"sm_80", "sm_90a"}) {
        DType input = llvm::StringRef(arch) == "sm_80" ? DType::I4 : DType::I8;
        GemmCase gemm = makeDecode(input, DType::I4, {5, 100, 650}, arch);
        gemm.result = type;
        gemm.bias = added & 1;
        gemm.residual = added & 2;
        expectGemm(gemm);
      }
}

/// All sizes of tiles, from one warp that has the whole contraction to many that share it, with few and many columns
/// under way, with a contraction that goes around the ring of loads and one that does not.
TEST(GemmDecode, IsExactForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {
      {8, 16, 64, 8, 16, 1, 1},    {8, 32, 512, 8, 32, 1, 2},   {8, 64, 256, 8, 16, 1, 4},  {16, 16, 256, 16, 16, 1, 8},
      {32, 32, 128, 32, 16, 1, 4}, {64, 32, 128, 64, 32, 1, 2}, {64, 16, 64, 64, 16, 1, 8}, {8, 16, 128, 8, 16, 1, 16}};
  for (const GemmTiles &tiles : configurations)
    for (std::array<int64_t, 3> shape : {std::array<int64_t, 3>{1, 100, 1040}, {33, 64, 4160}, {64, 112, 2048}}) {
      GemmCase int4 = makeDecode(DType::I4, DType::I4, shape, "sm_80");
      int4.tiles = tiles;
      expectGemm(int4);
      GemmCase int8 = makeDecode(DType::I8, DType::I4, shape, "sm_90a");
      int8.tiles = tiles;
      expectGemm(int8);
    }
}

TEST(GemmDecode, ScalesGroupsByIntegers) {
  for (auto [inner, groups] : {std::pair<int64_t, int64_t>{576, 9}, {1536, 12}, {2048, 8}, {640, 5}}) {
    GemmCase int4 = makeDecode(DType::I4, DType::I4, {5, 100, inner}, "sm_80");
    int4.groups = groups;
    expectGemm(int4);
    GemmCase turing = makeDecode(DType::I4, DType::I4, {5, 100, inner}, "sm_75");
    turing.groups = groups;
    expectGemm(turing);
  }
  for (auto [inner, groups] : {std::pair<int64_t, int64_t>{128, 2}, {192, 3}, {384, 3}, {448, 7}})
    for (DType weight : {DType::I4, DType::I8}) {
      GemmCase int8 = makeDecode(DType::I8, weight, {5, 100, inner}, "sm_90a");
      int8.groups = groups;
      expectGemm(int8);
    }
}

TEST(GemmDecode, HasNoRows) {
  GemmCase gemm = makeDecode(DType::I4, DType::I4, {0, 64, 130}, "sm_80");
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  auto run = (*kernel)->run(randomOperands(gemm, 1), 0);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
}

/// One row: every byte of the weights is read once, and what else moves is little beside it. Blocks of 64 channels read
/// the input's row each, in requests of half a sector: 1/32 of the weights' bytes.
TEST(GemmDecode, MovesLittleMoreThanTheWeights) {
  GemmCase gemm = makeDecode(DType::I4, DType::I4, {1, 256, 4096}, "sm_80");
  gemm.tiles = {8, 64, 128, 8, 64, 1, 8};
  gemm.result = DType::F16;
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  auto run = (*kernel)->run(randomOperands(gemm, 1), gemm.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  double weightBytes = gemm.outputs * gemm.inner / 2, moved = 32.0 * run->counters.globalLoads.sectors;
  EXPECT_GE(moved, weightBytes);
  EXPECT_LE(moved, 1.04 * weightBytes);
  RecordProperty("bytesPerWeightByte", std::to_string(moved / weightBytes));
}
