//===- HadamardKernel.h - Hadamard transforms of rows in registers --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_HADAMARDKERNEL_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_HADAMARDKERNEL_H

#include "RowKernel.h"

namespace quantopt {

/// Applies the plan's transform to a row, but for its factor 1/sqrt(a·b): elements become row · T · sqrt(a·b). Nothing
/// happens without a transform. Returns a power of two that elements still have to be multiplied by, or null.
///
/// The levels of Sylvester's factor are butterflies: within a vector, between lanes (shuffles), between vectors of a
/// thread, and between warps (shared memory). The dense factor sums over its axis from shared memory: a thread has
/// `vectors` outputs of `width` neighbours each, and one load serves all of them. Sums are in f32. Where the plan says
/// so, tensor cores sum instead.
mlir::Value transformRow(RowKernel &row, RowElements &elements);

/// The same, for rows of which nothing else is wanted on the way: returns what elements still have to be multiplied by,
/// 1/sqrt(a·b) included; 1 without a transform.
mlir::Value transformRowScaled(RowKernel &row, RowElements &elements);

/// The dense axis on tensor cores. An element is an f16 and the rest that it leaves, rounded to another: 22 bits, in a
/// row that was scaled by a power of two so that its greatest magnitude is next to 2^15. Factors are ±1, sums in f32.
/// Returns the inverse of that scale.
mlir::Value sumOnTensorCores(RowKernel &row, RowElements &elements);

/// 1/sqrt(a·b), or 1 without a transform.
double getTransformScale(const tile::RowPlan &plan);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_HADAMARDKERNEL_H
