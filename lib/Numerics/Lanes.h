//===- Lanes.h - vectors of a fixed width for loops with fixed bits --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_NUMERICS_LANES_H
#define QUANTOPT_LIB_NUMERICS_LANES_H

#include <cstdint>
#include <cstring>

/// Compiles a function for several processors and picks one at load time. Its vectors are 64 bytes wide in all of them,
/// and contraction is off, so that they compute the same bits.
#if defined(__x86_64__)
#define QUANTOPT_MULTIVERSION __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#else
#define QUANTOPT_MULTIVERSION
#endif

/// For the parts of a multiversioned function: they must be compiled for its processor. Vectors go by reference, as
/// their calling convention differs between processors.
#define QUANTOPT_INLINE static inline __attribute__((always_inline))

namespace quantopt::numerics {

template <typename T> struct Lanes;
template <> struct Lanes<float> {
  static constexpr int64_t width = 16;
  typedef float Vector __attribute__((vector_size(64)));
};
template <> struct Lanes<double> {
  static constexpr int64_t width = 8;
  typedef double Vector __attribute__((vector_size(64)));
};
typedef int32_t IntegerLanes __attribute__((vector_size(64)));

template <typename T> QUANTOPT_INLINE void load(typename Lanes<T>::Vector &vector, const T *from) {
  std::memcpy(&vector, from, sizeof(vector));
}
template <typename T> QUANTOPT_INLINE void store(const typename Lanes<T>::Vector &vector, T *to) {
  std::memcpy(to, &vector, sizeof(vector));
}

/// Adding 1.5·2^(mantissa bits) leaves no fraction bits: the addition itself rounds to nearest even. Baseline x86-64
/// has no rounding instruction. For |x| below 2^22 (float) or 2^51 (double).
inline float roundToEven(float x) { return (x + 12582912.0f) - 12582912.0f; }
inline double roundToEven(double x) { return (x + 6755399441055744.0) - 6755399441055744.0; }

/// A NaN becomes `low`. With integers as bounds, rounding after clamping equals clamping after rounding.
template <typename T> inline T clampTo(T x, T low, T high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

} // namespace quantopt::numerics

#endif // QUANTOPT_LIB_NUMERICS_LANES_H
