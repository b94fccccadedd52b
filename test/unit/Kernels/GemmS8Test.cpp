//===- GemmS8Test.cpp - products on 8-bit integer tensor cores -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// 8-bit activations by 4-bit or by 8-bit weights.
class GemmS8 : public testing::TestWithParam<const char *> {};

TEST_P(GemmS8, IsExactForEveryShape) {
  for (auto [rows, outputs, inner] : gemmShapes)
    expectGemm(makeGemm(GetParam(), rows, outputs, inner));
}

TEST_P(GemmS8, HasExactIntegerSums) {
  for (auto [rows, outputs, inner] : gemmShapes)
    expectGemmSums(makeGemm(GetParam(), rows, outputs, inner));
}

TEST_P(GemmS8, IsExactOnEveryArchitecture) {
  for (const char *arch : {"sm_86", "sm_87", "sm_89", "sm_90a", "sm_100a", "sm_120a"})
    for (auto [rows, outputs, inner] : gemmShapes)
      expectGemm(makeGemm(GetParam(), rows, outputs, inner, arch));
}

TEST_P(GemmS8, RoundsBiasAndResidualOnce) {
  for (DType type : {DType::F32, DType::F16, DType::BF16})
    for (unsigned added : {0, 1, 2, 3}) {
      GemmCase gemm = makeGemm(GetParam(), 33, 100, 130);
      gemm.result = type;
      gemm.bias = added & 1;
      gemm.residual = added & 2;
      expectGemm(gemm);
    }
}

TEST_P(GemmS8, IsExactForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {
      {128, 256, 128, 64, 64, 3}, {128, 128, 128, 64, 64, 3}, {64, 128, 128, 32, 64, 3}, {32, 64, 64, 16, 32, 4}};
  for (const GemmTiles &tiles : configurations)
    for (int64_t inner : {130, 576}) {
      GemmCase gemm = makeGemm(GetParam(), 33, 100, inner);
      gemm.tiles = tiles;
      expectGemm(gemm);
    }
}

INSTANTIATE_TEST_SUITE_P(Weights, GemmS8, testing::Values("gemm_w4a8", "gemm_w8a8"),
                         [](const auto &test) { return llvm::StringRef(test.param).substr(5).upper(); });
