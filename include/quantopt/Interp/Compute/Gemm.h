//===- Gemm.h - matrix products whose bits depend on nothing but the operands -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_GEMM_H
#define QUANTOPT_INTERP_COMPUTE_GEMM_H

#include <cstdint>

namespace quantopt::compute {

/// A matrix with any strides, in elements: transposition costs nothing.
template <typename T> struct MatrixView {
  const T *data;
  int64_t rowStride, columnStride;
  const T *at(int64_t row, int64_t column) const { return data + row * rowStride + column * columnStride; }
  MatrixView transposed() const { return {data, columnStride, rowStride}; }
};

/// c[m, n] = a[m, k] · b[k, n], or c += a · b with `accumulate`; c is row-major with `rowStride` elements from row to
/// row.
///
/// Every element of c is one chain of fused multiply-adds over k in ascending order, starting from 0 or from c. So a
/// row of the result depends neither on how many rows, columns or threads there are, nor on the machine; a product may
/// be cut along k and accumulated; and factors of zero change nothing, wherever they stand. Products of integers are
/// exact while all partial sums are below 2^24 (float) or 2^53 (double).
///
/// Implemented for T = float and double with B = T, int8_t or uint8_t.
template <typename T, typename B>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<B> b, T *c, int64_t rowStride,
          bool accumulate = false);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_GEMM_H
