//===- TensorFile.h - values in files and attributes of their own -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_ONNX_TENSORFILE_H
#define QUANTOPT_ONNX_TENSORFILE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt {

/// The elements of a file that holds a serialised TensorProto, as ONNX's test data sets do. Errors name the file: not a
/// TensorProto, elements of type string.
llvm::Expected<mlir::DenseElementsAttr> readTensorFile(llvm::StringRef path, mlir::MLIRContext &context);

/// The value of a file of a test data set: a serialised TensorProto, numbers or strings, or a SequenceProto of such.
/// Null for an empty file, an optional value that is not there. Errors name the file.
llvm::Expected<Tensor> readValueFile(llvm::StringRef path, mlir::MLIRContext &context);

/// The tensor of an attribute that has no dense form, like one of strings.
llvm::Expected<Tensor> readTensorAttribute(onnx::ProtoAttr attribute);

} // namespace quantopt

#endif // QUANTOPT_ONNX_TENSORFILE_H
