//===- Recognize.h - decoder layers out of nodes --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_RECOGNIZE_RECOGNIZE_H
#define QUANTOPT_INTERP_RECOGNIZE_RECOGNIZE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace quantopt {

/// Turns the nodes of a function into layers, as pass llm-recognize does without its proof: first what is inside of an
/// If whose branch is known.
void recognize(mlir::func::FuncOp function);

} // namespace quantopt

#endif // QUANTOPT_INTERP_RECOGNIZE_RECOGNIZE_H
