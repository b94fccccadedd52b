//===- GemmTuringTest.cpp - products on the INT4 tensor cores of sm_75 ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

static GemmCase product(int64_t rows, int64_t outputs, int64_t inner, GemmTiles tiles = {64, 64, 128, 32, 32, 2}) {
  GemmCase gemm;
  gemm.op = "gemm_w4a4";
  gemm.arch = "sm_75";
  gemm.tiles = tiles;
  gemm.rows = rows;
  gemm.outputs = outputs;
  gemm.inner = inner;
  return gemm;
}

static constexpr std::array<int64_t, 3> shapes[] = {{1, 192, 576},   {33, 576, 576},  {128, 192, 1536}, {33, 100, 130},
                                                    {65, 576, 1536}, {33, 100, 1536}, {70, 7, 33}};

TEST(GemmTuring, IsExactForEveryShape) {
  for (auto [rows, outputs, inner] : shapes)
    expectGemm(product(rows, outputs, inner));
}

TEST(GemmTuring, IsExactForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {
      {128, 128, 128, 64, 64, 2}, {128, 128, 128, 64, 32, 2}, {32, 64, 256, 32, 32, 2}, {64, 32, 64, 16, 16, 2}};
  for (const GemmTiles &tiles : configurations)
    for (int64_t inner : {130, 576})
      expectGemm(product(33, 100, inner, tiles));
}

TEST(GemmTuring, HasGroupScales) {
  GemmCase gemm = product(33, 100, 256);
  gemm.groups = 2;
  gemm.bias = gemm.residual = true;
  gemm.result = DType::F16;
  expectGemm(gemm);
}
