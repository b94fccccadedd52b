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
/// happens without a transform.
///
/// The levels of Sylvester's factor are butterflies: within a vector, between lanes (shuffles), between vectors of a
/// thread, and between warps (shared memory). The dense factor sums over its axis from shared memory: a thread has
/// `vectors` outputs of `width` neighbours each, and one load serves all of them. Sums are in f32.
void transformRow(RowKernel &row, RowElements &elements);

/// 1/sqrt(a·b), or 1 without a transform.
double getTransformScale(const tile::RowPlan &plan);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_HADAMARDKERNEL_H
