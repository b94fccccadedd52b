//===- Quantize.h - codes, scales and products of codes -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_QUANTIZE_H
#define QUANTOPT_INTERP_COMPUTE_QUANTIZE_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::compute {

/// Where the scales (and zero points) of a quantized tensor stand, as in ONNX: one for all, one per index of `axis`, or
/// one per block of `blockSize` indices of `axis` (then scales have the tensor's shape but for ceil(size / blockSize)
/// along the axis; the last block may be shorter).
struct ScaleLayout {
  int64_t axis = 1;
  int64_t blockSize = 0;
};

/// saturate(round(x / scale) + zero), ties to even; `zero` may be null. The division runs in x's arithmetic type.
/// Floating-point codes are x / scale + zero, rounded; with `saturate` what is out of range becomes the largest number.
llvm::Expected<Tensor> quantizeLinear(const Tensor &x, const Tensor &scale, const Tensor &zero, ScaleLayout layout,
                                      DType codeType, bool saturate = true);

/// (code - zero) · scale in `type`; `zero` may be null.
llvm::Expected<Tensor> dequantizeLinear(const Tensor &codes, const Tensor &scale, const Tensor &zero,
                                        ScaleLayout layout, DType type);

/// Per row (last dimension) or group: symmetric codes and scales by numerics::quantizeSymmetric.
struct DynamicCodes {
  Tensor codes, scale, zero;
};
/// `bits`, `groupSize` (0: the whole row) and `clip` as in numerics::DynamicQuantizerOptions; codes in `codeType`, a
/// signed one for symmetric codes, an unsigned one for asymmetric ones, which come with zero points. Scales are F32 or
/// F64 like the arithmetic, also where `hasHalfScales` makes them f16 values.
DynamicCodes quantizeDynamic(const Tensor &x, int64_t bits, int64_t groupSize, double clip, DType codeType,
                             bool hasHalfScales = false);

/// Σ over groups of (integer sum of codes · xs) · ws, in ascending order of groups. x [..., K] codes, xs [..., Gx], and
/// of the weight rows [from, from + n) w [n, K] and ws [n, Gw]; Gx and Gw are equal or 1. Writes result[:, from : from
/// + n], F32 or F64 like xs. The integer sums are exact.
llvm::Error quantizedLinearInto(const Tensor &x, const Tensor &xs, int64_t inputGroupSize, const Tensor &w,
                                const Tensor &ws, int64_t weightGroupSize, Tensor &result, int64_t from);

/// (Σ_g factor[n, g] · integer sum of group g · xs) · ws: factors are integers (U8 [n, G]) of G equal groups, and their
/// sum is exact. Other operands as above, with one scale per row: xs [..., 1], ws [n, 1].
void scaledGroupsLinearInto(const Tensor &x, const Tensor &xs, const Tensor &w, const Tensor &ws, const Tensor &factors,
                            Tensor &result, int64_t from);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_QUANTIZE_H
