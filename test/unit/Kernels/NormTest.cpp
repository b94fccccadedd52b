//===- NormTest.cpp - residual and RMS norm of rows ------------------------===//
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

namespace {
struct NormCase {
  int64_t rows, columns;
  const char *input, *result;
  int64_t threads, rowsPerBlock;
  bool hasResidual = false, hasSum = false;

  std::string text(const char *arch) const {
    std::string in = llvm::formatv("tensor<?x{0}x{1}>", columns, input);
    std::string results = llvm::formatv("tensor<?x{0}x{1}>", columns, result);
    if (hasSum)
      results += ", " + in;
    return llvm::formatv("func.func @f(%x: {0}, %y: {0}) {{\n  %r:{1} = tile.norm %x {2} {{epsilon = 1.0e-5 : f64,\n"
                         "    config = #tile.rows<arch = {3}, threads = {4}, rows = {5}>}\n    : ({6}) -> ({7})\n"
                         "  return\n}\n",
                         in, hasSum ? 2 : 1, hasResidual ? "residual %y" : "", arch, threads, rowsPerBlock,
                         hasResidual ? in + ", " + in : in, results);
  }
};
} // namespace

static void expectNorm(const NormCase &norm, const char *arch) {
  SCOPED_TRACE(norm.text(arch));
  auto kernel = Kernel::build(norm.text(arch));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(norm.columns);
  std::vector<Tensor> operands;
  for (unsigned i = 0; i < (*kernel)->numOperands(); ++i)
    operands.push_back(randomRows((*kernel)->operandType(i), norm.rows, norm.columns, random));
  auto run = (*kernel)->run(operands, norm.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());

  Tensor sum = norm.hasResidual ? addRows(operands[0], operands[1]) : operands[0];
  if (norm.hasSum)
    EXPECT_EQ(compareExact(run->results[1], sum), "");
  ReferenceRows reference = normalise(sum, llvm::cantFail(tile::getRowPlan((*kernel)->op())));
  Tensor expected = Tensor::from<double>(DType::F64, {norm.rows, norm.columns}, reference.values);
  EXPECT_EQ(compareWithin(run->results[0], expected,
                          [&](int64_t i) {
                            double value = reference.values[i];
                            return (reference.relativeError + unit) * std::fabs(value) +
                                   1.01 * roundingBound(run->results[0].dtype(), value);
                          }),
            "");
}

TEST(Norm, EveryArchitecture) {
  const NormCase cases[] = {
      {1, 576, "f32", "f16", 128, 1},      {33, 576, "f16", "f16", 128, 4, true, true},
      {5, 576, "f32", "f32", 64, 2, true}, {3, 4096, "f16", "f32", 256, 1, true, true},
      {4, 130, "f32", "f16", 32, 2},       {2, 91, "f16", "f32", 32, 1},
  };
  for (const char *arch : allArchs)
    for (const NormCase &norm : cases)
      expectNorm(norm, arch);
}

TEST(Norm, BrainFloats) {
  expectNorm({3, 576, "bf16", "bf16", 128, 4, true, true}, "sm_80");
  expectNorm({3, 576, "f32", "bf16", 128, 4}, "sm_90a");
}
