//===- WeightExpressions.h - what the graph makes of its parameters -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_ONNXTOLLM_WEIGHTEXPRESSIONS_H
#define QUANTOPT_CONVERSION_ONNXTOLLM_WEIGHTEXPRESSIONS_H

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/ArrayRef.h"

namespace quantopt {

/// Turns what nodes compute from parameters alone (Transpose, Cast, Reshape, DequantizeLinear, ...) into weight
/// expressions. Null where one cannot state it exactly; what has been created by then is dead.
class WeightExpressions {
public:
  /// New ops are created at the rewriter's insertion point, for the node at `location`.
  WeightExpressions(mlir::RewriterBase &rewriter, mlir::Location location) : rewriter(rewriter), location(location) {}

  /// The tensor that `value` is, of whatever type; with `transposed` the matrix whose transpose it is.
  mlir::Value build(mlir::Value value, bool transposed = false);
  /// A floating-point matrix, or null.
  mlir::Value buildMatrix(mlir::Value value, bool transposed = false);
  /// A floating-point vector of `size` elements, stored with any number of dimensions of size 1 before it, or null.
  mlir::Value buildVector(mlir::Value value, int64_t size);

  mlir::Value transpose(mlir::Value weight);
  /// Null when the numbers of elements differ.
  mlir::Value reshape(mlir::Value weight, llvm::ArrayRef<int64_t> shape);
  /// Times one number, which the graph has as f32.
  mlir::Value multiply(mlir::Value weight, float factor);
  /// Codes of `bits` bits [rows, columns] out of bytes (ui8) of any shape: each row has whole blocks of
  /// `codesPerBlock`. Null when the number of bytes does not fit.
  mlir::Value unpack(mlir::Value bytes, llvm::ArrayRef<int64_t> shape, int64_t bits, int64_t codesPerBlock,
                     bool isUnsigned);
  /// Codes [out, in] with scales and, unless null, zero points [out, groups].
  mlir::Value dequantize(mlir::Value codes, mlir::Value scale, mlir::Value zero, int64_t groupSize,
                         mlir::Type elementType);

private:
  mlir::Value buildConstant(mlir::Operation *constant);
  mlir::Value buildCast(mlir::Operation *cast, bool transposed);
  mlir::Value buildOffset(mlir::Operation *sum, bool transposed);
  mlir::Value buildDequantized(mlir::Operation *dequantize, bool transposed);

  mlir::RewriterBase &rewriter;
  mlir::Location location;
  int depth = 0;
};

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_ONNXTOLLM_WEIGHTEXPRESSIONS_H
