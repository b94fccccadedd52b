//===- ArgMaxTest.cpp - index of the largest value of every row ------------===//
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
#include <limits>

using namespace quantopt;
using namespace quantopt::kerneltest;

namespace {
struct ArgMaxCase {
  int64_t rows, columns;
  const char *input;
  int64_t threads, rowsPerBlock;

  std::string text(const char *arch) const {
    return llvm::formatv("func.func @f(%x: tensor<?x{0}x{1}>) {{\n"
                         "  %id = tile.arg_max %x {{config = #tile.rows<arch = {2}, threads = {3}, rows = {4}>}\n"
                         "    : (tensor<?x{0}x{1}>) -> tensor<?xi32>\n  return\n}\n",
                         columns, input, arch, threads, rowsPerBlock);
  }
};
} // namespace

static void expectArgMax(const ArgMaxCase &argMax, const char *arch) {
  SCOPED_TRACE(argMax.text(arch));
  auto kernel = Kernel::build(argMax.text(arch));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(argMax.columns);
  // Rounding to 16 bits leaves ties.
  Tensor rows = randomRows((*kernel)->operandType(0), argMax.rows, argMax.columns, random);
  auto run = (*kernel)->run({rows}, argMax.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  std::vector<double> values = toDoubles(rows), indices = toDoubles(run->results[0]);
  for (int64_t m = 0; m < argMax.rows; ++m) {
    auto begin = values.begin() + m * argMax.columns;
    EXPECT_EQ(int64_t(indices[m]), std::max_element(begin, begin + argMax.columns) - begin) << "row " << m;
  }
}

TEST(ArgMax, EveryArchitecture) {
  const ArgMaxCase cases[] = {
      {1, 1024, "f32", 256, 1}, {3, 1000, "f32", 128, 1}, {5, 4096, "f16", 256, 1},
      {9, 77, "f32", 64, 4},    {2, 1, "f32", 32, 1},     {4, 2050, "f16", 128, 2},
  };
  for (const char *arch : allArchs)
    for (const ArgMaxCase &argMax : cases)
      expectArgMax(argMax, arch);
  expectArgMax({1, 49152, "f32", 1024, 1}, "sm_80");
}

/// The first of several equal values; rows of infinities; NaNs are not seen.
TEST(ArgMax, SpecialRows) {
  ArgMaxCase argMax{4, 512, "f32", 128, 1};
  auto kernel = Kernel::build(argMax.text("sm_80"));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values(4 * 512, 1.0f);
  std::fill_n(values.begin() + 512, 512, -infinity);
  std::fill_n(values.begin() + 1024, 512, std::nanf(""));
  std::fill_n(values.begin() + 1536, 512, -0.0f);
  values[7] = values[300] = 2;
  values[1536 + 9] = std::nanf("");
  values[1536 + 400] = infinity;
  auto run = (*kernel)->run({Tensor::from<float>(DType::F32, {4, 512}, values)}, 4);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(compareExact(run->results[0], Tensor::from<int32_t>(DType::I32, {4}, {7, 0, 0, 400})), "");
}
