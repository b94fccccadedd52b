//===- NodeBuilder.h - nodes with names, types and shared constants -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_LLMTOONNX_NODEBUILDER_H
#define QUANTOPT_LIB_CONVERSION_LLMTOONNX_NODEBUILDER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <map>

namespace quantopt {

/// The TensorProto.DataType by which a node's attribute names an element type.
int64_t getOnnxDataType(mlir::Type elementType);

/// Builds the nodes of one function. A node is called "<scope>.<step>", where the scope is the layer it belongs to, and
/// so is its result: names depend on the function alone.
class NodeBuilder : public mlir::OpBuilder {
public:
  explicit NodeBuilder(mlir::func::FuncOp function);

  /// Nodes from now on stand before `op`. Their scope is its role; without one, its name within the layer of the
  /// decoder that the last role was in, or else the node it was made from.
  void enter(mlir::Operation *op);

  /// A node with one result of that element type and shape.
  mlir::Value node(llvm::StringRef qualifiedType, llvm::StringRef step, mlir::Type elementType,
                   llvm::ArrayRef<int64_t> shape, mlir::ValueRange inputs,
                   llvm::ArrayRef<mlir::NamedAttribute> attributes = {});
  /// The same node for the same inputs and attributes, once; it stands where it was first asked for.
  mlir::Value sharedNode(llvm::StringRef qualifiedType, llvm::StringRef step, mlir::Type elementType,
                         llvm::ArrayRef<int64_t> shape, mlir::ValueRange inputs,
                         llvm::ArrayRef<mlir::NamedAttribute> attributes = {});
  /// A node whose result has the type of its first input: unary operators, and binary ones that broadcast the second.
  mlir::Value like(llvm::StringRef qualifiedType, llvm::StringRef step, mlir::ValueRange inputs,
                   llvm::ArrayRef<mlir::NamedAttribute> attributes = {});
  mlir::Value cast(llvm::StringRef step, mlir::Value value, mlir::Type elementType);
  mlir::Value reshape(llvm::StringRef step, mlir::Value value, llvm::ArrayRef<int64_t> target,
                      llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(llvm::StringRef step, mlir::Value value, llvm::ArrayRef<int64_t> permutation);

  /// Initializers of the graph, one per content.
  mlir::Value ints(llvm::ArrayRef<int64_t> values);
  mlir::Value scalar(mlir::Type elementType, double value); // of floats or integers
  mlir::Value matrix(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<double> values);

  mlir::NamedAttribute attr(llvm::StringRef name, int64_t value) { return {name, getI64IntegerAttr(value)}; }
  /// `wanted`, or that with a number behind it where the graph has the name already.
  std::string uniqueName(llvm::StringRef wanted);

private:
  mlir::Value initializer(llvm::StringRef name, mlir::DenseElementsAttr value);

  mlir::func::FuncOp function;
  llvm::StringSet<> names;
  llvm::StringMap<mlir::Value> initializers;
  std::map<std::string, mlir::Value> shared;
  std::string scopeName, layerName;
  mlir::Location location;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_LLMTOONNX_NODEBUILDER_H
