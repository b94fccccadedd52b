//===- SwigluTest.cpp - silu(gate) · up, transform and codes in one kernel --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "RowCase.h"
#include "llvm/Support/FormatVariadic.h"
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

//===----------------------------------------------------------------------------===//
// Without a quantizer
//===----------------------------------------------------------------------------===//

static void expectSwiglu(const RowCase &row, const char *result) {
  std::string in = llvm::formatv("tensor<?x{0}x{1}>", row.columns, row.input);
  std::string transform = row.hadamard.empty() ? "" : "hadamard = " + row.hadamard + ", ";
  std::string text = llvm::formatv(
      "func.func @f(%x: {0}, %y: {0}) {{\n  %r = tile.swiglu %x, %y {{{1} config = #tile.rows<arch = {2}, threads = "
      "{3}, rows = {4}>}\n    : ({0}, {0}) -> tensor<?x{5}x{6}>\n  return\n}\n",
      in, transform, row.arch, row.threads, row.rowsPerBlock, row.columns, result);
  SCOPED_TRACE(text);
  auto kernel = Kernel::build(text);
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(row.columns);
  std::vector<Tensor> operands;
  for (unsigned i : {0u, 1u})
    operands.push_back(randomRows((*kernel)->operandType(i), row.rows, row.columns, random));
  auto run = (*kernel)->run(operands, row.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());

  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan((*kernel)->op()));
  ReferenceRows reference = swiglu(operands[0], operands[1]);
  std::vector<double> values = transformReference(plan, reference.values), bounds;
  for (int64_t m = 0; m < row.rows; ++m)
    for (double bound : boundTransform(plan, llvm::ArrayRef(reference.values).slice(m * row.columns, row.columns),
                                       reference.relativeError))
      bounds.push_back(bound);
  DType type = run->results[0].dtype();
  EXPECT_EQ(compareWithin(run->results[0], Tensor::from<double>(DType::F64, {row.rows, row.columns}, values),
                          // The transform's factor is rounded, and so is the product with it.
                          [&](int64_t i) {
                            return bounds[i] + 3 * unit * std::fabs(values[i]) + 1.01 * roundingBound(type, values[i]);
                          }),
            "");
  expectNoConflicts(**kernel, *run);
}

TEST(Swiglu, EveryArchitecture) {
  const std::pair<RowCase, const char *> cases[] = {
      {{5, 1536, "f32", "", 0, "", 128, 1}, "f16"},
      {{3, 1536, "f16", "", 0, "#rot.hadamard<1536>", 128, 1}, "f16"},
      {{2, 1536, "f32", "", 0, "#rot.hadamard<1536, seed = 11>", 64, 2}, "f32"},
      {{3, 96, "f16", "", 0, "#rot.hadamard<96>", 32, 4}, "f32"},
      {{1, 91, "f16", "", 0, "#rot.hadamard<91>", 32, 1}, "f16"},
      {{7, 130, "f32", "", 0, "", 32, 2}, "f32"},
  };
  for (const char *arch : allArchs)
    for (const auto &[row, result] : cases)
      expectSwiglu(row.on(arch), result);
}

TEST(Swiglu, BrainFloats) { expectSwiglu({3, 576, "bf16", "", 0, "", 128, 4}, "bf16"); }
