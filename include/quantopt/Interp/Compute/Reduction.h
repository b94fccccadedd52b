//===- Reduction.h - sums, maxima and norms along dimensions ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_REDUCTION_H
#define QUANTOPT_INTERP_COMPUTE_REDUCTION_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::compute {

enum class Reduce { Sum, Mean, Max, Min, SumSquare, Prod, L1, L2 };

/// The reduction along `axes` (all of them when empty). Floating-point sums are accumulated in f64, in an order that
/// depends on the reduced dimensions alone. Max and Min propagate NaN; over nothing they give the type's limits.
llvm::Expected<Tensor> reduce(Reduce kind, const Tensor &input, llvm::ArrayRef<int64_t> axes, bool keepDims);

/// Index of the largest (or smallest) element along an axis, the first (or last) one of equals.
llvm::Expected<Tensor> argExtreme(const Tensor &input, int64_t axis, bool keepDims, bool largest,
                                  bool lastOfEquals = false);

/// e^(x - max) / Σ e^(x - max) along an axis. The sum runs in ascending order in the tensor's type, so zeros of masked
/// positions do not show in the bits, wherever they stand. Rows of -∞ give NaN, as the formula does.
llvm::Expected<Tensor> softmax(const Tensor &input, int64_t axis);

/// x / sqrt(mean(x²) + epsilon) · scale over all dimensions from `axis` on; no scale where the tensor is null. The mean
/// is accumulated in f64. `scale` broadcasts against those dimensions.
llvm::Expected<Tensor> rmsNorm(const Tensor &input, const Tensor &scale, double epsilon, int64_t axis);

struct LayerNormResult {
  Tensor output, mean, inverseDeviation;
};
/// (x - mean) / sqrt(variance + epsilon) · scale + bias over all dimensions from `axis` on; scale and bias may be
/// null.
llvm::Expected<LayerNormResult> layerNorm(const Tensor &input, const Tensor &scale, const Tensor &bias, double epsilon,
                                          int64_t axis);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_REDUCTION_H
