//===- Movement.h - tensors rearranged, cut and joined ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_MOVEMENT_H
#define QUANTOPT_INTERP_COMPUTE_MOVEMENT_H

#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::compute {

/// Result dimension i is dimension permutation[i] of the input.
llvm::Expected<Tensor> transpose(const Tensor &input, llvm::ArrayRef<int64_t> permutation);

/// The input broadcast against `shape` (so dimensions of `shape` may be 1, as ONNX's Expand allows).
llvm::Expected<Tensor> expand(const Tensor &input, llvm::ArrayRef<int64_t> shape);

/// ONNX's Slice: for each axis, elements start, start + step, ... before end; out of range ends are clamped, negative
/// positions count from the end. Lists of equal length; steps are not 0.
llvm::Expected<Tensor> slice(const Tensor &input, llvm::ArrayRef<int64_t> starts, llvm::ArrayRef<int64_t> ends,
                             llvm::ArrayRef<int64_t> axes, llvm::ArrayRef<int64_t> steps);

/// Inputs joined along an axis; equal types, equal other dimensions.
llvm::Expected<Tensor> concat(llvm::ArrayRef<Tensor> inputs, int64_t axis);

/// Pieces of these sizes along an axis; the sizes sum to the dimension.
llvm::Expected<llvm::SmallVector<Tensor>> split(const Tensor &input, llvm::ArrayRef<int64_t> sizes, int64_t axis);

/// Slices input[..., indices, ...] along an axis; negative indices count from the end.
llvm::Expected<Tensor> gather(const Tensor &input, const Tensor &indices, int64_t axis);
/// result[i, j, ..] = input with the coordinate along `axis` replaced by indices[i, j, ..].
llvm::Expected<Tensor> gatherElements(const Tensor &input, const Tensor &indices, int64_t axis);
/// The last dimension of `indices` holds coordinates into the dimensions of `input` after `batchDims` common ones.
llvm::Expected<Tensor> gatherND(const Tensor &input, const Tensor &indices, int64_t batchDims);

enum class ScatterReduction { None, Add, Mul, Max, Min };
/// A copy of `input` with the slices at the coordinates in `indices` replaced by, or reduced with, `updates`.
llvm::Expected<Tensor> scatterND(const Tensor &input, const Tensor &indices, const Tensor &updates,
                                 ScatterReduction reduction);
/// A copy of `input` whose elements at indices[i, j, ..] along `axis` are replaced by, or reduced with, updates.
llvm::Expected<Tensor> scatterElements(const Tensor &input, const Tensor &indices, const Tensor &updates, int64_t axis,
                                       ScatterReduction reduction);

/// A copy of `cache` with `rows` written along `axis`: for index b of the first dimension from positions[b] on, past
/// the end from the start again if `wraps`. Otherwise a row outside is an error.
llvm::Expected<Tensor> scatterRows(const Tensor &cache, const Tensor &rows, llvm::ArrayRef<int64_t> positions,
                                   int64_t axis, bool wraps);

/// `begins` and `ends` elements of `value` (a scalar of the input's type) added per dimension; negative ones cut.
llvm::Expected<Tensor> pad(const Tensor &input, llvm::ArrayRef<int64_t> begins, llvm::ArrayRef<int64_t> ends,
                           const Tensor &value);

/// Each dimension repeated.
llvm::Expected<Tensor> tile(const Tensor &input, llvm::ArrayRef<int64_t> repeats);

/// Upper (or lower) triangles of the last two dimensions, counted from diagonal `k`; zeros elsewhere.
llvm::Expected<Tensor> triangle(const Tensor &input, int64_t k, bool upper);

/// start, start + step, ... before (step > 0) or above (step < 0) limit; scalars of one type.
llvm::Expected<Tensor> range(const Tensor &start, const Tensor &limit, const Tensor &step);

/// A tensor of one repeated element, given as a tensor with one element.
Tensor fill(llvm::ArrayRef<int64_t> shape, const Tensor &element);

/// Running sums along an axis.
llvm::Expected<Tensor> cumulativeSum(const Tensor &input, int64_t axis, bool exclusive, bool reverse);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_MOVEMENT_H
