//===- ModelAttributes.h - what a module says of the model as a whole ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_LLMTOONNX_MODELATTRIBUTES_H
#define QUANTOPT_LIB_CONVERSION_LLMTOONNX_MODELATTRIBUTES_H

#include "mlir/IR/BuiltinOps.h"
#include <optional>

namespace quantopt {

/// Opset of the standard operators, if the module states one.
std::optional<int64_t> getModelOpset(mlir::ModuleOp module);
/// Sets the opset of the standard operators, raises the IR version to at least `irVersion`, and imports the domains of
/// all other nodes.
void setModelVersions(mlir::ModuleOp module, int64_t opset, int64_t irVersion);
/// Sets an entry of metadata_props.
void setModelMetadata(mlir::ModuleOp module, llvm::StringRef key, llvm::StringRef value);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_LLMTOONNX_MODELATTRIBUTES_H
