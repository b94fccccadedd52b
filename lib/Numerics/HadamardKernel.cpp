//===- HadamardKernel.cpp - rows times A ⊗ B -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HadamardKernel.h"
#include "Lanes.h"

using namespace quantopt::numerics;

/// sum + a·x. Where a is ±1 the product is exact, and so a fused instruction computes the same bits as two.
template <bool isExact, typename V> QUANTOPT_INLINE void accumulate(V &sum, const V &a, const V &x) {
  if constexpr (isExact) {
#pragma clang fp contract(fast)
    sum = sum + a * x;
  } else {
    sum = sum + a * x;
  }
}

/// One butterfly level between lanes `half` apart, of every vector: even partners get x + y, odd ones x - y.
template <int half> QUANTOPT_INLINE void crossLanes(Lanes<float>::Vector &x) {
  constexpr auto partner = [](int lane) { return lane ^ half; };
  constexpr auto sign = [](int lane) { return lane & half ? -1.0f : 1.0f; };
  Lanes<float>::Vector swapped = __builtin_shufflevector(
      x, x, partner(0), partner(1), partner(2), partner(3), partner(4), partner(5), partner(6), partner(7), partner(8),
      partner(9), partner(10), partner(11), partner(12), partner(13), partner(14), partner(15));
  const Lanes<float>::Vector signs = {sign(0), sign(1), sign(2),  sign(3),  sign(4),  sign(5),  sign(6),  sign(7),
                                      sign(8), sign(9), sign(10), sign(11), sign(12), sign(13), sign(14), sign(15)};
  accumulate<true>(swapped, signs, x);
  x = swapped;
}
template <int half> QUANTOPT_INLINE void crossLanes(Lanes<double>::Vector &x) {
  constexpr auto partner = [](int lane) { return lane ^ half; };
  constexpr auto sign = [](int lane) { return lane & half ? -1.0 : 1.0; };
  Lanes<double>::Vector swapped = __builtin_shufflevector(x, x, partner(0), partner(1), partner(2), partner(3),
                                                          partner(4), partner(5), partner(6), partner(7));
  const Lanes<double>::Vector signs = {sign(0), sign(1), sign(2), sign(3), sign(4), sign(5), sign(6), sign(7)};
  accumulate<true>(swapped, signs, x);
  x = swapped;
}

QUANTOPT_INLINE void crossAllLanes(Lanes<float>::Vector &x) {
  crossLanes<1>(x);
  crossLanes<2>(x);
  crossLanes<4>(x);
  crossLanes<8>(x);
}
QUANTOPT_INLINE void crossAllLanes(Lanes<double>::Vector &x) {
  crossLanes<1>(x);
  crossLanes<2>(x);
  crossLanes<4>(x);
}

template <typename V> QUANTOPT_INLINE void butterfly(V &x, V &y) {
  V sum = x + y;
  y = x - y;
  x = sum;
}

/// The levels `half` and 2·half of one block of 4·half numbers.
template <typename T> QUANTOPT_INLINE void twoLevels(T *v, int64_t half) {
  for (int64_t j = 0; j < half; j += Lanes<T>::width) {
    typename Lanes<T>::Vector x[4];
    for (int i = 0; i < 4; ++i)
      load(x[i], v + j + i * half);
    butterfly(x[0], x[1]);
    butterfly(x[2], x[3]);
    butterfly(x[0], x[2]);
    butterfly(x[1], x[3]);
    for (int i = 0; i < 4; ++i)
      store(x[i], v + j + i * half);
  }
}

