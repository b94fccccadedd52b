//===- WeightLayout.h - the order in which kernels read packed codes ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_WEIGHTLAYOUT_H
#define QUANTOPT_NUMERICS_WEIGHTLAYOUT_H

#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <cstdint>

namespace quantopt::numerics {

/// Codes [in, out], as MatMul of ONNX reads them.
inline constexpr llvm::StringLiteral inOutLayout = "in_out";
/// The layout of com.microsoft::MatMulNBits (ONNX Runtime, docs/ContribOperators.md).
inline constexpr llvm::StringLiteral matMulNBitsLayout = "matmul_nbits";

/// Packs signed codes [rows, cols] of 4 or 8 bits to bytes [rows, ceil(cols/block), block·bits/8]: the first code in
/// the low bits, code c stored as c + 2^(bits-1) (the operator's default zero point), the last block filled with codes
/// of 0.
void packMatMulNBits(const int8_t *codes, int64_t rows, int64_t cols, unsigned bits, int64_t block, uint8_t *bytes);

/// Writes the transpose [cols, rows] of `in` [rows, cols], both row-major.
template <typename T> void transpose(const T *in, int64_t rows, int64_t cols, T *out) {
  constexpr int64_t tile = 32; // both sides stay in the first-level cache
  for (int64_t c0 = 0; c0 < cols; c0 += tile)
    for (int64_t r0 = 0; r0 < rows; r0 += tile)
      for (int64_t c = c0; c < std::min(c0 + tile, cols); ++c)
        for (int64_t r = r0; r < std::min(r0 + tile, rows); ++r)
          out[c * rows + r] = in[r * cols + c];
}

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_WEIGHTLAYOUT_H
