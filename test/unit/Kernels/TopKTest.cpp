//===- TopKTest.cpp - the largest values of every row and their indices ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "RowCase.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <numeric>

using namespace quantopt;
using namespace quantopt::kerneltest;

namespace {
struct TopKCase {
  int64_t rows, columns, count;
  const char *input;
  int64_t threads, rowsPerBlock;

  std::string text(const char *arch) const {
    return llvm::formatv("func.func @f(%x: tensor<?x{0}x{1}>) {{\n"
                         "  %v, %i = tile.top_k %x {{config = #tile.rows<arch = {2}, threads = {3}, rows = {4}>}\n"
                         "    : (tensor<?x{0}x{1}>) -> (tensor<?x{5}x{1}>, tensor<?x{5}xi32>)\n  return\n}\n",
                         columns, input, arch, threads, rowsPerBlock, count);
  }
};
} // namespace

static void expectTopK(const TopKCase &topK, const char *arch) {
  SCOPED_TRACE(topK.text(arch));
  auto kernel = Kernel::build(topK.text(arch));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(topK.columns);
  Tensor rows = randomRows((*kernel)->operandType(0), topK.rows, topK.columns, random);
  auto run = (*kernel)->run({rows}, topK.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());

  std::vector<double> values = toDoubles(rows);
  std::vector<double> expectedValues;
  Tensor expectedIndices(DType::I32, {topK.rows, topK.count});
  for (int64_t m = 0; m < topK.rows; ++m) {
    const double *row = values.data() + m * topK.columns;
    std::vector<int32_t> order(topK.columns);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int32_t left, int32_t right) {
      return row[left] != row[right] ? row[left] > row[right] : left < right;
    });
    for (int64_t i = 0; i < topK.count; ++i) {
      expectedIndices.mutableData<int32_t>()[m * topK.count + i] = order[i];
      expectedValues.push_back(row[order[i]]);
    }
  }
  EXPECT_EQ(toDoubles(run->results[0]), expectedValues);
  EXPECT_EQ(compareExact(run->results[1], expectedIndices), "");
}

TEST(TopK, EveryArchitecture) {
  const TopKCase cases[] = {
      {1, 1024, 40, "f32", 256, 1}, {3, 1000, 8, "f32", 128, 1}, {2, 4096, 16, "f16", 256, 1},
      {5, 77, 5, "f32", 64, 2},     {2, 33, 33, "f16", 32, 1},   {4, 100, 7, "f16", 64, 4},
  };
  for (const char *arch : allArchs)
    for (const TopKCase &topK : cases)
      expectTopK(topK, arch);
  expectTopK({1, 49152, 40, "f32", 1024, 1}, "sm_80");
}
