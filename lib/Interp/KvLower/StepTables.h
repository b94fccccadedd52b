//===- StepTables.h - what a graph computes from positions and masks -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_KVLOWER_STEPTABLES_H
#define QUANTOPT_LIB_INTERP_KVLOWER_STEPTABLES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Support/Tensor.h"

namespace quantopt {

/// Evaluates values of a function that depend on positions, masks and shapes alone.
class StepTables {
public:
  explicit StepTables(mlir::func::FuncOp function) : function(function) {}

  /// The first half of each row of cos or sin, [positions, d/2] f32, for positions 0, 1, ...: `table` is a function of
  /// the position alone, and both halves are equal, or a diagnostic says that they are not.
  mlir::FailureOr<mlir::DenseElementsAttr> makePositionTable(mlir::Value table, int64_t positions);

  /// The window of a mask [B, 1, S, P + S] that is causal and keeps padding on the left from being read: 0 for none,
  /// else the number of tokens that one attends to. `context` bounds what is looked at. A diagnostic says what else the
  /// mask does.
  mlir::FailureOr<int64_t> findWindow(mlir::Value mask, int64_t context);

private:
  mlir::func::FuncOp function;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_INTERP_KVLOWER_STEPTABLES_H
