//===- EdgeNames.h - names of the values of a graph that is written ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_EDGENAMES_H
#define QUANTOPT_LIB_ONNX_EDGENAMES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

namespace quantopt {

/// Symbols of the parameters that are tensor attributes of nodes, not initializers.
llvm::StringSet<> attributeTensorsOf(mlir::func::FuncOp function);

/// Gives every value of a graph function its ONNX name: the stated one where there is one and no other value has it, a
/// new one elsewhere. A result of the graph gets the name of that result.
class EdgeNames {
public:
  explicit EdgeNames(mlir::func::FuncOp function);

  /// Empty for an omitted value.
  llvm::StringRef of(mlir::Value value) const;

  /// A result of the graph whose value has another name: it needs an Identity node.
  struct Alias {
    mlir::Value value;
    std::string name;
  };
  llvm::ArrayRef<Alias> aliases() const { return aliasList; }

  /// The names of the function's arguments and results: `onnx.name`, or one by position.
  static std::string argumentName(mlir::func::FuncOp function, unsigned i);
  static std::string resultName(mlir::func::FuncOp function, unsigned i);
  /// The ONNX name of a parameter.
  static llvm::StringRef parameterName(mlir::Operation *global);

private:
  void nameArgumentsAndParameters(mlir::func::FuncOp function);
  void nameResults(mlir::func::FuncOp function);
  void nameEdges(mlir::func::FuncOp function);
  std::string unique(llvm::StringRef wanted);

  llvm::DenseMap<mlir::Value, std::string> names;
  llvm::StringSet<> used;
  llvm::SmallVector<Alias, 0> aliasList;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_EDGENAMES_H
