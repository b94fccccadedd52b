//===- Slices.h - slices of the values of weight expressions ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_DIALECT_PARAM_ANALYSIS_SLICES_H
#define QUANTOPT_LIB_DIALECT_PARAM_ANALYSIS_SLICES_H

#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Support/TensorType.h"

namespace quantopt::param {

inline TensorSlice wholeOf(mlir::Value value) { return TensorSlice::whole(typeOf(value).getShape()); }
inline llvm::SmallVector<TensorSlice> rowsOf(mlir::ValueRange values, int64_t begin, int64_t count) {
  return llvm::map_to_vector(
      values, [&](mlir::Value value) { return TensorSlice::rows(typeOf(value).getShape(), begin, count); });
}
inline DType dtypeOf(mlir::Value value) { return *getDType(typeOf(value).getElementType()); }

/// Counts how often an evaluation of `value` asks for each op: results that are asked for again are worth keeping.
inline void countUses(mlir::Value value, llvm::DenseMap<mlir::Operation *, unsigned> &uses) {
  mlir::Operation *op = value.getDefiningOp();
  if (++uses[op] > 1)
    return;
  for (mlir::Value operand : op->getOperands())
    countUses(operand, uses);
}

/// What an op computes when `slice` of one of its results is wanted. Further results (scales, zero points) share the
/// rows of the first where they have as many.
struct OpSlices {
  llvm::SmallVector<TensorSlice> operands, results;

  OpSlices(mlir::OpResult wanted, const TensorSlice &slice) {
    auto op = llvm::cast<WeightOpInterface>(wanted.getOwner());
    mlir::Value first = op->getResult(0);
    TensorSlice computed = slice;
    if (wanted != first) {
      computed = wholeOf(first);
      if (shareRows(first, wanted)) {
        computed.offsets[0] = slice.offsets[0];
        computed.sizes[0] = slice.sizes[0];
      }
    }
    operands = op.getOperandSlices(computed);
    for (mlir::Value result : op->getResults()) {
      results.push_back(result == first ? computed : wholeOf(result));
      if (result != first && shareRows(first, result)) {
        results.back().offsets[0] = computed.offsets[0];
        results.back().sizes[0] = computed.sizes[0];
      }
    }
  }

private:
  static bool shareRows(mlir::Value a, mlir::Value b) {
    return typeOf(a).getRank() && typeOf(b).getRank() && typeOf(a).getDimSize(0) == typeOf(b).getDimSize(0);
  }
};

} // namespace quantopt::param

#endif // QUANTOPT_LIB_DIALECT_PARAM_ANALYSIS_SLICES_H
