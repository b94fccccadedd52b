//===- InferenceRules.cpp - what inference rules share --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InferenceRules.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

//===----------------------------------------------------------------------------===//
// What rules are written with
//===----------------------------------------------------------------------------===//

const Fact &onnx::inputOf(const NodeFacts &node, unsigned i) {
  static const Fact omitted = [] {
    Fact fact;
    fact.isOmitted = true;
    return fact;
  }();
  return i < node.inputs.size() ? node.inputs[i] : omitted;
}

std::optional<int64_t> onnx::intOf(const NodeFacts &node, StringRef name) {
  auto attr = dyn_cast_or_null<IntegerAttr>(node.attributes.get(name));
  return attr ? std::optional(attr.getInt()) : std::nullopt;
}

int64_t onnx::intOf(const NodeFacts &node, StringRef name, int64_t absent) {
  return intOf(node, name).value_or(absent);
}

std::optional<SmallVector<int64_t>> onnx::intsOf(const NodeFacts &node, StringRef name, unsigned i) {
  if (auto attr = dyn_cast_or_null<DenseI64ArrayAttr>(node.attributes.get(name)))
    return SmallVector<int64_t>(attr.asArrayRef());
  const Fact &input = inputOf(node, i);
  if (!input.elements || !all_of(*input.elements, [](SymbolicDim dim) { return dim.isConstant(); }))
    return std::nullopt;
  return SmallVector<int64_t>(map_range(*input.elements, [](SymbolicDim dim) { return dim.get(); }));
}

std::optional<SymbolicDims> onnx::dimsOf(const NodeFacts &node, StringRef name, unsigned i) {
  if (auto attr = dyn_cast_or_null<DenseI64ArrayAttr>(node.attributes.get(name)))
    return SymbolicDims(map_range(attr.asArrayRef(), SymbolicDim::constant));
  return inputOf(node, i).elements;
}

bool onnx::isAbsent(const NodeFacts &node, StringRef name, unsigned i) {
  return !node.attributes.contains(name) && inputOf(node, i).isOmitted;
}

SymbolicDim onnx::broadcastSizes(Inference &inference, SymbolicDim a, SymbolicDim b) {
  if (a == b || b.is(1))
    return a;
  if (a.is(1))
    return b;
  if (a.isConstant() != b.isConstant()) // the unknown one is 1 or the same
    return a.isConstant() ? a : b;
  // One of them is 1: which, the sizes decide.
  return inference.dims.call("broadcast", {std::min(a, b), std::max(a, b)}, /*isNonNegative=*/true);
}

std::optional<SymbolicDims> onnx::broadcast(Inference &inference, const std::optional<SymbolicDims> &a,
                                            const std::optional<SymbolicDims> &b) {
  if (!a || !b)
    return std::nullopt;
  SymbolicDims result(std::max(a->size(), b->size()));
  for (size_t i = 0; i < result.size(); ++i) {
    // i counts from the last dimension.
    SymbolicDim x = i < a->size() ? (*a)[a->size() - 1 - i] : SymbolicDim::constant(1);
    SymbolicDim y = i < b->size() ? (*b)[b->size() - 1 - i] : SymbolicDim::constant(1);
    result[result.size() - 1 - i] = broadcastSizes(inference, x, y);
  }
  return result;
}

InferenceRule onnx::findInferenceRule(StringRef domain, StringRef type) {
  if (domain == "com.microsoft")
    return findMicrosoftRule(type);
  if (!domain.empty())
    return nullptr;
  for (auto *find : {findElementwiseRule, findShapeRule, findSelectionRule, findContractionRule})
    if (InferenceRule rule = find(type))
      return rule;
  return nullptr;
}
