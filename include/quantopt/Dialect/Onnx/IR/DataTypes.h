//===- DataTypes.h - element types by their ONNX numbers ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_IR_DATATYPES_H
#define QUANTOPT_DIALECT_ONNX_IR_DATATYPES_H

#include "mlir/IR/Types.h"

namespace quantopt::onnx {

/// The element type with a number of TensorProto::DataType, which attributes such as Cast's `to` hold; null for one
/// that ONNX does not define.
mlir::Type getElementType(int64_t dataType, mlir::MLIRContext *context);

} // namespace quantopt::onnx

#endif // QUANTOPT_DIALECT_ONNX_IR_DATATYPES_H
