//===- IntegerGemm.h - matrix products of 4- and 8-bit codes --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_INTEGERGEMM_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_INTEGERGEMM_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"

namespace quantopt {

/// What is static about a product y[rows, n] = x[rows, k] · w[n, k]ᵀ of codes. Sizes are as the ops' verifier has them.
struct IntegerGemmPlan {
  int64_t n = 0, k = 0;
  /// 4 or 8. An 8-bit input takes s8 instructions; 4-bit weights are then unpacked in registers.
  int64_t inputBits = 4, weightBits = 4;
  /// Equal groups of the contraction with an integer scale each; 0: none.
  int64_t groups = 0;
  bool hasBias = false, hasResidual = false;
  mlir::Type resultType;
  /// A block's tile, a warp's part of it, and tiles in shared memory at once.
  int64_t bm = 0, bn = 0, bk = 0, wm = 0, wn = 0, stages = 0;
  /// sm_75: no asynchronous copies, products of 8 by 8 alone.
  bool isTuring = false;

  int64_t threads() const { return bm / wm * (bn / wn) * 32; }
};

/// Writes the body of the kernel. Pointers: x, scale of x [rows] f32, w in fragment order, scale of w [n] f32, group
/// scales [n, groups] u8?, bias [n] f32?, residual [rows, n]?, y. Grid: x = tiles of n, y = tiles of rows; which
/// block computes which tile is the kernel's affair. Shared
/// memory: stages · (bm · inputBits + bn · weightBits) · bk / 8 bytes.
///
/// acc is exact (int32); y = (float(acc) · xs) · ws, + bias, + residual, each an f32 operation, rounded once to the
/// type of y.
void buildIntegerGemm(KernelBuilder &k, const IntegerGemmPlan &plan);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_INTEGERGEMM_H
