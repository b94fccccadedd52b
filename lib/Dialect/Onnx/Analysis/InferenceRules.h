//===- InferenceRules.h - inference rules by operator -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_DIALECT_ONNX_ANALYSIS_INFERENCERULES_H
#define QUANTOPT_LIB_DIALECT_ONNX_ANALYSIS_INFERENCERULES_H

#include "quantopt/Dialect/Onnx/Analysis/Inference.h"
#include "quantopt/Dialect/Onnx/IR/Axis.h"

namespace quantopt::onnx {

/// Fills the facts of a node's outputs, of which there may be fewer or more than the operator defines.
using InferenceRule = void (*)(Inference &, const NodeFacts &, llvm::MutableArrayRef<Fact>);

/// The rule of an operator, null for one that has none.
InferenceRule findInferenceRule(llvm::StringRef domain, llvm::StringRef type);
InferenceRule findMicrosoftRule(llvm::StringRef type);
/// Elementwise functions, normalisations and quantization.
InferenceRule findElementwiseRule(llvm::StringRef type);
/// Views and what counts elements: Reshape, Transpose, Shape, Range, ...
InferenceRule findShapeRule(llvm::StringRef type);
/// Concat, Gather, Slice, Split, Pad, ...
InferenceRule findSelectionRule(llvm::StringRef type);
/// Products of matrices, reductions, attention.
InferenceRule findContractionRule(llvm::StringRef type);

//===----------------------------------------------------------------------------===//
// What rules are written with
//===----------------------------------------------------------------------------===//

/// Input `i`; an empty fact where it is omitted.
const Fact &inputOf(const NodeFacts &node, unsigned i);
std::optional<int64_t> intOf(const NodeFacts &node, llvm::StringRef name);
int64_t intOf(const NodeFacts &node, llvm::StringRef name, int64_t absent);
/// Integers that an attribute states or, in later opset versions, input `i`. Nothing when they are not known.
std::optional<llvm::SmallVector<int64_t>> intsOf(const NodeFacts &node, llvm::StringRef name, unsigned i);
/// The same, whose values may depend on the sizes of inputs.
std::optional<SymbolicDims> dimsOf(const NodeFacts &node, llvm::StringRef name, unsigned i);
/// Whether neither the attribute nor the input is given.
bool isAbsent(const NodeFacts &node, llvm::StringRef name, unsigned i);
/// The size that ONNX broadcasts both to.
SymbolicDim broadcastSizes(Inference &inference, SymbolicDim a, SymbolicDim b);
/// The shape that ONNX broadcasts both to; nothing when one is unknown.
std::optional<SymbolicDims> broadcast(Inference &inference, const std::optional<SymbolicDims> &a,
                                      const std::optional<SymbolicDims> &b);

/// The first output is like the first input.
void inferSame(Inference &inference, const NodeFacts &node, llvm::MutableArrayRef<Fact> outputs);
/// numpy.matmul, with the transpositions of Gemm and FusedMatMul.
void inferMatMul(Inference &inference, const NodeFacts &node, llvm::MutableArrayRef<Fact> outputs);

} // namespace quantopt::onnx

#endif // QUANTOPT_LIB_DIALECT_ONNX_ANALYSIS_INFERENCERULES_H
