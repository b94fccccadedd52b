//===- GraphWriter.h - functions of onnx ops as protobuf messages ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_GRAPHWRITER_H
#define QUANTOPT_LIB_ONNX_GRAPHWRITER_H

#include "EdgeNames.h"
#include "ExportWeights.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

namespace quantopt {

/// The nodes of one function as messages.
class GraphWriter {
public:
  GraphWriter(mlir::func::FuncOp function, WeightExporter &weights);

  mlir::func::FuncOp getFunction() const { return function; }
  const EdgeNames &edgeNames() const { return names; }

  /// The node of an op. Fields and attributes of `original`, the node it was imported from, that the op still agrees
  /// with are kept; `originalAttributes` are the attributes as import sees them. Diagnoses what has no ONNX form.
  mlir::FailureOr<::onnx::NodeProto> node(onnx::NodeOpInterface op, const ::onnx::NodeProto *original = nullptr,
                                          mlir::DictionaryAttr originalAttributes = {});
  /// An onnx.Constant that is an initializer (constraint C4).
  mlir::FailureOr<::onnx::TensorProto> initializer(onnx::ConstantOp constant);
  /// The Identity node that gives a value a second name.
  ::onnx::NodeProto alias(const EdgeNames::Alias &alias) const;

  /// Fails for ops that are neither nodes nor parameters; `allowParameters` says whether the latter may be there.
  mlir::LogicalResult checkOps(bool allowParameters);

private:
  mlir::func::FuncOp function;
  EdgeNames names;
  /// Names of nodes whose stated name another node has; onnxruntime wants them to differ.
  llvm::DenseMap<mlir::Operation *, std::string> newNodeNames;
  WeightExporter &weights;
};

/// A graph input or output.
mlir::FailureOr<::onnx::ValueInfoProto> exportValueInfo(mlir::func::FuncOp function, llvm::StringRef name,
                                                        mlir::Type type, mlir::ArrayAttr dims);

/// A model-local function: a func.func with `onnx.function`.
mlir::FailureOr<::onnx::FunctionProto> exportFunction(mlir::func::FuncOp function, WeightExporter &weights);

/// Versions by domain, as `onnx.model` and `onnx.function` hold them under "opset_imports".
void exportOpsets(mlir::DictionaryAttr opsets, google::protobuf::RepeatedPtrField<::onnx::OperatorSetIdProto> &imports);

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_GRAPHWRITER_H
