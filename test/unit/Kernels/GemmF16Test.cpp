//===- GemmF16Test.cpp - products of floats ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatGemmTest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

static GemmCase makeProduct(const std::array<int64_t, 3> &shape, const char *arch, DType type = DType::F16) {
  auto [rows, outputs, inner] = shape;
  GemmCase gemm = makeGemm("gemm_f16", rows, outputs, inner, arch);
  gemm.input = gemm.weight = type;
  gemm.tiles = {64, 64, 64, 32, 32, llvm::StringRef(arch) == "sm_75" ? 2 : 3};
  return gemm;
}

static GemmCase makeDecode(const std::array<int64_t, 3> &shape, const char *arch, DType type = DType::F16) {
  GemmCase gemm = makeProduct(shape, arch, type);
  gemm.op = "gemm_decode";
  gemm.tiles = {8, 32, 64, 8, 16, 1, 2};
  if (gemm.inner < 128)
    gemm.tiles.splitK = 1;
  return gemm;
}

TEST(GemmF16, IsWithinItsBoundForEveryShape) {
  for (const char *arch : {"sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90a", "sm_100a", "sm_120a"})
    for (const auto &shape : floatGemmShapes)
      expectFloatGemm(makeProduct(shape, arch));
}

TEST(GemmF16, TakesBfloats) {
  for (const char *arch : {"sm_80", "sm_90a"})
    for (const auto &shape : floatGemmShapes)
      expectFloatGemm(makeProduct(shape, arch, DType::BF16));
}

TEST(GemmF16, AddsBiasAndResidual) {
  for (DType type : {DType::F32, DType::F16, DType::BF16})
    for (unsigned added : {0, 1, 2, 3}) {
      GemmCase gemm = makeProduct({33, 100, 136}, "sm_80");
      gemm.result = type;
      gemm.bias = added & 1;
      gemm.residual = added & 2;
      expectFloatGemm(gemm);
    }
}

TEST(GemmF16, IsWithinItsBoundForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {{128, 128, 64, 64, 64, 3},
                                          {64, 128, 128, 32, 64, 3},
                                          {16, 64, 64, 16, 16, 4},
                                          {32, 64, 64, 16, 32, 2},
                                          {128, 64, 64, 32, 32, 5}};
  for (const GemmTiles &tiles : configurations)
    for (int64_t inner : {40, 576}) {
      GemmCase gemm = makeProduct({70, 100, inner}, "sm_80");
      gemm.tiles = tiles;
      expectFloatGemm(gemm);
    }
}

/// The head of a language model at one position and at several.
TEST(GemmF16, IsTheHeadOfAModel) {
  expectFloatGemm(makeProduct({5, 1536, 576}, "sm_80"));
  for (const char *arch : {"sm_75", "sm_80", "sm_90a"})
    expectFloatGemm(makeDecode({1, 1536, 576}, arch));
}

TEST(GemmF16, DecodesFewRows) {
  for (const char *arch : {"sm_75", "sm_80", "sm_90a", "sm_120a"})
    for (const auto &shape : floatGemmShapes)
      expectFloatGemm(makeDecode(shape, arch));
  for (const auto &shape : floatGemmShapes)
    expectFloatGemm(makeDecode(shape, "sm_80", DType::BF16));
  constexpr GemmTiles configurations[] = {
      {8, 16, 128, 8, 16, 1, 1}, {16, 32, 64, 16, 32, 1, 4}, {64, 16, 64, 64, 16, 1, 8}};
  for (const GemmTiles &tiles : configurations) {
    GemmCase gemm = makeDecode({33, 100, 1032}, "sm_80");
    gemm.tiles = tiles;
    gemm.bias = gemm.residual = true;
    gemm.result = DType::F16;
    expectFloatGemm(gemm);
  }
}
