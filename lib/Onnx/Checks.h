//===- Checks.h - what import refuses before it reads on ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_CHECKS_H
#define QUANTOPT_LIB_ONNX_CHECKS_H

#include "Source.h"
#include "quantopt/Onnx/Limits.h"

namespace quantopt {

/// Numbers of records in the file.
llvm::Error checkCounts(const Source &source, const ImportLimits &limits);

/// A name that is too long or not UTF-8. `what` says whose name it is.
llvm::Error checkName(llvm::StringRef name, llvm::StringRef what, const ImportLimits &limits);

/// Checks the names, attributes and subgraphs of nodes, and counts them: one for all nodes of a model.
class NodeChecker {
public:
  explicit NodeChecker(const ImportLimits &limits) : limits(limits) {}
  /// Errors do not name the node.
  llvm::Error check(const ::onnx::NodeProto &node) { return check(node, 0); }

private:
  llvm::Error check(const ::onnx::NodeProto &node, unsigned depth);
  llvm::Error check(const ::onnx::GraphProto &graph, unsigned depth);

  const ImportLimits &limits;
  uint64_t nodes = 0;
};

/// Functions that are defined twice, that call themselves, directly or through others, that call each other too deep,
/// or whose bodies are too large with all calls replaced.
llvm::Error checkFunctions(llvm::ArrayRef<::onnx::FunctionProto> functions, const ImportLimits &limits);

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_CHECKS_H
