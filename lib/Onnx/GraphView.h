//===- GraphView.h - what import makes of the parts of a model ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_GRAPHVIEW_H
#define QUANTOPT_LIB_ONNX_GRAPHVIEW_H

#include "Convert.h"

namespace quantopt {

// Import builds the IR from these, and export compares the IR with them to find out what has changed. Both must see the
// same.

/// A domain of operators; the standard one is empty however the model spells it.
llvm::StringRef canonicalDomain(llvm::StringRef domain);

/// "domain::Type" of a node, with the canonical domain.
std::string qualifiedTypeOf(const ::onnx::NodeProto &node);

/// "domain::Type::overload": equal for a model-local function and the nodes that call it.
std::string functionKeyOf(const ::onnx::NodeProto &call);
std::string functionKeyOf(const ::onnx::FunctionProto &function);

/// The graphs that are attributes of a node, such as the branches of If.
llvm::SmallVector<const ::onnx::GraphProto *, 2> subgraphsOf(const ::onnx::NodeProto &node);
llvm::SmallVector<::onnx::GraphProto *, 2> subgraphsOf(::onnx::NodeProto &node);

/// Names that the node's subgraphs read from outside, in order of first use.
std::vector<std::string> capturesOf(const ::onnx::NodeProto &node);

/// The attributes of the onnx.Constant that stands for an initializer that is no range of bytes (constraint C4).
llvm::Expected<mlir::DictionaryAttr> constantInitializerValue(const TensorSkeleton &tensor, const Source &source,
                                                              mlir::MLIRContext *context);

/// The module attribute `onnx.model`.
llvm::Expected<mlir::DictionaryAttr> modelAttributeOf(const Source &source, mlir::MLIRContext *context);

/// The opset imports as a dictionary of integers by domain; the standard one is "ai.onnx".
mlir::DictionaryAttr importOpsets(const google::protobuf::RepeatedPtrField<::onnx::OperatorSetIdProto> &imports,
                                  mlir::MLIRContext *context);

/// A path relative to a folder; `path` itself where `folder` is empty, the current one.
std::string relativeTo(llvm::StringRef path, llvm::StringRef folder);

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_GRAPHVIEW_H
