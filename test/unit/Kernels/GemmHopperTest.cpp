//===- GemmHopperTest.cpp - products of warp groups ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

static GemmCase makeProduct(const std::array<int64_t, 3> &shape) {
  auto [rows, outputs, inner] = shape;
  GemmCase gemm = makeGemm("gemm_w4a8", rows, outputs, inner, "sm_90a");
  gemm.tiles = {64, 128, 128, 64, 64, 3};
  gemm.mma = "wgmma_s8";
  return gemm;
}

TEST(GemmHopper, IsExactForEveryShape) {
  for (const auto &shape : gemmShapes)
    expectGemm(makeProduct(shape));
}

TEST(GemmHopper, HasExactIntegerSums) {
  for (const auto &shape : gemmShapes)
    expectGemmSums(makeProduct(shape));
}

TEST(GemmHopper, RoundsOnceAndAddsBiasAndResidual) {
  for (DType type : {DType::F32, DType::F16, DType::BF16})
    for (unsigned added : {0, 1, 2, 3}) {
      GemmCase gemm = makeProduct({70, 100, 650});
      gemm.result = type;
      gemm.bias = added & 1;
      gemm.residual = added & 2;
      expectGemm(gemm);
    }
}

/// One consumer and two, side by side along rows or channels; 16 to 256 rows a product; one product of channels and
/// two; stages that a contraction goes around and stages that it does not fill.
TEST(GemmHopper, IsExactForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {
      {256, 128, 128, 256, 64, 4}, {128, 128, 128, 64, 128, 4}, {128, 256, 128, 128, 128, 3}, {16, 64, 128, 16, 64, 6},
      {32, 128, 128, 32, 64, 2},   {48, 64, 128, 48, 64, 2},    {64, 256, 128, 64, 64, 3}};
  for (const GemmTiles &tiles : configurations)
    for (int64_t inner : {130, 1536}) {
      GemmCase gemm = makeProduct({70, 100, inner});
      gemm.tiles = tiles;
      expectGemm(gemm);
    }
  GemmCase large = makeProduct({300, 320, 832});
  large.tiles = configurations[0];
  large.result = DType::F16;
  expectGemm(large);
}

/// The greatest sums that codes have: nothing overflows on the way, where weights are 16 times what they were.
TEST(GemmHopper, KeepsTheGreatestSums) {
  GemmCase gemm = makeProduct({33, 64, 4096});
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::vector<Tensor> operands = randomOperands(gemm, 1);
  llvm::fill(operands[0].mutableData<int8_t>(), -128);
  llvm::fill(operands[2].mutableData<int8_t>(), -8);
  auto run = (*kernel)->run(operands, gemm.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(compareExact(run->results[0], expectedResult(gemm, operands)), "");
}
