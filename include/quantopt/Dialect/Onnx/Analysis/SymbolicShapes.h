//===- SymbolicShapes.h - shapes and small integer tensors of a function ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_ANALYSIS_SYMBOLICSHAPES_H
#define QUANTOPT_DIALECT_ONNX_ANALYSIS_SYMBOLICSHAPES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"
#include "quantopt/Dialect/Onnx/Analysis/Inference.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>

namespace quantopt::onnx {

/// What the sizes of a function's values are in terms of those of its arguments, and what the elements of small integer
/// tensors are that are computed from sizes: [batch, past + seq, 576] reshaped to [Shape(x)[0], -1, 9, 64] has the
/// dimensions batch, past + seq, 9, 64. Dimensions that arguments name alike are equal, as ONNX says; a name is one
/// symbol, whatever is written in it.
///
/// Computed on demand and kept, so it may be asked while the function is being rewritten. Of ops that are not nodes it
/// knows what their types say. Give it to the rewriter as its listener, so that it forgets what is erased.
class SymbolicShapes : public mlir::RewriterBase::Listener {
public:
  explicit SymbolicShapes(mlir::func::FuncOp function) : inference(function.getContext()) {}

  /// The dimensions of a tensor; nothing when not even its rank is known. What is referred to lives as long as the
  /// value.
  std::optional<llvm::ArrayRef<SymbolicDim>> shapeOf(mlir::Value value);
  /// The elements of a small tensor (row-major, at most 64) of integers, or of floats that are integers. Nothing when
  /// one of them is no such number or they are too many; elements that depend on data are unknowns.
  std::optional<llvm::ArrayRef<SymbolicDim>> valuesOf(mlir::Value value);
  /// All elements, when all are constants.
  std::optional<llvm::SmallVector<int64_t>> constantsOf(mlir::Value value);
  /// What is known of a tensor's type.
  mlir::Type typeOf(mlir::Value value);
  /// Whether both have the same shape for all sizes of the arguments for which the function can be run.
  bool haveEqualShape(mlir::Value a, mlir::Value b);
  /// Whether both dimensions are the same size; negative ones count from the end.
  bool haveEqualDim(mlir::Value a, int64_t dimOfA, mlir::Value b, int64_t dimOfB);

  /// Arithmetic on dimensions.
  DimContext &dims() { return inference.dims; }
  /// The shape for a message: "[batch, past + seq, 576]".
  std::string print(mlir::Value value);

  void notifyOperationErased(mlir::Operation *op) override;

private:
  const Fact &factOf(mlir::Value value);
  /// Infers the results of an op whose operands' facts are known.
  void inferResults(mlir::Operation *op);
  /// Adds static sizes of the type.
  void refine(Fact &fact, mlir::Type type);
  Fact inferArgument(mlir::BlockArgument argument);

  Inference inference;
  llvm::DenseMap<mlir::Value, std::unique_ptr<Fact>> facts;
};

} // namespace quantopt::onnx

#endif // QUANTOPT_DIALECT_ONNX_ANALYSIS_SYMBOLICSHAPES_H
