//===- GemmCase.h - one matrix product to test: text, operands, result -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_GEMMCASE_H
#define QUANTOPT_TEST_UNIT_KERNELS_GEMMCASE_H

#include "quantopt/Support/Tensor.h"
#include <random>
#include <string>
#include <vector>

namespace quantopt::kerneltest {

/// The tiles of a #tile.gemm configuration.
struct GemmTiles {
  int64_t bm, bn, bk, wm, wn, stages, splitK = 1;
};

/// A product y = x·wᵀ as an op of the tile dialect makes it.
struct GemmCase {
  std::string op;
  std::string arch;
  GemmTiles tiles;
  int64_t rows, outputs, inner;
  /// Codes: I4 or I8. Floats: F16 or BF16, with a weight of the same type or of I4.
  DType input = DType::I4, weight = DType::I4;
  DType result = DType::F32;
  bool bias = false, residual = false;
  /// Groups of the contraction with scales of their own, integers for codes; 0: none.
  int64_t groups = 0;
  /// Of the weight's scales, for inputs of floats.
  DType scale = DType::F16;
  /// Of the configuration, where it does not follow from the types.
  std::string mma;

  bool isOfFloats() const { return input == DType::F16 || input == DType::BF16; }

  /// Names a test or a failure: "gemm_w4a4 sm_80 33x192x576 f16 bias".
  std::string describe() const;
  /// A function with the one op.
  std::string text() const;
};

Tensor randomCodes(DType type, llvm::ArrayRef<int64_t> shape, std::mt19937 &random);
Tensor randomFloats(llvm::ArrayRef<int64_t> shape, float least, float greatest, std::mt19937 &random);

/// Of integer products: random operands in the order of the op's. Codes use the whole range
/// of their type, weights are [outputs, inner].
std::vector<Tensor> randomOperands(const GemmCase &gemm, unsigned seed);

/// acc[m, n] = Σ_g groupScale[n, g] · Σ_{k in g} x[m, k]·w[n, k], i32, exact.
Tensor integerSums(const Tensor &x, const Tensor &w, const Tensor *groupScales);

/// What the op computes, every step rounded as its description says: integer sums are exact, (float(acc)·xs)·ws, + bias
/// and + residual are f32 operations, the type of the result is rounded to once.
Tensor expectedResult(const GemmCase &gemm, const std::vector<Tensor> &operands);

/// f32 values rounded once to f32, f16 or bf16.
Tensor roundTo(DType type, const Tensor &floats);
/// The value of element i of a float tensor.
float floatAt(const Tensor &tensor, int64_t i);

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_GEMMCASE_H
