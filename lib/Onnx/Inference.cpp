//===- Inference.cpp - facts, and the dispatch of inference -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Inference.h"
#include "InferenceRules.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/APSInt.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;

/// Tensors with more elements than this are not shapes.
static constexpr int64_t maxTrackedElements = 64;

Type Fact::toType(MLIRContext *context) const {
  Type element = elementType ? elementType : Type(quantopt::onnx::UnknownType::get(context));
  if (!shape)
    return UnrankedTensorType::get(element);
  SmallVector<int64_t> sizes;
  for (Dim dim : *shape)
    sizes.push_back(dim.isConstant() && dim.get() >= 0 ? dim.get() : ShapedType::kDynamic);
  return RankedTensorType::get(sizes, element);
}

Dim Inference::named(StringRef name) {
  auto [entry, isNew] = names.try_emplace(name);
  if (isNew)
    entry->second = newSymbol();
  return entry->second;
}

/// Exact integer arithmetic on constants; nothing when it is undefined or overflows.
static std::optional<int64_t> evaluate(char op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
  case '+':
    return AddOverflow(a, b, result) ? std::nullopt : std::optional(result);
  case '-':
    return SubOverflow(a, b, result) ? std::nullopt : std::optional(result);
  case '*':
    return MulOverflow(a, b, result) ? std::nullopt : std::optional(result);
  case '/': // exact division only: ONNX truncates, Python's floor-division idiom differs for negatives
    return b <= 0 || a % b != 0 ? std::nullopt : std::optional(a / b);
  default:
    return std::nullopt;
  }
}

Dim Inference::combine(char op, Dim a, Dim b) {
  if (a.isConstant() && b.isConstant())
    if (std::optional<int64_t> value = evaluate(op, a.get(), b.get()))
      return Dim::constant(*value);
  if ((op == '+' || op == '-') && b.is(0))
    return a;
  if (op == '+' && a.is(0))
    return b;
  if ((op == '*' || op == '/') && b.is(1))
    return a;
  if (op == '*' && a.is(1))
    return b;
  if ((op == '+' || op == '*') && b < a)
    std::swap(a, b);
  auto text = [](Dim dim) { return (dim.isConstant() ? "" : "$") + std::to_string(dim.get()); };
  // A name that no dimension of a graph can have.
  return named((Twine('\0') + text(a) + Twine(op) + text(b)).str());
}

Fact Inference::declare(Type type, ArrayAttr dims) {
  Fact fact;
  auto tensor = dyn_cast_or_null<TensorType>(type);
  if (!tensor)
    return fact;
  fact.elementType = tensor.getElementType();
  if (!tensor.hasRank())
    return fact;
  fact.shape.emplace();
  for (auto [i, size] : llvm::enumerate(tensor.getShape())) {
    auto name = dims ? dyn_cast<StringAttr>(dims[i]) : StringAttr();
    if (!ShapedType::isDynamic(size))
      fact.shape->push_back(Dim::constant(size));
    else
      fact.shape->push_back(name && !name.empty() ? named(name.getValue()) : newSymbol());
  }
  return fact;
}

void Inference::refine(Fact &inferred, const Fact &declared) {
  if (!inferred.elementType)
    inferred.elementType = declared.elementType;
  if (!declared.shape)
    return;
  if (!inferred.shape) {
    inferred.shape = declared.shape;
    return;
  }
  if (inferred.shape->size() != declared.shape->size())
    return;
  for (auto [dim, better] : llvm::zip(*inferred.shape, *declared.shape))
    if (!dim.isConstant() && better.isConstant())
      dim = better;
}

Fact Inference::constant(DenseElementsAttr elements) {
  auto type = cast<RankedTensorType>(elements.getType());
  Fact fact = declare(type, {});
  if (type.getRank() > 1 || type.getNumElements() > maxTrackedElements)
    return fact;
  Dims values;
  if (type.getElementType().isIntOrIndex()) {
    bool isSigned = !type.getElementType().isUnsignedInteger() && !type.getElementType().isInteger(1);
    for (APInt value : elements.getValues<APInt>())
      values.push_back(Dim::constant(isSigned ? value.getSExtValue() : int64_t(value.getZExtValue())));
    fact.elements = std::move(values);
    return fact;
  }
  if (!isa<FloatType>(type.getElementType()))
    return fact;
  for (APFloat value : elements.getValues<APFloat>()) {
    APSInt integer(64, /*isUnsigned=*/false);
    bool isExact = false;
    if (value.convertToInteger(integer, APFloat::rmTowardZero, &isExact) != APFloat::opOK || !isExact)
      return fact;
    values.push_back(Dim::constant(integer.getExtValue()));
  }
  fact.elements = std::move(values);
  return fact;
}

SmallVector<Fact> Inference::infer(const NodeFacts &node) {
  SmallVector<Fact> outputs(node.numOutputs);
  // Rules take it for granted that there is an output; a broken model may have none.
  InferenceRule rule = outputs.empty() ? nullptr : findInferenceRule(node.domain, node.type);
  if (rule)
    rule(*this, node, outputs);
  for (Fact &output : outputs)
    if (output.elements && output.elements->size() > size_t(maxTrackedElements))
      output.elements.reset();
  return outputs;
}
