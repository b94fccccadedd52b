//===- DynamicQuantizer.h - activations and caches to low-bit codes at run time -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_DYNAMICQUANTIZER_H
#define QUANTOPT_NUMERICS_DYNAMICQUANTIZER_H

#include "quantopt/Numerics/Groups.h"

namespace quantopt::numerics {

/// How rows are quantized while the model runs.
struct DynamicQuantizerOptions {
  /// 2 to 8.
  int bits = 4;
  /// Share of the range that the codes cover. An f32 constant, also where the arithmetic is f64.
  float clip = 0.9f;
  /// Elements that share a scale; 0: the whole row. The last group of a row may be shorter.
  int64_t groupSize = 0;
  /// Scales are f16 values, at least 2^-24; codes and zeros are made with them as rounded.
  bool hasHalfScales = false;

  int64_t groupsPerRow(int64_t cols) const { return groupCount(cols, groupSize); }
};

// T is float or double, and every operation is rounded to T in the order written. rne rounds to the nearest integer,
// ties to even. x is [rows, cols] row-major; codes have its shape; scales and zeros are [rows, groupsPerRow(cols)]. A
// NaN makes the scale of its group NaN. With hasHalfScales s is rounded to f16 once more, not below 2^-24 nor above
// 65504.

/// s = max((clip·absmax)/(2^(bits-1) - 1), 1e-8); code = clamp(rne(x/s), -2^(bits-1), 2^(bits-1) - 1).
template <typename T>
void quantizeSymmetric(const DynamicQuantizerOptions &options, const T *x, int64_t rows, int64_t cols, int8_t *codes,
                       T *scales);
/// x = code·s.
template <typename T>
void dequantizeSymmetric(const DynamicQuantizerOptions &options, const int8_t *codes, const T *scales, int64_t rows,
                         int64_t cols, T *x);

/// hi = clip·max(max, 0), lo = clip·min(min, 0), s = max((hi - lo)/(2^bits - 1), 1e-8),
/// zero = clamp(rne(-lo/s), 0, 2^bits - 1), code = clamp(rne(x/s) + zero, 0, 2^bits - 1).
template <typename T>
void quantizeAsymmetric(const DynamicQuantizerOptions &options, const T *x, int64_t rows, int64_t cols, uint8_t *codes,
                        T *scales, uint8_t *zeros);
/// x = (code - zero)·s.
template <typename T>
void dequantizeAsymmetric(const DynamicQuantizerOptions &options, const uint8_t *codes, const T *scales,
                          const uint8_t *zeros, int64_t rows, int64_t cols, T *x);

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_DYNAMICQUANTIZER_H
