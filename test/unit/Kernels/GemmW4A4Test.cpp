//===- GemmW4A4Test.cpp - products on INT4 tensor cores --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

static GemmCase product(int64_t rows, int64_t outputs, int64_t inner, const char *arch = "sm_80") {
  return makeGemm("gemm_w4a4", rows, outputs, inner, arch);
}

TEST(GemmW4A4, IsExactForEveryShape) {
  for (auto [rows, outputs, inner] : gemmShapes)
    expectGemm(product(rows, outputs, inner));
}

TEST(GemmW4A4, HasExactIntegerSums) {
  for (auto [rows, outputs, inner] : gemmShapes)
    expectGemmSums(product(rows, outputs, inner));
}

TEST(GemmW4A4, IsExactOnEveryArchitecture) {
  for (const char *arch : {"sm_86", "sm_87", "sm_89"})
    for (auto [rows, outputs, inner] : gemmShapes)
      expectGemm(product(rows, outputs, inner, arch));
}

TEST(GemmW4A4, RoundsOnceToTheTypeOfTheResult) {
  for (DType type : {DType::F16, DType::BF16})
    for (auto [rows, outputs, inner] : gemmShapes) {
      GemmCase gemm = product(rows, outputs, inner);
      gemm.result = type;
      expectGemm(gemm);
    }
}

TEST(GemmW4A4, AddsBiasAndResidual) {
  for (DType type : {DType::F32, DType::F16, DType::BF16})
    for (unsigned added : {1, 2, 3}) {
      GemmCase gemm = product(33, 100, 130);
      gemm.result = type;
      gemm.bias = added & 1;
      gemm.residual = added & 2;
      expectGemm(gemm);
      gemm.rows = 128;
      gemm.outputs = 192;
      expectGemm(gemm);
    }
}

/// The tiles that tuning chooses among; each with a contraction longer than its stages and one shorter.
TEST(GemmW4A4, IsExactForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {{128, 256, 256, 64, 64, 3}, {128, 256, 128, 64, 64, 4},
                                          {128, 128, 128, 64, 64, 4}, {64, 128, 256, 32, 64, 3},
                                          {32, 64, 128, 16, 32, 4},   {64, 64, 64, 32, 32, 5}};
  for (const GemmTiles &tiles : configurations)
    for (int64_t inner : {130, 1536}) {
      GemmCase gemm = product(33, 100, inner);
      gemm.tiles = tiles;
      expectGemm(gemm);
    }
}

/// The extreme sum, 64·K, is far from what satfinite would change.
TEST(GemmW4A4, KeepsTheGreatestSums) {
  GemmCase gemm = product(33, 64, 576);
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::vector<Tensor> operands = randomOperands(gemm, 1);
  llvm::fill(operands[0].mutableData<int8_t>(), -8);
  llvm::fill(operands[2].mutableData<int8_t>(), -8);
  auto run = (*kernel)->run(operands, gemm.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(compareExact(run->results[0], expectedResult(gemm, operands)), "");
}

/// There is nothing to launch: a grid may not be empty.
TEST(GemmW4A4, HasNoRows) {
  GemmCase gemm = product(0, 64, 130);
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  auto run = (*kernel)->run(randomOperands(gemm, 1), 0);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(run->results[0].numElements(), 0);
}
