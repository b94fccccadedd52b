//===- GemmW4A16Test.cpp - floats times 4-bit weights --------------===//
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
  GemmCase gemm = makeGemm("gemm_w4a16", rows, outputs, inner, arch);
  gemm.input = gemm.scale = type;
  gemm.weight = DType::I4;
  gemm.tiles = {64, 64, 64, 32, 32, llvm::StringRef(arch) == "sm_75" ? 2 : 3};
  return gemm;
}

static GemmCase makeDecode(const std::array<int64_t, 3> &shape, const char *arch, DType type = DType::F16) {
  GemmCase gemm = makeProduct(shape, arch, type);
  gemm.op = "gemm_decode";
  gemm.tiles = {8, 32, 128, 8, 16, 1, 2};
  if (gemm.inner < 128)
    gemm.tiles.splitK = 1;
  return gemm;
}

TEST(GemmW4A16, IsWithinItsBoundForEveryShape) {
  for (const char *arch : {"sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90a", "sm_100a", "sm_120a"})
    for (const auto &shape : floatGemmShapes)
      expectFloatGemm(makeProduct(shape, arch));
}

TEST(GemmW4A16, TakesBfloats) {
  for (const char *arch : {"sm_80", "sm_90a"})
    for (const auto &shape : floatGemmShapes)
      expectFloatGemm(makeProduct(shape, arch, DType::BF16));
}

/// Groups as large as several tiles, as one, and smaller.
static constexpr std::pair<int64_t, int64_t> contractionAndGroups[] = {{576, 9},  {1024, 8}, {640, 5},
                                                                       {576, 18}, {416, 13}, {96, 6}};

TEST(GemmW4A16, ScalesGroups) {
  for (auto [inner, groups] : contractionAndGroups)
    for (DType type : {DType::F16, DType::BF16})
      for (DType scale : {type, DType::F32}) {
        GemmCase gemm = makeProduct({33, 100, inner}, "sm_80", type);
        gemm.groups = groups;
        gemm.scale = scale;
        expectFloatGemm(gemm);
      }
  for (const char *arch : {"sm_75", "sm_90a"}) {
    GemmCase gemm = makeProduct({70, 192, 576}, arch);
    gemm.groups = 9;
    expectFloatGemm(gemm);
  }
}

TEST(GemmW4A16, AddsBiasAndResidual) {
  for (DType type : {DType::F32, DType::F16, DType::BF16})
    for (unsigned added : {0, 1, 2, 3}) {
      GemmCase gemm = makeProduct({33, 100, 192}, "sm_80");
      gemm.groups = added % 2 * 3;
      gemm.result = type;
      gemm.bias = added & 1;
      gemm.residual = added & 2;
      expectFloatGemm(gemm);
    }
}

TEST(GemmW4A16, IsWithinItsBoundForEveryConfiguration) {
  constexpr GemmTiles configurations[] = {{128, 128, 64, 64, 32, 4},
                                          {64, 128, 128, 32, 64, 3},
                                          {16, 64, 64, 16, 16, 4},
                                          {32, 64, 256, 16, 32, 2},
                                          {128, 64, 64, 32, 32, 5}};
  for (const GemmTiles &tiles : configurations)
    for (int64_t groups : {0, 2, 4}) {
      GemmCase gemm = makeProduct({70, 100, 512}, "sm_80");
      gemm.tiles = tiles;
      gemm.groups = groups;
      expectFloatGemm(gemm);
    }
}

TEST(GemmW4A16, DecodesFewRows) {
  for (const char *arch : {"sm_75", "sm_80", "sm_90a", "sm_120a"})
    for (const auto &shape : floatGemmShapes)
      expectFloatGemm(makeDecode(shape, arch));
  for (auto [inner, groups] : contractionAndGroups)
    for (DType type : {DType::F16, DType::BF16}) {
      GemmCase gemm = makeDecode({5, 100, inner}, "sm_80", type);
      gemm.groups = groups;
      gemm.bias = gemm.residual = true;
      gemm.result = type;
      expectFloatGemm(gemm);
    }
  constexpr GemmTiles configurations[] = {
      {8, 16, 128, 8, 16, 1, 1}, {16, 32, 64, 16, 32, 1, 4}, {64, 16, 64, 64, 16, 1, 8}};
  for (const GemmTiles &tiles : configurations) {
    GemmCase gemm = makeDecode({33, 100, 1024}, "sm_80");
    gemm.tiles = tiles;
    gemm.groups = 8;
    expectFloatGemm(gemm);
  }
}
