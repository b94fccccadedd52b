//===- Convert.h - ONNX types, tensors and attributes to MLIR and back --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_CONVERT_H
#define QUANTOPT_LIB_ONNX_CONVERT_H

#include "Source.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace quantopt {

/// The element type of a TensorProto::DataType; null for one that ONNX does not define.
mlir::Type importElementType(int32_t dataType, mlir::MLIRContext *context);
/// The inverse; TensorProto::UNDEFINED where ONNX has no such type.
int32_t exportElementType(mlir::Type type);

/// A dimension as a graph states it: an integer attribute, or a string, empty where nothing is stated.
mlir::ArrayAttr importDims(const ::onnx::TensorShapeProto &shape, mlir::MLIRContext *context);
/// Type of a value that is a tensor of `elementType` with these dimensions (null: unranked).
mlir::Type makeTensorType(mlir::Type elementType, mlir::ArrayAttr dims);

/// What the graph says of an input, output or inner value.
struct DeclaredType {
  /// Null when it is not stated.
  mlir::Type type;
  /// Dimensions as stated, null for an unranked type.
  mlir::ArrayAttr dims;
};
DeclaredType importType(const ::onnx::TypeProto &type, mlir::MLIRContext *context);
/// Fails for types that ONNX has not.
llvm::Error exportType(mlir::Type type, mlir::ArrayAttr dims, ::onnx::TypeProto &result);

/// Type of a tensor in a file. Errors name the tensor: unknown data type, negative dimension, too many elements.
llvm::Expected<mlir::RankedTensorType> importTensorType(const ::onnx::TensorProto &tensor, mlir::MLIRContext *context);
/// Bytes of the elements in a file, sub-byte ones packed.
uint64_t bytesInFile(mlir::RankedTensorType type);

/// The elements of a tensor whose payload is `raw`, or in the message when there is none. Errors name the tensor: a
/// length that does not fit, elements of type string.
llvm::Expected<mlir::DenseElementsAttr> importElements(const ::onnx::TensorProto &tensor,
                                                       std::optional<llvm::StringRef> raw, mlir::MLIRContext *context);
/// The same as a tensor in memory, numbers or strings; the payload is in the message.
llvm::Expected<Tensor> importTensor(const ::onnx::TensorProto &tensor, mlir::MLIRContext *context);
/// The tensor with its elements as raw_data.
llvm::Expected<::onnx::TensorProto> exportElements(mlir::DenseElementsAttr elements);

/// The attributes of a node. `payloadSymbol` gives the param.global of a tensor payload that stays in the file.
llvm::Expected<mlir::DictionaryAttr>
importAttributes(const NodeSkeleton &node, mlir::MLIRContext *context,
                 llvm::function_ref<mlir::Attribute(const ::onnx::TensorProto &, Span)> payloadSymbol);
/// One attribute; `tensorOf` gives the tensor of a param.global.
llvm::Error exportAttribute(mlir::NamedAttribute attribute, ::onnx::AttributeProto &result,
                            llvm::function_ref<llvm::Expected<::onnx::TensorProto>(mlir::SymbolRefAttr)> tensorOf);

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_CONVERT_H
