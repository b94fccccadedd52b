//===- StepTables.h - what a graph computes from positions and masks -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_KVLOWER_STEPTABLES_H
#define QUANTOPT_LIB_INTERP_KVLOWER_STEPTABLES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Support/Tensor.h"

namespace quantopt {

/// Evaluates values of a function that depend on positions, masks and shapes alone.
class StepTables {
public:
  explicit StepTables(mlir::func::FuncOp function) : function(function) {}

  /// The first half of each row of cos or sin, [positions, d/2] f32, for positions 0, 1, ...: `table` is a function of
  /// the position alone, and both halves are equal, or a diagnostic says that they are not.
  mlir::FailureOr<mlir::DenseElementsAttr> makePositionTable(mlir::Value table, int64_t positions);

  /// The window of a mask [B, 1, S, P + S] that is causal and keeps padding on the left, or what is behind the tokens
  /// of a buffer, from being read: 0 for none, else the number of tokens that one attends to. A buffer may have more
  /// rows than P + S. `context` bounds what is looked at. A diagnostic says what else the mask does.
  mlir::FailureOr<int64_t> findWindow(mlir::Value mask, int64_t context);

  /// Checks that `index` [B] is how many tokens of each sequence are in the cache, or a diagnostic says that it is not.
  mlir::LogicalResult checkWriteIndex(mlir::Value index);

private:
  /// Whether caches are written at an index of each sequence: these differ in length, and none has padding.
  bool isRagged() { return !function.getOps<llm::KvWriteOp>().empty(); }

  mlir::func::FuncOp function;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_INTERP_KVLOWER_STEPTABLES_H
