//===- DynamicQuantizer.cpp - activations and caches to low-bit codes at run time -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/DynamicQuantizer.h"
#include "Lanes.h"
#include "quantopt/Support/Half.h"
#include <algorithm>
#include <limits>
#include <type_traits>

using namespace quantopt::numerics;

/// Calls visit(offset, length, group) for every group of every row, groups numbered through all rows.
template <typename Visit>
static void forEachGroup(const DynamicQuantizerOptions &options, int64_t rows, int64_t cols, Visit visit) {
  int64_t groups = options.groupsPerRow(cols), width = groupWidth(cols, options.groupSize);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < groups; ++group)
      visit(row * cols + group * width, std::min(width, cols - group * width), row * groups + group);
}

template <typename T> using BitsOf = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

template <typename To, typename From> static To bitsAs(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  std::memcpy(&result, &value, sizeof(result));
  return result;
}

// Extremes are taken on bits read as integers: their order is that of the numbers with NaN beyond infinity, so that a
// NaN is kept, and the loops vectorise.

/// Maps bits to integers in the order of the numbers, and back: negative numbers have their magnitude flipped.
template <typename Bits> static Bits ordered(Bits bits) {
  return bits ^ Bits(std::make_unsigned_t<Bits>(bits >> (8 * sizeof(Bits) - 1)) >> 1);
}

template <typename T> static T greatestMagnitude(const T *x, int64_t length) {
  BitsOf<T> greatest = 0;
  for (int64_t i = 0; i < length; ++i)
    greatest = std::max(greatest, bitsAs<BitsOf<T>>(x[i]) & std::numeric_limits<BitsOf<T>>::max());
  return bitsAs<T>(greatest);
}

/// The extremes of the numbers and 0.
template <typename T> static void findRange(const T *x, int64_t length, T &low, T &high) {
  BitsOf<T> least = 0, greatest = 0;
  for (int64_t i = 0; i < length; ++i) {
    BitsOf<T> key = ordered(bitsAs<BitsOf<T>>(x[i]));
    least = std::min(least, key);
    greatest = std::max(greatest, key);
  }
  low = bitsAs<T>(ordered(least));
  high = bitsAs<T>(ordered(greatest));
}

/// The scale as it is stored.
template <typename T> static T storedScale(const DynamicQuantizerOptions &options, T scale) {
  if (!options.hasHalfScales || scale != scale)
    return scale;
  uint16_t half = quantopt::doubleToHalf(std::clamp(double(scale), 0x1p-24, 65504.0));
  return T(quantopt::halfToFloat(half));
}

template <typename T>
void quantopt::numerics::quantizeSymmetric(const DynamicQuantizerOptions &options, const T *x, int64_t rows,
                                           int64_t cols, int8_t *codes, T *scales) {
  T greatest = T((1 << (options.bits - 1)) - 1), least = -greatest - 1;
  forEachGroup(options, rows, cols, [&](int64_t start, int64_t length, int64_t group) {
    T absmax = greatestMagnitude(x + start, length);
    T scale = storedScale(options, std::max((T(options.clip) * absmax) / greatest, T(1e-8f)));
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
    T low, high;
    findRange(x + start, length, low, high);
    high = T(options.clip) * high;
    low = T(options.clip) * low;
    T scale = storedScale(options, std::max((high - low) / greatest, T(1e-8f)));
    T zero = roundToEven(clampTo(-low / scale, T(0), greatest));
    scales[group] = scale;
    zeros[group] = uint8_t(zero);
    // Beyond ±greatest any zero leads to the same code.
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
