//===- DynamicQuantizer.cpp - activations and caches to low-bit codes at run time -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/DynamicQuantizer.h"
#include "Rounding.h"
#include <algorithm>
#include <cmath>

using namespace quantopt::numerics;

/// Calls visit(offset, length, group) for every group of every row, groups numbered through all rows.
template <typename Visit>
static void forEachGroup(const DynamicQuantizerOptions &options, int64_t rows, int64_t cols, Visit visit) {
  int64_t groups = options.groupsPerRow(cols), width = options.groupSize ? options.groupSize : cols;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < groups; ++group)
      visit(row * cols + group * width, std::min(width, cols - group * width), row * groups + group);
}

template <typename T>
void quantopt::numerics::quantizeSymmetric(const DynamicQuantizerOptions &options, const T *x, int64_t rows,
                                           int64_t cols, int8_t *codes, T *scales) {
  T greatest = T((1 << (options.bits - 1)) - 1), least = -greatest - 1;
  forEachGroup(options, rows, cols, [&](int64_t start, int64_t length, int64_t group) {
    T absmax = 0;
    for (int64_t i = start; i < start + length; ++i)
      absmax = std::max(absmax, std::abs(x[i]));
    T scale = std::max((T(options.clip) * absmax) / greatest, T(1e-8f));
    scales[group] = scale;
    for (int64_t i = start; i < start + length; ++i)
      codes[i] = int8_t(roundToEven(clampTo(x[i] / scale, least, greatest)));
  });
}

template <typename T>
void quantopt::numerics::dequantizeSymmetric(const DynamicQuantizerOptions &options, const int8_t *codes,
                                             const T *scales, int64_t rows, int64_t cols, T *x) {
  forEachGroup(options, rows, cols, [&](int64_t start, int64_t length, int64_t group) {
    for (int64_t i = start; i < start + length; ++i)
      x[i] = T(codes[i]) * scales[group];
  });
}

template <typename T>
void quantopt::numerics::quantizeAsymmetric(const DynamicQuantizerOptions &options, const T *x, int64_t rows,
                                            int64_t cols, uint8_t *codes, T *scales, uint8_t *zeros) {
  T greatest = T((1 << options.bits) - 1);
  forEachGroup(options, rows, cols, [&](int64_t start, int64_t length, int64_t group) {
    T high = 0, low = 0;
    for (int64_t i = start; i < start + length; ++i) {
      high = std::max(high, x[i]);
      low = std::min(low, x[i]);
    }
    high = T(options.clip) * high;
    low = T(options.clip) * low;
    T scale = std::max((high - low) / greatest, T(1e-8f));
    T zero = roundToEven(clampTo(-low / scale, T(0), greatest));
    scales[group] = scale;
    zeros[group] = uint8_t(zero);
    // Outside [-greatest, greatest] the sum with any zero is clamped to the same code.
    for (int64_t i = start; i < start + length; ++i)
      codes[i] = uint8_t(clampTo(roundToEven(clampTo(x[i] / scale, -greatest, greatest)) + zero, T(0), greatest));
  });
}

template <typename T>
void quantopt::numerics::dequantizeAsymmetric(const DynamicQuantizerOptions &options, const uint8_t *codes,
                                              const T *scales, const uint8_t *zeros, int64_t rows, int64_t cols, T *x) {
  forEachGroup(options, rows, cols, [&](int64_t start, int64_t length, int64_t group) {
    for (int64_t i = start; i < start + length; ++i)
      x[i] = T(int(codes[i]) - int(zeros[group])) * scales[group];
  });
}

#define INSTANTIATE(T)                                                                                                 \
  template void quantopt::numerics::quantizeSymmetric(const DynamicQuantizerOptions &, const T *, int64_t, int64_t,    \
                                                      int8_t *, T *);                                                  \
  template void quantopt::numerics::dequantizeSymmetric(const DynamicQuantizerOptions &, const int8_t *, const T *,    \
                                                        int64_t, int64_t, T *);                                        \
  template void quantopt::numerics::quantizeAsymmetric(const DynamicQuantizerOptions &, const T *, int64_t, int64_t,   \
                                                       uint8_t *, T *, uint8_t *);                                     \
  template void quantopt::numerics::dequantizeAsymmetric(const DynamicQuantizerOptions &, const uint8_t *, const T *,  \
                                                         const uint8_t *, int64_t, int64_t, T *);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
