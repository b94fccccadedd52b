//===- SumLanes.h - sums in a fixed order that vectorise ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_COMPUTE_SUMLANES_H
#define QUANTOPT_LIB_INTERP_COMPUTE_SUMLANES_H

#include <cstdint>

namespace quantopt::compute {

/// Σ function(i) in f64: eight running sums of every eighth term, added pairwise at the end.
template <typename Function> [[gnu::always_inline]] inline double sumLanes(int64_t count, Function function) {
  constexpr int lanes = 8;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; ++lane)
      sums[lane] += function(i + lane);
  for (; i < count; ++i)
    sums[i % lanes] += function(i);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

} // namespace quantopt::compute

#endif // QUANTOPT_LIB_INTERP_COMPUTE_SUMLANES_H