/// v becomes v·B, unscaled, for b numbers. Levels run from neighbours upwards; the wide path computes the same sums.
template <typename T> QUANTOPT_INLINE void walshHadamard(T *v, int64_t b) {
  constexpr int64_t width = Lanes<T>::width;
  if (b < width) {
    for (int64_t half = 1; half < b; half *= 2)
      for (int64_t start = 0; start < b; start += 2 * half)
        for (int64_t j = start; j < start + half; ++j)
          butterfly(v[j], v[j + half]);
    return;
  }
  for (int64_t j = 0; j < b; j += width) {
    typename Lanes<T>::Vector x;
    load(x, v + j);
    crossAllLanes(x);
    store(x, v + j);
  }
  int64_t half = width;
  for (; 4 * half <= b; half *= 4)
    for (int64_t start = 0; start < b; start += 4 * half)
      twoLevels(v + start, half);
  if (half == b)
    return;
  for (int64_t j = 0; j < half; j += width) {
    typename Lanes<T>::Vector x, y;
    load(x, v + j);
    load(y, v + j + half);
    butterfly(x, y);
    store(x, v + j);
    store(y, v + j + half);
  }
}

/// `count` rows of scale·(slow·in) at columns [j, j + width).
template <bool isExact, int count, typename T>
QUANTOPT_INLINE void multiplyColumns(const T *slow, const T *in, T *out, int64_t a, int64_t b, T scale) {
  typename Lanes<T>::Vector sum[count] = {}, x;
  for (int64_t k = 0; k < a; ++k) {
    load(x, in + k * b);
    for (int i = 0; i < count; ++i)
      accumulate<isExact>(sum[i], typename Lanes<T>::Vector{} + slow[i * a + k], x);
  }
  for (int i = 0; i < count; ++i)
    store(sum[i] * scale, out + i * b);
}

/// out = scale·(slow·in) for in, out [a, b]; the sum of an element runs over k upwards from zero.
template <bool isExact, typename T>
QUANTOPT_INLINE void multiplySlowAxis(const T *slow, const T *in, T *out, int64_t a, int64_t b, T scale) {
  constexpr int64_t width = Lanes<T>::width;
  if (b < width) {
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < b; ++j) {
        T sum = 0;
        for (int64_t k = 0; k < a; ++k)
          sum += slow[i * a + k] * in[k * b + j];
        out[i * b + j] = sum * scale;
      }
    return;
  }
  for (int64_t j = 0; j < b; j += width) {
    int64_t i = 0;
    for (; i + 4 <= a; i += 4)
      multiplyColumns<isExact, 4>(slow + i * a, in + j, out + i * b + j, a, b, scale);
    for (; i < a; ++i)
      multiplyColumns<isExact, 1>(slow + i * a, in + j, out + i * b + j, a, b, scale);
  }
}

/// out = in ∘ factors; null stands for ones.
template <typename T> QUANTOPT_INLINE void multiplyElements(const T *in, const T *factors, T *out, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = factors ? in[i] * factors[i] : in[i];
}

template <typename T>
QUANTOPT_INLINE void runRows(const HadamardKernel<T> &kernel, T *rows, int64_t count, T *scratch) {
  int64_t a = kernel.a, b = kernel.b, n = a * b;
  for (T *row = rows; row != rows + count * n; row += n) {
    T *work = a > 1 ? scratch : row;
    multiplyElements(row, kernel.before, work, n);
    for (int64_t i = 0; i < a; ++i)
      walshHadamard(work + i * b, b);
    if (a == 1)
      for (int64_t i = 0; i < n; ++i)
        row[i] *= kernel.scale;
    else if (kernel.isExact)
      multiplySlowAxis<true>(kernel.slow, scratch, row, a, b, kernel.scale);
    else
      multiplySlowAxis<false>(kernel.slow, scratch, row, a, b, kernel.scale);
    if (kernel.after)
      multiplyElements(row, kernel.after, row, n);
  }
}

QUANTOPT_MULTIVERSION
void quantopt::numerics::runHadamardKernel(const HadamardKernel<float> &kernel, float *rows, int64_t count,
                                           float *scratch) {
  runRows(kernel, rows, count, scratch);
}

QUANTOPT_MULTIVERSION
void quantopt::numerics::runHadamardKernel(const HadamardKernel<double> &kernel, double *rows, int64_t count,
                                           double *scratch) {
  runRows(kernel, rows, count, scratch);
}
