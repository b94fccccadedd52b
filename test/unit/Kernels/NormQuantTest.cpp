//===- NormQuantTest.cpp - residual, norm, transform and codes in one kernel ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "RowCase.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::kerneltest;

static std::string textOf(const RowCase &row) { return row.text("norm_quant", "epsilon = 1.0e-5 : f64, "); }

/// Builds the kernel, runs it on random rows, and compares every result.
static void expectNormQuant(const RowCase &row, ptx::Counters *counters = nullptr) {
  SCOPED_TRACE(row.describe());
  auto kernel = Kernel::build(textOf(row));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(row.columns);
  std::vector<Tensor> operands;
  for (unsigned i = 0; i < (*kernel)->numOperands(); ++i)
    operands.push_back(randomRows((*kernel)->operandType(0), row.rows, row.columns, random));
  auto run = (*kernel)->run(operands, row.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());

  Tensor sum = row.hasResidual ? addRows(operands[0], operands[1]) : operands[0];
  if (row.hasResidual)
    EXPECT_EQ(compareExact(run->results[2], sum), "");
  expectQuantized(row, **kernel, normalise(sum, llvm::cantFail(tile::getRowPlan((*kernel)->op()))), *run);
  expectNoConflicts(**kernel, *run);
  if (counters)
    *counters = run->counters;
}

TEST(NormQuant, SmallRowsOnEveryArchitecture) {
  const RowCase cases[] = {
      {3, 576, "f16", "i4", 4, "", 128, 4},
      {5, 576, "f16", "i4", 4, "#rot.hadamard<576>", 128, 4},
      {1, 576, "f32", "i4", 4, "#rot.hadamard<576, seed = 7>", 128, 1, true},
      {9, 288, "f16", "i8", 8, "#rot.hadamard<288>", 64, 4, true},
      {2, 100, "f32", "i8", 4, "", 32, 4},
      {3, 91, "f16", "i4", 4, "#rot.hadamard<91>", 32, 1},
      {2, 4096, "f16", "i4", 4, "#rot.hadamard<4096>", 256, 1},
  };
  for (const char *arch : allArchs)
    for (const RowCase &row : cases)
      expectNormQuant(row.on(arch));
}

/// Every way in which levels and the dense factor are shared out among registers, lanes, warps and shared memory.
TEST(NormQuant, SizesOfTheConstruction) {
  const RowCase cases[] = {
      {2, 64, "f32", "i4", 4, "#rot.hadamard<64>", 32, 4},
      {2, 8, "f32", "i4", 4, "#rot.hadamard<8>", 32, 4},
      {1, 2048, "f16", "i4", 4, "#rot.hadamard<2048>", 32, 1},             // levels between vectors of a thread
      {1, 8192, "f16", "i4", 4, "#rot.hadamard<8192, seed = 3>", 1024, 1}, // five levels between warps
      {2, 1536, "bf16", "i8", 6, "#rot.hadamard<1536>", 64, 2},            // 12 · 128
      {2, 960, "f16", "i4", 4, "#rot.hadamard<960>", 64, 1},               // 60 · 16: two words of signs
      {1, 1376, "f16", "i4", 4, "#rot.hadamard<1376>", 128, 1},            // 172 · 8: a loop over words
      {2, 48, "f32", "i4", 4, "#rot.hadamard<48>", 32, 1},                 // 12 · 4: vectors of 4
      {2, 24, "f32", "i4", 4, "#rot.hadamard<24>", 32, 2},                 // 12 · 2
      {2, 20, "f32", "i4", 4, "#rot.hadamard<20>", 32, 1},                 // 20: single elements
      {2, 26, "f32", "i8", 8, "#rot.hadamard<26>", 32, 1},                 // Hartley, 13 · 2
      {2, 576, "f16", "i4", 4, "#rot.kron<9, #rot.hadamard<64>>", 32, 1},  // a rotation per head
      {3, 240, "f16", "i4", 4, "#rot.kron<4, #rot.hadamard<60, seed = 5>>", 32, 2},
      {1, 1792, "f16", "i4", 4, "#rot.hadamard<1792>", 32, 1},  // 28 · 64, and twice as many vectors as threads
      {1, 7168, "f16", "i4", 4, "#rot.hadamard<7168>", 128, 1}, // 28 · 256
  };
  for (const RowCase &row : cases)
    expectNormQuant(row);
}

/// Rows whose exchange does not fit into shared memory at once: in pieces.
TEST(NormQuant, LongRows) {
  expectNormQuant({1, 32768, "f16", "i4", 4, "#rot.hadamard<32768>", 512, 1});
  expectNormQuant(RowCase{1, 32768, "f16", "i4", 4, "#rot.hadamard<32768>", 512, 1}.on("sm_75"));
  expectNormQuant(RowCase{1, 28672, "f16", "i4", 4, "#rot.hadamard<28672>", 512, 1}.on("sm_89"));
  expectNormQuant({1, 14336, "f16", "i4", 4, "#rot.hadamard<14336>", 512, 1, true});
  expectNormQuant({1, 11008, "f16", "i4", 4, "#rot.hadamard<11008>", 512, 1});
}

/// A row is read once and written as codes: 2 + 1/2 bytes per element, and its scale.
TEST(NormQuant, MovesEveryElementOnce) {
  for (const char *hadamard : {"", "#rot.hadamard<4096>"}) {
    ptx::Counters counters;
    expectNormQuant({4, 4096, "f16", "i4", 4, hadamard, 256, 1}, &counters);
    double sectors = counters.globalLoads.sectors + counters.globalStores.sectors;
    EXPECT_LE(32 * sectors / (4 * 4096), 2.6);
    EXPECT_LE(double(counters.globalLoads.bytes + counters.globalStores.bytes) / (4 * 4096), 2.6);
  }
}

TEST(NormQuant, KeepsNaNsInTheScale) {
  RowCase row{2, 576, "f32", "i4", 4, "#rot.hadamard<576>", 128, 4};
  auto kernel = Kernel::build(textOf(row));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(1);
  Tensor rows = randomRows(DType::F32, row.rows, row.columns, random);
  rows.mutableData<float>()[3] = std::nanf("");
  auto run = (*kernel)->run({rows}, row.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_TRUE(std::isnan(run->results[1].data<float>()[0]));
  EXPECT_FALSE(std::isnan(run->results[1].data<float>()[1]));
}

TEST(NormQuant, SmallestScale) {
  RowCase row{1, 576, "f32", "i4", 4, "", 128, 4};
  auto kernel = Kernel::build(textOf(row));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  auto run = (*kernel)->run({Tensor::zeros(DType::F32, {1, 576})}, 1);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(run->results[1].data<float>()[0], 1e-8f);
  EXPECT_EQ(compareExact(run->results[0], Tensor::zeros(DType::I4, {1, 576})), "");
}
