//===- InferenceRules.h - inference rules by operator -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_INFERENCERULES_H
#define QUANTOPT_LIB_ONNX_INFERENCERULES_H

#include "Inference.h"

namespace quantopt {

/// Fills the facts of a node's outputs, of which there may be fewer or more than the operator defines.
using InferenceRule = void (*)(Inference &, const NodeFacts &, llvm::MutableArrayRef<Fact>);

/// The rule of an operator, null for one that has none.
InferenceRule findInferenceRule(llvm::StringRef domain, llvm::StringRef type);

//===----------------------------------------------------------------------------===//
// What rules are written with
//===----------------------------------------------------------------------------===//

/// Input `i`; an empty fact where it is omitted.
const Fact &inputOf(const NodeFacts &node, unsigned i);
std::optional<int64_t> intOf(const NodeFacts &node, llvm::StringRef name);
int64_t intOf(const NodeFacts &node, llvm::StringRef name, int64_t absent);
/// Integers that an attribute states or, in later opset versions, input `i`. Nothing when they are not known.
std::optional<llvm::SmallVector<int64_t>> intsOf(const NodeFacts &node, llvm::StringRef name, unsigned i);
/// Whether neither the attribute nor the input is given.
bool isAbsent(const NodeFacts &node, llvm::StringRef name, unsigned i);
/// An axis counted from 0; nothing when it is outside of `rank`.
std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank);
/// The shape that ONNX broadcasts both to; a new symbol where it depends on unknown sizes.
std::optional<Dims> broadcast(Inference &inference, const std::optional<Dims> &a, const std::optional<Dims> &b);

/// Rules that move or count elements: Reshape, Transpose, Concat, Gather, Shape, ... Null for other operators.
InferenceRule findShapeRule(llvm::StringRef type);

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_INFERENCERULES_H
