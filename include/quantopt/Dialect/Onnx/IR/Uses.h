//===- Uses.h - who reads the values of a graph ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_IR_USES_H
#define QUANTOPT_DIALECT_ONNX_IR_USES_H

#include "mlir/IR/Operation.h"

namespace quantopt::onnx {

/// Whether the function returns `value`: it is an output of the graph.
inline bool isReturned(mlir::Value value) {
  return llvm::any_of(value.getUsers(),
                      [](mlir::Operation *user) { return user->hasTrait<mlir::OpTrait::IsTerminator>(); });
}

} // namespace quantopt::onnx

#endif // QUANTOPT_DIALECT_ONNX_IR_USES_H
