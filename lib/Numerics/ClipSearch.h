//===- ClipSearch.h - the scale of least error for a group of weights ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_NUMERICS_CLIPSEARCH_H
#define QUANTOPT_LIB_NUMERICS_CLIPSEARCH_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace quantopt::numerics {

/// Σ|clamp(rne(u/ratio), -greatest-1, greatest)·ratio - u|^norm over `count` numbers (a multiple of 16), 1 <= norm
/// <= 4. A difference d stands in as √(d² + 2^-60), so that its power, taken with a relative error below 1e-6 from d =
/// 2^-18 on, stays in range. As soon as the sum exceeds `bound` any greater number may be returned.
double clippingError(const float *units, int64_t count, float ratio, float greatest, float norm, double bound);

/// Finds clipping ratios by trying all of them (QuaRot, arXiv 2404.00456, section 5).
class ClipSearch {
public:
  /// Ratios 1 - i/100, i < steps.
  ClipSearch(float greatestCode, int64_t steps, float norm);
  /// The ratio p of least Σ|code·s - w|^norm with s = p·absmax/greatestCode, the greatest of equals. `scratch` is
  /// reused.
  float findRatio(llvm::ArrayRef<float> weights, float absmax, std::vector<float> &scratch) const;

private:
  float greatestCode, norm;
  std::vector<float> ratios;
  /// Indices of ratios, the likeliest first, so that most sums are abandoned early.
  std::vector<int64_t> order;
};

} // namespace quantopt::numerics

#endif // QUANTOPT_LIB_NUMERICS_CLIPSEARCH_H
