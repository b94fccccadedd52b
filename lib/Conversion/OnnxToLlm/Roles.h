//===- Roles.h - what each layer is called ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_ONNXTOLLM_ROLES_H
#define QUANTOPT_CONVERSION_ONNXTOLLM_ROLES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace quantopt {

/// Gives every layer whose place in the decoder follows from dataflow its `llm.role`, and every cache its `llm.state`
/// ("l0.k"), on the argument and on the result. Layers are counted by their attention, in program order.
void assignRoles(mlir::func::FuncOp function);

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_ONNXTOLLM_ROLES_H
