//===- Inference.cpp - facts, and the dispatch of inference -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Onnx/Analysis/Inference.h"
#include "InferenceRules.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/APSInt.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

/// Tensors with more elements than this are not shapes.
static constexpr int64_t maxTrackedElements = 64;
/// Of larger tensors, elements that are unknown get no names: there is nothing to find out about them.
static constexpr int64_t maxUnknownElements = 8;

Type Fact::toType(MLIRContext *context) const {
  Type element = elementType ? elementType : Type(UnknownType::get(context));
  if (!shape)
    return UnrankedTensorType::get(element);
  SmallVector<int64_t> sizes;
  for (SymbolicDim dim : *shape)
    sizes.push_back(dim.isConstant() && dim.get() >= 0 ? dim.get() : ShapedType::kDynamic);
  return RankedTensorType::get(sizes, element);
}

Fact Inference::declare(Type type, ArrayAttr dimNames) {
  Fact fact;
  auto tensor = dyn_cast_or_null<TensorType>(type);
  if (!tensor)
    return fact;
  fact.elementType = tensor.getElementType();
  if (!tensor.hasRank())
    return fact;
  fact.shape.emplace();
  bool areNamed = dimNames && int64_t(dimNames.size()) == tensor.getRank();
  for (auto [i, size] : llvm::enumerate(tensor.getShape())) {
    auto name = areNamed ? dyn_cast<StringAttr>(dimNames[i]) : StringAttr();
    if (!ShapedType::isDynamic(size))
      fact.shape->push_back(SymbolicDim::constant(size));
    else
      fact.shape->push_back(name && !name.empty() ? dims.named(name.getValue()) : newSize());
  }
  complete(fact);
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
  Fact fact;
  fact.elementType = type.getElementType();
  fact.shape = SymbolicDims(map_range(type.getShape(), SymbolicDim::constant));
  if (type.getNumElements() > maxTrackedElements)
    return fact;
  SymbolicDims values;
  if (type.getElementType().isIntOrIndex()) {
    bool isSigned = !type.getElementType().isUnsignedInteger() && !type.getElementType().isInteger(1);
    for (APInt value : elements.getValues<APInt>())
      values.push_back(SymbolicDim::constant(isSigned ? value.getSExtValue() : int64_t(value.getZExtValue())));
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
    values.push_back(SymbolicDim::constant(integer.getExtValue()));
  }
  fact.elements = std::move(values);
  return fact;
}

/// The number of elements of a shape of constants; nothing for a larger number than `maximum`.
static std::optional<int64_t> countElements(const std::optional<SymbolicDims> &shape, int64_t maximum) {
  int64_t count = 1;
  if (!shape)
    return std::nullopt;
  for (SymbolicDim dim : *shape) {
    if (!dim.isConstant() || dim.get() < 0 || dim.get() > maximum || (count *= dim.get()) > maximum)
      return std::nullopt;
  }
  return count;
}

/// Whether an element is a value of the type, as far as it is known.
static bool fits(SymbolicDim element, Type type) {
  if (!type || !element.isConstant())
    return bool(type);
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer) { // the integers that a float type has without gaps
    auto floating = dyn_cast<FloatType>(type);
    return floating && isIntN(std::min(floating.getFPMantissaWidth() + 1, 63u), element.get());
  }
  if (integer.getWidth() >= 64)
    return true;
  return integer.isUnsigned() || integer.getWidth() == 1 ? isUIntN(integer.getWidth(), element.get())
                                                         : isIntN(integer.getWidth(), element.get());
}

void Inference::complete(Fact &fact) {
  std::optional<int64_t> count = countElements(fact.shape, maxTrackedElements);
  if (fact.elements && (count != int64_t(fact.elements->size()) ||
                        !all_of(*fact.elements, [&](SymbolicDim element) { return fits(element, fact.elementType); })))
    fact.elements.reset();
  auto integer = dyn_cast_or_null<IntegerType>(fact.elementType);
  if (fact.elements || !count || *count > maxUnknownElements || !integer)
    return;
  bool isNonNegative = integer.isUnsigned() || integer.getWidth() == 1;
  fact.elements.emplace();
  for (int64_t i = 0; i < *count; ++i)
    fact.elements->push_back(dims.unknown(isNonNegative));
}

SmallVector<Fact> Inference::infer(const NodeFacts &node) {
  SmallVector<Fact> outputs(node.numOutputs);
  // Rules take it for granted that there is an output; a broken model may have none.
  InferenceRule rule = outputs.empty() ? nullptr : findInferenceRule(node.domain, node.type);
  if (rule)
    rule(*this, node, outputs);
  for (Fact &output : outputs)
    complete(output);
  return outputs;
}
