//===- QuantTest.cpp - transform and codes of rows -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "RowCase.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

static void expectQuant(const RowCase &row, ptx::Counters *counters = nullptr) {
  SCOPED_TRACE(row.describe());
  auto kernel = Kernel::build(row.text("quant"));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(row.columns);
  Tensor input = randomRows((*kernel)->operandType(0), row.rows, row.columns, random);
  auto run = (*kernel)->run({input}, row.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  expectQuantized(row, **kernel, {toDoubles(input)}, *run);
  expectNoConflicts(**kernel, *run);
  if (counters)
    *counters = run->counters;
}

TEST(Quant, EveryArchitecture) {
  const RowCase cases[] = {
      {3, 576, "f32", "i4", 4, "#rot.kron<9, #rot.hadamard<64>>", 128, 1},
      {5, 576, "f16", "i4", 4, "", 128, 1},
      {2, 576, "f32", "i8", 8, "#rot.hadamard<576, seed = 11>", 64, 2},
      {3, 96, "f16", "i8", 4, "#rot.hadamard<96>", 32, 4},
      {1, 91, "f16", "i4", 3, "#rot.hadamard<91>", 32, 1},
      {7, 130, "f32", "i4", 2, "", 32, 2},
      {2, 4096, "f32", "i4", 4, "#rot.hadamard<4096>", 256, 1},
  };
  for (const char *arch : allArchs)
    for (const RowCase &row : cases)
      expectQuant(row.on(arch));
}

/// A row is read once and written as codes: 4 + 1/2 bytes per element, and its scale.
TEST(Quant, MovesEveryElementOnce) {
  ptx::Counters counters;
  expectQuant({4, 576, "f32", "i4", 4, "#rot.hadamard<576>", 128, 1}, &counters);
  EXPECT_LE(double(counters.globalLoads.bytes + counters.globalStores.bytes) / (4 * 576), 4.6);
}
