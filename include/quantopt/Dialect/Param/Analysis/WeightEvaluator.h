//===- WeightEvaluator.h - weights, computed slice by slice ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_PARAM_ANALYSIS_WEIGHTEVALUATOR_H
#define QUANTOPT_DIALECT_PARAM_ANALYSIS_WEIGHTEVALUATOR_H

#include "mlir/IR/BuiltinOps.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Weights/WeightStore.h"

namespace quantopt::param {

/// The folder that relative paths of param.file start from: that of the file the module was read from or, after an
/// import, will be in (its location); "" is the working folder.
std::string getSourceFolder(mlir::ModuleOp module);

/// What an evaluation costs, an upper bound.
struct EvaluationCost {
  /// Greatest number of bytes held at a time, the result included.
  uint64_t peakBytes = 0;
  /// Bytes read from files.
  uint64_t readBytes = 0;
};

/// Computes slices of weight expressions on demand: a slice of a result asks its operands for the slices it needs, down
/// to param.load, which reads them from files. The algebra is computed in f64 and rounded once, to the element type of
/// the IR, where an expression ends; a parameter has the rounded value, be it stored or derived. Thread-safe. The
/// symbols of the module must stay as they are while an evaluator lives.
class WeightEvaluator {
public:
  WeightEvaluator(mlir::ModuleOp module, WeightStore &store)
      : WeightEvaluator(module, store, getSourceFolder(module)) {}
  /// Relative paths start from `folder`.
  WeightEvaluator(mlir::ModuleOp module, WeightStore &store, std::string folder);

  /// `slice` of a weight expression (isWeightExpression). With `keepF64`, floating-point elements are f64 and nothing
  /// is rounded on the way, derived parameters included. Errors name the tensor, file or op.
  llvm::Expected<Tensor> evaluate(mlir::Value expression, const TensorSlice &slice, bool keepF64 = false) const;
  /// All of it.
  llvm::Expected<Tensor> evaluate(mlir::Value expression, bool keepF64 = false) const;

  /// Rows [begin, begin + count) of several expressions with equally many rows; what they share is computed once.
  llvm::Expected<llvm::SmallVector<Tensor>> evaluateRows(mlir::ValueRange expressions, int64_t begin, int64_t count,
                                                         bool keepF64 = false) const;
  /// All of several expressions of any shapes; what they share is computed once.
  llvm::Expected<llvm::SmallVector<Tensor>> evaluateAll(mlir::ValueRange expressions, bool keepF64 = false) const;

  /// What evaluateRows would cost.
  EvaluationCost costOfRows(mlir::ValueRange expressions, int64_t begin, int64_t count) const;
  /// What evaluateAll would cost.
  EvaluationCost costOfAll(mlir::ValueRange expressions) const;

  /// Rows per chunk such that evaluateRows holds at most `limit` bytes and chunks end at whole bytes of a file, at
  /// least the least such number; nothing where the expressions are to be computed as a whole: they fit, have different
  /// numbers of rows, or rows depend on one another (half of the rows would cost nearly as much as all).
  std::optional<int64_t> chunkRows(mlir::ValueRange expressions, uint64_t limit) const;

  /// Where a stored parameter lies.
  TensorInFile locate(GlobalOp global) const;
  /// The param.global or param.derived of that name.
  mlir::Operation *lookup(mlir::StringAttr name) const { return symbols.lookup(name); }
  WeightStore &getStore() const { return store; }
  /// Where relative paths start.
  llvm::StringRef getFolder() const { return folder; }

private:
  WeightStore &store;
  std::string folder;
  llvm::DenseMap<mlir::StringAttr, mlir::Operation *> symbols;
};

} // namespace quantopt::param

#endif // QUANTOPT_DIALECT_PARAM_ANALYSIS_WEIGHTEVALUATOR_H
