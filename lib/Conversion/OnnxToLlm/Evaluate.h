//===- Evaluate.h - what the graph fixes about small tensors ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_ONNXTOLLM_EVALUATE_H
#define QUANTOPT_CONVERSION_ONNXTOLLM_EVALUATE_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

namespace quantopt {

/// The elements of a small tensor, row-major; one that depends on the input is nothing. Integers up to 2^53 are exact;
/// INT64_MAX, which stands for "to the end", stays large.
using Elements = llvm::SmallVector<std::optional<double>, 5>;

/// What is known of a scalar or a vector of at most 64 elements without running the graph: exporters compute sizes,
/// slice bounds and scales by chains of Constant, Shape, Gather, Concat, Where and arithmetic. Nothing when even the
/// number of elements is unknown.
std::optional<Elements> evaluate(mlir::Value value);
/// The one element of `value`, when it is known.
std::optional<double> evaluateScalar(mlir::Value value);
/// An element as an integer; what 64 bits do not hold becomes the largest or smallest integer.
int64_t toInteger(double element);
/// All elements of `value`, when they are known.
std::optional<llvm::SmallVector<int64_t>> evaluateIntegers(mlir::Value value);

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_ONNXTOLLM_EVALUATE_H
