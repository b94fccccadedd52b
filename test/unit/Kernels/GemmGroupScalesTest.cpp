//===- GemmGroupScalesTest.cpp - products with integer group scales --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// Rows, outputs, contraction and groups of it.
static constexpr std::array<int64_t, 4> shapes[] = {{1, 192, 576, 9},   {33, 192, 1536, 12}, {128, 192, 512, 4},
                                                    {33, 100, 256, 2},  {65, 40, 384, 3},    {33, 100, 1536, 24},
                                                    {1, 100, 1024, 16}, {70, 7, 128, 1}};

static GemmCase product(const std::array<int64_t, 4> &shape, const char *op, const char *arch) {
  GemmCase gemm = makeGemm(op, shape[0], shape[1], shape[2], arch);
  gemm.groups = shape[3];
  gemm.tiles.bk = 64;
  return gemm;
}

TEST(GemmGroupScales, IsExactForFourBitCodes) {
  for (const char *arch : {"sm_80", "sm_86", "sm_87", "sm_89"})
    for (const auto &shape : shapes)
      expectGemm(product(shape, "gemm_w4a4", arch));
}

/// Weights times 16 leave 32-bit sums room for a shorter contraction, which the op's verifier demands.
TEST(GemmGroupScales, IsExactForEightBitCodes) {
  for (const char *arch : {"sm_80", "sm_90a"})
    for (const auto &shape : shapes)
      if (shape[2] <= 512)
        expectGemm(product(shape, "gemm_w4a8", arch));
}

TEST(GemmGroupScales, RoundsBiasAndResidualOnce) {
  for (DType type : {DType::F32, DType::F16, DType::BF16}) {
    GemmCase gemm = product(shapes[3], "gemm_w4a4", "sm_80");
    gemm.result = type;
    gemm.bias = gemm.residual = true;
    expectGemm(gemm);
  }
}

/// Sums of integers: scaling a group of 64 codes by 255 stays far below 2^31.
TEST(GemmGroupScales, HasExactIntegerSums) {
  for (const auto &shape : shapes)
    expectGemmSums(product(shape, "gemm_w4a4", "sm_80"));
}
