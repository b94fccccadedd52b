//===- ResolveBranches.h - If with a condition that is known --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_RECOGNIZE_RESOLVEBRANCHES_H
#define QUANTOPT_LIB_INTERP_RECOGNIZE_RESOLVEBRANCHES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace quantopt {

/// Replaces each onnx.If whose condition follows from types and constants by the nodes of the branch that is taken; and
/// one that chooses by an input between a decoder with caches and one without by the former, for which the latter is
/// the case of caches without rows. That input then has `onnx.left_out`.
void resolveBranches(mlir::func::FuncOp function);

} // namespace quantopt

#endif // QUANTOPT_LIB_INTERP_RECOGNIZE_RESOLVEBRANCHES_H
