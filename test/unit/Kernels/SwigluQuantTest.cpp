//===- SwigluQuantTest.cpp - silu(gate) · up, transform and codes in one kernel ---===//
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

/// silu(gate) · up. With u = 2^-24: the argument of ex2 is rounded twice, the constant and the product, so e^-g is off
/// by 2|g|u, and by 2^-22 of ex2.approx itself; both count for at most as much in 1 / (1 + e^-g). Then a sum,
/// rcp.approx (1 ulp, 2u) and two products: |g|·2u + 2^-22 + 5u, plus terms of second order.
static ReferenceRows swiglu(const Tensor &gate, const Tensor &up) {
  ReferenceRows reference{toDoubles(gate), 0};
  std::vector<double> factors = toDoubles(up);
  double greatest = 0;
  for (auto [x, factor] : llvm::zip(reference.values, factors)) {
    greatest = std::max(greatest, std::fabs(x));
    x = x / (1 + std::exp(-x)) * factor;
  }
  reference.relativeError = 2 * greatest * unit + 0x1p-22 + 6 * unit;
  return reference;
}

static void expectSwigluQuant(const RowCase &row, ptx::Counters *counters = nullptr) {
  SCOPED_TRACE(row.describe());
  auto kernel = Kernel::build(row.text("swiglu_quant"));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(row.columns);
  std::vector<Tensor> operands;
  for (unsigned i : {0u, 1u})
    operands.push_back(randomRows((*kernel)->operandType(i), row.rows, row.columns, random));
  auto run = (*kernel)->run(operands, row.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  expectQuantized(row, **kernel, swiglu(operands[0], operands[1]), *run);
  expectNoConflicts(**kernel, *run);
  if (counters)
    *counters = run->counters;
}

TEST(SwigluQuant, EveryArchitecture) {
  const RowCase cases[] = {
      {3, 1536, "f16", "i4", 4, "#rot.hadamard<1536>", 128, 1},
      {5, 1536, "f32", "i4", 4, "", 128, 1},
      {2, 1536, "f32", "i8", 8, "#rot.hadamard<1536, seed = 11>", 64, 2},
      {3, 96, "f16", "i4", 4, "#rot.hadamard<96>", 32, 4},
      {1, 91, "f16", "i8", 4, "#rot.hadamard<91>", 32, 1},
      {7, 130, "f32", "i4", 4, "", 32, 2},
  };
  for (const char *arch : allArchs)
    for (const RowCase &row : cases)
      expectSwigluQuant(row.on(arch));
}

TEST(SwigluQuant, LongRows) {
  expectSwigluQuant({1, 11008, "f16", "i4", 4, "#rot.hadamard<11008>", 256, 1});
  expectSwigluQuant({1, 14336, "bf16", "i4", 4, "#rot.hadamard<14336>", 512, 1});
  expectSwigluQuant({1, 28672, "f16", "i8", 4, "#rot.hadamard<28672>", 512, 1});
}

/// Two rows are read once, one is written as codes: 4 + 1/2 bytes per element, and its scale.
TEST(SwigluQuant, MovesEveryElementOnce) {
  ptx::Counters counters;
  expectSwigluQuant({4, 1536, "f16", "i4", 4, "#rot.hadamard<1536>", 64, 1}, &counters);
  EXPECT_LE(double(counters.globalLoads.bytes + counters.globalStores.bytes) / (4 * 1536), 4.6);
}
