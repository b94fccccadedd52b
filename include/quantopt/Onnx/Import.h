//===- Import.h - ONNX models as MLIR -------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_ONNX_IMPORT_H
#define QUANTOPT_ONNX_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "quantopt/Onnx/Limits.h"
#include "llvm/Support/MemoryBuffer.h"

namespace quantopt {

struct ImportOptions {
  /// The file that the IR will be in. Paths in the IR are relative to its folder, and it is the module's location. A
  /// name without a folder ("-") leaves paths as they are, relative to the current folder. Empty: the model's own path.
  std::string irPath;
  ImportLimits limits = ImportLimits::stated();
};

/// Reads an ONNX model: `param.file` and `param.global` for its initializers, `func.func @main` with one `onnx` op per
/// node. Nothing of the weights is read. Null, after diagnostics, if the file is not a model, is truncated, or refers
/// to data that does not exist or lies outside of the model's folder. Loads the dialects that it needs into `context`.
/// The caller vouches for `path`: from here on files in its folder may be read (FileAccess.h).
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef path, mlir::MLIRContext &context,
                                             const ImportOptions &options = {});
/// The same of a model in memory; the buffer's name stands for its path.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(std::unique_ptr<llvm::MemoryBuffer> buffer, mlir::MLIRContext &context,
                                             const ImportOptions &options = {});

/// The path of a file that the IR names: relative ones are relative to the folder of the file the module was read from.
std::string resolvePath(mlir::ModuleOp module, llvm::StringRef path);

} // namespace quantopt

#endif // QUANTOPT_ONNX_IMPORT_H
