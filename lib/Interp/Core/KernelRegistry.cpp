//===- KernelRegistry.cpp - what computes an op -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/KernelRegistry.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

using namespace quantopt;
using namespace quantopt::interp;

const KernelEntry *KernelRegistry::lookup(mlir::Operation *op) const {
  auto node = llvm::dyn_cast<onnx::NodeOpInterface>(op);
  const llvm::StringMap<KernelEntry> &table = node ? nodes : ops;
  auto found = node ? table.find(node.getQualifiedType()) : table.find(op->getName().getStringRef());
  return found == table.end() ? nullptr : &found->second;
}
