//===- GemmTest.h - tests of integer matrix products -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_GEMMTEST_H
#define QUANTOPT_TEST_UNIT_KERNELS_GEMMTEST_H

#include "Comparison.h"
#include "GemmCase.h"
#include "Harness.h"
#include "gtest/gtest.h"
#include <array>

namespace quantopt::kerneltest {

/// Rows, outputs and contraction: whole tiles and ragged ones, among them a single row.
inline constexpr std::array<int64_t, 3> gemmShapes[] = {
    {1, 192, 576},  {33, 192, 576}, {128, 192, 576}, {1, 192, 1536},  {33, 576, 576}, {128, 192, 1536},
    {33, 100, 130}, {1, 100, 130},  {65, 576, 130},  {33, 100, 1536}, {70, 7, 33}};

/// A product of an op (gemm_w4a4, gemm_w4a8 or gemm_w8a8) with small tiles.
inline GemmCase makeGemm(const char *op, int64_t rows, int64_t outputs, int64_t inner, const char *arch = "sm_80") {
  GemmCase gemm;
  gemm.op = op;
  gemm.arch = arch;
  gemm.tiles = {64, 64, 128, 32, 32, 3};
  gemm.rows = rows;
  gemm.outputs = outputs;
  gemm.inner = inner;
  gemm.input = gemm.op == "gemm_w4a4" ? DType::I4 : DType::I8;
  gemm.weight = gemm.op == "gemm_w8a8" ? DType::I8 : DType::I4;
  return gemm;
}

/// Builds the product, runs it on random operands and expects every bit of the result and no bank conflicts.
inline void expectGemm(const GemmCase &gemm, unsigned seed = 1) {
  SCOPED_TRACE(gemm.describe());
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::vector<Tensor> operands = randomOperands(gemm, seed);
  auto run = (*kernel)->run(operands, gemm.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(compareExact(run->results[0], expectedResult(gemm, operands)), "");
  EXPECT_EQ(run->counters.sharedConflicts, 0u);
}

/// The product with unit scales: the sums themselves, which are integers that f32 holds.
inline void expectGemmSums(GemmCase gemm, unsigned seed = 2) {
  SCOPED_TRACE(gemm.describe());
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::vector<Tensor> operands = randomOperands(gemm, seed);
  for (unsigned scale : {1, 3})
    llvm::fill(operands[scale].mutableData<float>(), 1.0f);
  auto run = (*kernel)->run(operands, gemm.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  Tensor sums = integerSums(operands[0], operands[2], gemm.groups ? &operands[4] : nullptr);
  Tensor expected(DType::F32, sums.shape());
  for (int64_t i = 0; i < sums.numElements(); ++i)
    expected.mutableData<float>()[i] = float(sums.data<int32_t>()[i]);
  EXPECT_EQ(compareExact(run->results[0], expected), "");
}

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_GEMMTEST_H
