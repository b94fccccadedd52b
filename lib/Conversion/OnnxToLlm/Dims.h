//===- Dims.h - which sizes are equal whenever the graph runs -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_ONNXTOLLM_DIMS_H
#define QUANTOPT_LIB_CONVERSION_ONNXTOLLM_DIMS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"

namespace quantopt {

/// A size of a tensor: a number, the size that an argument of the graph calls by a name, or else the size of some value
/// (or element of a vector) behind which dataflow cannot look. Equal ones are equal whenever the graph runs.
struct Dim {
  int64_t size = mlir::ShapedType::kDynamic;
  mlir::StringAttr name;
  mlir::Value value;
  int64_t index = 0;

  bool isNumber() const { return !mlir::ShapedType::isDynamic(size); }
  bool operator==(const Dim &other) const {
    return size == other.size && name == other.name && value == other.value && index == other.index;
  }
};

/// The size of dimension `dim` of `value`, a tensor of known rank.
Dim dimOf(mlir::Value value, int64_t dim);
/// Whether both values have the same shape whenever the graph runs. Dataflow must show it: equal `?` prove nothing.
bool haveSameShape(mlir::Value a, mlir::Value b);

/// What a Transpose states; nothing for another node, and where the numbers are no permutation.
std::optional<llvm::ArrayRef<int64_t>> statedPermutation(mlir::Operation *op);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_ONNXTOLLM_DIMS_H
