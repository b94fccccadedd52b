//===- TensorFile.h - tensors in files of their own ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_ONNX_TENSORFILE_H
#define QUANTOPT_ONNX_TENSORFILE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/Error.h"

namespace quantopt {

/// The elements of a file that holds a serialised TensorProto, as ONNX's test data sets do. Errors name the file: not a
/// TensorProto, elements of type string.
llvm::Expected<mlir::DenseElementsAttr> readTensorFile(llvm::StringRef path, mlir::MLIRContext &context);

} // namespace quantopt

#endif // QUANTOPT_ONNX_TENSORFILE_H
