//===- Functions.h - calls of model-local functions as the nodes of their bodies --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_FUNCTIONS_H
#define QUANTOPT_LIB_ONNX_FUNCTIONS_H

#include "Source.h"
#include "mlir/IR/MLIRContext.h"
#include "quantopt/Onnx/Limits.h"
#include <map>

namespace quantopt {

/// Whether calls of a function are not replaced because its operator is known without a body: to the onnx dialect, to
/// the interpreter or to recognition.
bool isKnownOperator(llvm::StringRef domain, llvm::StringRef type, mlir::MLIRContext *context);

/// The opset of a node that has another than its model, since it stood in a function of that opset; 0 for any other
/// node. Inlining notes it in the node's metadata.
int64_t statedOpset(const ::onnx::NodeProto &node);

/// What stands for the nodes of a graph when calls of model-local functions, in subgraphs and in functions too, are
/// replaced by bodies: attributes bound, values renamed. The same file gives the same nodes and names each time.
class InlinedFunctions {
public:
  /// Errors: a node or function that cannot be read, functions that call themselves, more bodies than the limits allow.
  /// Costs nothing for a model without functions.
  static llvm::Expected<InlinedFunctions> of(const Source &source, mlir::MLIRContext *context,
                                             const ImportLimits &limits);

  /// The nodes for node `index` of the graph; null where it stays as it is.
  const std::vector<::onnx::NodeProto> *find(size_t index) const {
    auto found = replacements.find(index);
    return found == replacements.end() ? nullptr : &found->second;
  }
  /// Calls that stay, each with the reason, by the node of the graph that they are in.
  llvm::ArrayRef<std::pair<size_t, std::string>> refusals() const { return refused; }

  /// The functions that nodes still call, or functions that these call.
  llvm::ArrayRef<::onnx::FunctionProto> calledFunctions() const { return called; }

private:
  friend class FunctionInliner;
  std::map<size_t, std::vector<::onnx::NodeProto>> replacements;
  std::vector<std::pair<size_t, std::string>> refused;
  std::vector<::onnx::FunctionProto> called;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_FUNCTIONS_H
