//===- Nodes.h - nodes that recognisers make ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_ONNXTOLLM_NODES_H
#define QUANTOPT_LIB_CONVERSION_ONNXTOLLM_NODES_H

#include "mlir/IR/PatternMatch.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

namespace quantopt {

/// Makes the nodes that compute what an operator leaves implicit: masks, positions, rows of tables. They stand in front
/// of the operator that is recognised, the root. A node that stands there already is used again, so that layers share
/// theirs. Only operators and forms of operators that mean the same in every opset from 11 on are made.
class Nodes {
public:
  Nodes(mlir::RewriterBase &rewriter, mlir::Operation *root) : rewriter(rewriter), root(root) {}

  /// A node with one result of that element type and shape.
  mlir::Value node(llvm::StringRef qualifiedType, mlir::Type elementType, llvm::ArrayRef<int64_t> shape,
                   mlir::ValueRange inputs, llvm::ArrayRef<mlir::NamedAttribute> attributes = {});

  /// Initializers: a vector of i64, a scalar of floats or integers.
  mlir::Value ints(llvm::ArrayRef<int64_t> values);
  mlir::Value scalar(mlir::Type elementType, double value);
  mlir::Value scalar(int64_t value) { return scalar(rewriter.getI64Type(), value); }

  /// The size of dimension `dim` of `value`, a scalar of i64. It is read where layers share it: from the token ids
  /// rather than from the layer's own input, from the first argument that has a dimension of that name.
  mlir::Value sizeOf(mlir::Value value, int64_t dim);

  /// Operators that broadcast, as Add or Greater; comparisons and logic give booleans.
  mlir::Value binary(llvm::StringRef type, mlir::Value a, mlir::Value b);
  mlir::Value where(mlir::Value condition, mlir::Value yes, mlir::Value no);
  mlir::Value negate(mlir::Value condition); // Not
  mlir::Value castTo(mlir::Value value, mlir::Type elementType);
  /// 0, 1, ..., size - 1 in i64, for a scalar `size`.
  mlir::Value range(mlir::Value size);
  /// `value` with shape `target` as Reshape states it (0 keeps, -1 is the rest).
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> target);
  /// Rows `indices` of a matrix.
  mlir::Value gatherRows(mlir::Value table, mlir::Value indices);
  /// Elements [begin, end) of the last dimension.
  mlir::Value sliceLast(mlir::Value value, int64_t begin, int64_t end);
  /// `value` twice, along a dimension.
  mlir::Value twice(mlir::Value value, int64_t dim);
  /// `count` (a scalar) times `fill` behind the last dimension.
  mlir::Value padLast(mlir::Value value, mlir::Value count, mlir::Value fill);
  /// The greater of two scalars of i64.
  mlir::Value max(mlir::Value a, mlir::Value b) { return where(binary("Greater", a, b), a, b); }

private:
  mlir::Value initializer(mlir::DenseElementsAttr value);

  mlir::RewriterBase &rewriter;
  mlir::Operation *root;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_ONNXTOLLM_NODES_H
