//===- Subgraph.h - the graphs inside of nodes --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_ONNX_SUBGRAPH_H
#define QUANTOPT_ONNX_SUBGRAPH_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/Support/Error.h"

namespace quantopt {

/// Whether an attribute of a node is a graph.
bool isSubgraph(mlir::Attribute attribute);

/// The graph that attribute `name` of a node (If, Loop, Scan) holds, as function @main of a module of its own. Its
/// arguments are the graph's inputs and after them the values that the node captures. Types are those that the graph
/// declares, without dimensions; results keep these as `onnx.dims`. The module has the `onnx.model` of the node's.
/// Errors: no such graph; a value that is used before it is defined, or defined twice.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> importSubgraph(onnx::NodeOpInterface node, llvm::StringRef name);

} // namespace quantopt

#endif // QUANTOPT_ONNX_SUBGRAPH_H
