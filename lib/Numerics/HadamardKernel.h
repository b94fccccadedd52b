//===- HadamardKernel.h - rows times A ⊗ B ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_NUMERICS_HADAMARDKERNEL_H
#define QUANTOPT_LIB_NUMERICS_HADAMARDKERNEL_H

#include <cstdint>

namespace quantopt::numerics {

/// What a row of a·b numbers goes through; pointers stay the caller's.
template <typename T> struct HadamardKernel {
  int64_t a, b;
  /// [a, a]; may be null if a is 1.
  const T *slow;
  /// The entries of `slow` are ±1.
  bool isExact;
  T scale;
  /// Factors of the elements before and after the transform; may be null.
  const T *before, *after;
};

/// Each of `count` rows, V = row as [a, b], becomes after ∘ scale·(slow·(V ∘ before)·B) with Sylvester's B. `scratch`
/// has a·b numbers.
void runHadamardKernel(const HadamardKernel<float> &kernel, float *rows, int64_t count, float *scratch);
void runHadamardKernel(const HadamardKernel<double> &kernel, double *rows, int64_t count, double *scratch);

} // namespace quantopt::numerics

#endif // QUANTOPT_LIB_NUMERICS_HADAMARDKERNEL_H
