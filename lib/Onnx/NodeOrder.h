//===- NodeOrder.h - nodes of a graph, values before their uses -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_NODEORDER_H
#define QUANTOPT_LIB_ONNX_NODEORDER_H

#include "Source.h"

namespace quantopt {

/// The positions of the nodes in an order in which every value is defined before it is used, also by subgraphs; the
/// nodes' own if it is one. `isGiven` says which values need no node. Nodes on a cycle, and those that need them, are
/// left out.
std::vector<size_t> orderNodes(llvm::ArrayRef<NodeSkeleton> nodes, llvm::function_ref<bool(llvm::StringRef)> isGiven);

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_NODEORDER_H
