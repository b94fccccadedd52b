//===- WeightReader.h - weights read in pieces, the last used ones kept -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_WEIGHTREADER_H
#define QUANTOPT_INTERP_WEIGHTREADER_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Value.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/Error.h"
#include <list>

namespace quantopt::param {
class WeightEvaluator;
} // namespace quantopt::param

namespace quantopt::interp {

/// Evaluates weight expressions for kernels. Weights that were asked for as a whole are kept, least recently used ones
/// dropped first, while they fit `cacheBytes`; rows are read each time.
class WeightReader {
public:
  /// Without an evaluator, every weight is an error. With `keepF64` floats come as f64, unrounded, and nothing is kept.
  WeightReader(const param::WeightEvaluator *evaluator, bool keepF64, uint64_t cacheBytes)
      : evaluator(evaluator), keepF64(keepF64), cacheBytes(keepF64 ? 0 : cacheBytes) {}

  /// Rows [begin, end) of expressions with equally many rows. What they share is computed once.
  llvm::Expected<llvm::SmallVector<Tensor>> rows(llvm::ArrayRef<mlir::Value> expressions, int64_t begin, int64_t end);
  /// All of an expression.
  llvm::Expected<Tensor> whole(mlir::Value expression);

  /// All of a parameter by name, in f64.
  llvm::Expected<Tensor> parameter(mlir::FlatSymbolRefAttr name) const;
  /// All of a param.global by name, as it is stored.
  llvm::Expected<Tensor> stored(mlir::FlatSymbolRefAttr name) const;

  /// How many rows to ask for at a time: all of them where the expressions are kept, few enough to be small elsewhere.
  int64_t rowsPerPiece(llvm::ArrayRef<mlir::Value> expressions) const;

private:
  struct Entry {
    mlir::Value expression;
    Tensor tensor;
  };
  llvm::Expected<llvm::SmallVector<Tensor>> evaluate(llvm::ArrayRef<mlir::Value> expressions, int64_t begin,
                                                     int64_t end);
  llvm::Error fill(llvm::ArrayRef<mlir::Value> expressions);
  bool keeps(llvm::ArrayRef<mlir::Value> expressions) const;
  Tensor *find(mlir::Value expression);
  void keep(mlir::Value expression, Tensor tensor);

  const param::WeightEvaluator *evaluator;
  bool keepF64;
  uint64_t cacheBytes, usedBytes = 0;
  /// Most recently used first.
  std::list<Entry> entries;
  llvm::DenseMap<mlir::Value, std::list<Entry>::iterator> index;
};

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_WEIGHTREADER_H
