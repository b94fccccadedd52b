//===- NodeName.h - the node of the imported graph that an op stands for ---*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_SUPPORT_NODENAME_H
#define QUANTOPT_DIALECT_SUPPORT_NODENAME_H

#include "mlir/IR/Location.h"
#include "mlir/IR/Operation.h"

namespace quantopt {

/// The name of the node that `op` was made from; empty if its location has none.
inline llvm::StringRef getNodeName(mlir::Operation *op) {
  auto name = op->getLoc()->findInstanceOf<mlir::NameLoc>();
  return name ? name.getName().getValue() : llvm::StringRef();
}

/// What diagnostics begin with: `(node "/model/layers.0/Add") `, or nothing. A location made of a name alone prints as
/// unknown, so the message has to carry it.
inline std::string nodePrefix(mlir::Operation *op) {
  llvm::StringRef name = getNodeName(op);
  return name.empty() ? std::string() : ("(node \"" + name + "\") ").str();
}

} // namespace quantopt

#endif // QUANTOPT_DIALECT_SUPPORT_NODENAME_H
