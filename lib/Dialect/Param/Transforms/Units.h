//===- Units.h - derived parameters, cut into chunks -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_DIALECT_PARAM_TRANSFORMS_UNITS_H
#define QUANTOPT_LIB_DIALECT_PARAM_TRANSFORMS_UNITS_H

#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"

namespace quantopt::param {

/// Rows [begin, begin + count) of a derived parameter, or all of it.
struct Chunk {
  bool isWhole;
  int64_t begin, count;
  EvaluationCost cost;
};

/// A derived parameter, cut so that each chunk fits into a thread's share of the working memory (where rows allow it).
struct Unit {
  DerivedOp derived;
  llvm::SmallVector<mlir::Value> values;
  llvm::SmallVector<Chunk> chunks;

  uint64_t bytesRead() const;
  uint64_t bytesWritten() const;
  /// Of one chunk.
  uint64_t peakBytes() const;
};

/// The number that `options.threads` stands for.
unsigned resolveThreads(const MaterializeOptions &options);

/// The units of a module in its order; fails, and reports it, where a body is not a weight expression.
mlir::FailureOr<std::vector<Unit>> makeUnits(mlir::ModuleOp module, const WeightEvaluator &evaluator,
                                             const MaterializeOptions &options);

} // namespace quantopt::param

#endif // QUANTOPT_LIB_DIALECT_PARAM_TRANSFORMS_UNITS_H
