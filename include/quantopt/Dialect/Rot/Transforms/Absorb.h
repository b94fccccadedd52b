//===- Absorb.h - conversions that move into weights ---------------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ROT_TRANSFORMS_ABSORB_H
#define QUANTOPT_DIALECT_ROT_TRANSFORMS_ABSORB_H

#include "mlir/IR/PatternMatch.h"
#include "quantopt/Dialect/Rot/Analysis/Web.h"

namespace quantopt::rot {

/// Patterns that move a conversion through any op with ties whose other tied dimensions are weights: one that leaves a
/// basis into its readers, one that enters a basis into its writer. The other directions would undo online rotations.
void populateAbsorbPatterns(mlir::RewritePatternSet &patterns, bool (*isWeight)(mlir::Value));

} // namespace quantopt::rot

#endif // QUANTOPT_DIALECT_ROT_TRANSFORMS_ABSORB_H
