//===- GemmTuringTest.cpp - products of codes on sm_75, without asynchronous copies ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// Every pair of codes: 4 by 4, 8 by 4, 8 by 8 bits.
class GemmTuring : public testing::TestWithParam<const char *> {
protected:
  GemmCase product(int64_t rows, int64_t outputs, int64_t inner, GemmTiles tiles = {64, 64, 128, 32, 32, 2}) {
    GemmCase gemm = makeGemm(GetParam(), rows, outputs, inner, "sm_75");
    gemm.tiles = tiles;
    return gemm;
  }
};

TEST_P(GemmTuring, IsExactForEveryShape) {
  for (auto [rows, outputs, inner] : gemmShapes)
    expectGemm(product(rows, outputs, inner));
}

TEST_P(GemmTuring, IsExactForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {
      {128, 128, 64, 64, 32, 2}, {64, 64, 128, 32, 32, 2}, {32, 64, 128, 32, 32, 2}, {64, 32, 64, 16, 16, 2}};
  for (const GemmTiles &tiles : configurations)
    for (int64_t inner : {130, 576})
      expectGemm(product(33, 100, inner, tiles));
}

TEST_P(GemmTuring, HasGroupScales) {
  GemmCase gemm = product(33, 100, 256);
  gemm.groups = 2;
  gemm.bias = gemm.residual = true;
  gemm.result = DType::F16;
  expectGemm(gemm);
}

INSTANTIATE_TEST_SUITE_P(Codes, GemmTuring, testing::Values("gemm_w4a4", "gemm_w4a8", "gemm_w8a8"),
                         [](const auto &test) { return llvm::StringRef(test.param).substr(5).upper(); });
