//===- Rounding.h - rounding and clamping that vectorise on every processor -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_NUMERICS_ROUNDING_H
#define QUANTOPT_LIB_NUMERICS_ROUNDING_H

namespace quantopt::numerics {

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

#endif // QUANTOPT_LIB_NUMERICS_ROUNDING_H
