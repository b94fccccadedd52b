//===- Param.h - weights as names of bytes --------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_PARAM_IR_PARAM_H
#define QUANTOPT_DIALECT_PARAM_IR_PARAM_H

#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Support/TensorSlice.h"

#include "param/ParamInterfacesOp.h.inc"
#include "param/ParamOpsDialect.h.inc"
#define GET_OP_CLASSES
#include "param/ParamOps.h.inc"

namespace quantopt::param {

/// Whether a value depends on parameters only, so that it can be computed before the model runs: a chain of ops with
/// WeightOpInterface over param.load.
bool isWeightExpression(mlir::Value value);

/// The element type of a tensor in files and in memory, or nothing for one that weights cannot have.
std::optional<DType> getDType(mlir::Type elementType);
/// The MLIR element type of `type`.
mlir::Type getElementType(DType type, mlir::MLIRContext *context);

/// Attaches WeightOpInterface to rot.convert; `rot` itself knows nothing of weights.
void registerRotConvertExternalModel(mlir::DialectRegistry &registry);

} // namespace quantopt::param

#endif // QUANTOPT_DIALECT_PARAM_IR_PARAM_H
