//===- BasisChange.h - values in another basis --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_BASISCHANGE_H
#define QUANTOPT_INTERP_BASISCHANGE_H

#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Interp/KernelContext.h"

namespace quantopt::interp {

/// x (any float type) from the bases of `source` to those of `target`, computed in f32 (f64 for f64) and rounded to x's
/// type. Where only the last dimension changes, rows are converted on several threads.
llvm::Expected<Tensor> changeBasis(KernelContext &context, const Tensor &x, mlir::RankedTensorType source,
                                   mlir::RankedTensorType target);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_BASISCHANGE_H
