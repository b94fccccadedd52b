//===- Export.h - MLIR modules as ONNX models -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_ONNX_EXPORT_H
#define QUANTOPT_ONNX_EXPORT_H

#include "mlir/IR/BuiltinOps.h"

namespace quantopt {

/// Writes a module whose graph function (`@main`) consists of `onnx` ops and `param.load`s as an ONNX model.
///
/// A module that names its source (`onnx.source`) is written by changing that file: whatever is the same in the IR is
/// copied byte for byte, so an untouched model comes out identical. Without a source everything is serialised from the
/// IR: `onnx.model` gives versions, opset imports and metadata; functions with `onnx.function` become model-local
/// functions.
///
/// Weights lie where their `param.file` is if that is in or below the folder of the output; others are copied, small
/// ones and those out of .onnx files into the model, the rest into "<output>.data". Initializers that the source has
/// keep the reference they have there.
///
/// Files appear under their names only when they are complete; after a failure, which is reported on the op that caused
/// it, nothing is left behind. The same module gives the same bytes.
mlir::LogicalResult exportOnnx(mlir::ModuleOp module, llvm::StringRef outputPath);

} // namespace quantopt

#endif // QUANTOPT_ONNX_EXPORT_H
