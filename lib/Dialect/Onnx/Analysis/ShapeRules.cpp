//===- ShapeRules.cpp - inference rules of operators that move elements -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InferenceRules.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

static Type int64Type(Inference &inference) { return Builder(inference.getContext()).getI64Type(); }

/// A shape tensor: its elements, and that it has one dimension.
static void setElements(Fact &fact, SymbolicDims elements) {
  fact.shape = SymbolicDims{SymbolicDim::constant(elements.size())};
  fact.elements = std::move(elements);
}

/// Dimensions that elements name; what may be negative is an unknown size.
static SymbolicDims toShape(Inference &inference, const SymbolicDims &elements) {
  SymbolicDims shape = elements;
  for (SymbolicDim &dim : shape)
    if (!dim.isNonNegative())
      dim = inference.newSize();
  return shape;
}

/// A shape of known rank and unknown sizes, if the shape tensor has a known length.
static std::optional<SymbolicDims> shapeOfLength(Inference &inference, const Fact &shapeTensor) {
  if (!shapeTensor.shape || shapeTensor.shape->size() != 1 || !shapeTensor.shape->front().isConstant())
    return std::nullopt;
  constexpr int64_t maxRank = 64;
  int64_t rank = shapeTensor.shape->front().get();
  if (rank < 0 || rank > maxRank)
    return std::nullopt;
  SymbolicDims shape;
  for (int64_t i = 0; i < rank; ++i)
    shape.push_back(inference.newSize());
  return shape;
}

//===----------------------------------------------------------------------------===//
// Constants and sizes
//===----------------------------------------------------------------------------===//

static void inferConstant(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  if (auto value = dyn_cast_or_null<DenseElementsAttr>(node.attributes.get("value"))) {
    outputs[0] = inference.constant(value);
    return;
  }
  Builder builder(inference.getContext());
  auto scalar = [&](Type type, StringRef name) {
    outputs[0].elementType = type;
    outputs[0].shape = SymbolicDims();
    if (std::optional<int64_t> value = intOf(node, name))
      outputs[0].elements = SymbolicDims{SymbolicDim::constant(*value)};
  };
  if (node.attributes.contains("value_int"))
    return scalar(builder.getI64Type(), "value_int");
  if (node.attributes.contains("value_float")) {
    outputs[0].elementType = builder.getF32Type();
    outputs[0].shape = SymbolicDims();
    return;
  }
  if (auto values = dyn_cast_or_null<DenseI64ArrayAttr>(node.attributes.get("value_ints"))) {
    outputs[0].elementType = builder.getI64Type();
    setElements(outputs[0], SymbolicDims(map_range(values.asArrayRef(), SymbolicDim::constant)));
    return;
  }
  if (auto values = dyn_cast_or_null<DenseF32ArrayAttr>(node.attributes.get("value_floats"))) {
    outputs[0].elementType = builder.getF32Type();
    outputs[0].shape = SymbolicDims{SymbolicDim::constant(values.size())};
    return;
  }
  if (auto values = dyn_cast_or_null<ArrayAttr>(node.attributes.get("value_strings"))) {
    outputs[0].elementType = StringType::get(inference.getContext());
    outputs[0].shape = SymbolicDims{SymbolicDim::constant(values.size())};
  }
}

static void inferConstantOfShape(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  auto value = dyn_cast_or_null<DenseElementsAttr>(node.attributes.get("value"));
  outputs[0].elementType = value ? value.getElementType() : Type(Builder(inference.getContext()).getF32Type());
  const Fact &input = inputOf(node, 0);
  if (!input.elements) {
    outputs[0].shape = shapeOfLength(inference, input);
    return;
  }
  outputs[0].shape = toShape(inference, *input.elements);
  Fact element = value ? inference.constant(value) : Fact();
  constexpr int64_t maxElements = 64;
  if (outputs[0].shape->size() == 1 && outputs[0].shape->front().isConstant() && element.elements &&
      element.elements->size() == 1 && outputs[0].shape->front().get() <= maxElements)
    setElements(outputs[0], SymbolicDims(outputs[0].shape->front().get(), element.elements->front()));
}

static void inferShape(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = int64Type(inference);
  outputs[0].shape = SymbolicDims{inference.newSize()};
  const std::optional<SymbolicDims> &shape = inputOf(node, 0).shape;
  if (!shape)
    return;
  int64_t rank = shape->size();
  auto clamp = [rank](int64_t bound) { return std::clamp<int64_t>(bound < 0 ? bound + rank : bound, 0, rank); };
  int64_t start = clamp(intOf(node, "start", 0)), end = std::max(clamp(intOf(node, "end", rank)), start);
  setElements(outputs[0], SymbolicDims(shape->begin() + start, shape->begin() + end));
}

static void inferSize(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = int64Type(inference);
  outputs[0].shape = SymbolicDims();
  if (const std::optional<SymbolicDims> &shape = inputOf(node, 0).shape)
    outputs[0].elements = SymbolicDims{inference.dims.product(*shape)};
}

/// Coordinates of the elements that are not 0: how many depends on values.
static void inferNonZero(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = int64Type(inference);
  if (const std::optional<SymbolicDims> &shape = inputOf(node, 0).shape)
    outputs[0].shape = SymbolicDims{SymbolicDim::constant(shape->size()), inference.newSize()};
}

/// max(0, ⌈(limit − start) / delta⌉) elements.
static void inferRange(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &start = inputOf(node, 0), &limit = inputOf(node, 1), &delta = inputOf(node, 2);
  outputs[0].elementType = start.elementType;
  outputs[0].shape = SymbolicDims{inference.newSize()};
  for (const Fact *fact : {&start, &limit, &delta})
    if (!fact->elements || fact->elements->size() != 1)
      return;
  DimContext &dims = inference.dims;
  SymbolicDim first = start.elements->front(), step = delta.elements->front();
  SymbolicDim span = dims.subtract(limit.elements->front(), first);
  if (!step.isConstant() || step.get() <= 0) {
    outputs[0].shape = SymbolicDims{dims.call("range", {span, step}, /*isNonNegative=*/true)};
    return;
  }
  SymbolicDim size = dims.divide(dims.add(dims.maximum(span, {}), SymbolicDim::constant(step.get() - 1)), step);
  outputs[0].shape = SymbolicDims{size};
  constexpr int64_t maxElements = 64;
  if (!size.isConstant() || size.get() > maxElements)
    return;
  outputs[0].elements.emplace();
  for (int64_t i = 0; i < size.get(); ++i)
    outputs[0].elements->push_back(dims.add(first, dims.multiply(SymbolicDim::constant(i), step)));
}

//===----------------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------------===//

/// The size that -1 stands for in a Reshape: the number of elements over that of the other dimensions.
static SymbolicDim sizeOfRest(Inference &inference, const SymbolicDims &input, const SymbolicDims &target,
                              size_t rest) {
  DimContext &dims = inference.dims;
  SymbolicDims numerator = input, divisors;
  // What both have is left out first: it need not be multiplied out, and may be anything.
  for (auto [i, dim] : enumerate(target)) {
    if (i == rest)
      continue;
    if (auto *same = find(numerator, dim); same != numerator.end())
      numerator.erase(same);
    else
      divisors.push_back(dim);
  }
  SymbolicDim size = dims.product(numerator), divisor = dims.product(divisors);
  if (std::optional<SymbolicDim> quotient = dims.divideExactly(size, divisor); quotient && quotient->isNonNegative())
    return *quotient;
  if (size.isConstant() && divisor.isConstant()) // does not fit
    return inference.newSize();
  return dims.call("div", {size, divisor}, /*isNonNegative=*/true);
}

/// An element of 0 copies a dimension, -1 is the rest. An element that depends on sizes is taken for neither: a model
/// that relies on a size of 0 being replaced by another one would compute something else for empty inputs.
static void inferReshape(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0), &target = inputOf(node, 1);
  outputs[0].elementType = input.elementType;
  outputs[0].elements = input.elements;
  if (!target.elements) {
    outputs[0].shape = shapeOfLength(inference, target);
    return;
  }
  SymbolicDims shape = *target.elements;
  bool zeroCopies = !intOf(node, "allowzero", 0);
  std::optional<size_t> rest;
  unsigned unknowns = 0;
  for (auto [i, dim] : enumerate(shape)) {
    if (dim.is(0) && zeroCopies)
      dim = input.shape && i < input.shape->size() ? (*input.shape)[i] : inference.newSize();
    if (dim.isNonNegative())
      continue;
    rest = i;
    ++unknowns;
  }
  for (SymbolicDim &dim : shape)
    if (!dim.isNonNegative()) // one dimension follows from the others, also if the graph computes it
      dim = unknowns == 1 && input.shape ? sizeOfRest(inference, *input.shape, shape, *rest) : inference.newSize();
  outputs[0].shape = std::move(shape);
}

static void inferFlatten(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  outputs[0].shape = SymbolicDims{inference.newSize(), inference.newSize()};
  if (!input.shape)
    return;
  int64_t rank = input.shape->size(), axis = intOf(node, "axis", 1);
  axis = axis < 0 ? axis + rank : axis;
  if (axis < 0 || axis > rank)
    return;
  ArrayRef<SymbolicDim> shape = *input.shape;
  outputs[0].shape =
      SymbolicDims{inference.dims.product(shape.take_front(axis)), inference.dims.product(shape.drop_front(axis))};
  outputs[0].elements = input.elements;
}

static void inferTranspose(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  if (input.shape->size() <= 1)
    outputs[0].elements = input.elements;
  auto perm = dyn_cast_or_null<DenseI64ArrayAttr>(node.attributes.get("perm"));
  if (!perm) {
    outputs[0].shape = SymbolicDims(llvm::reverse(*input.shape));
    return;
  }
  if (size_t(perm.size()) != input.shape->size())
    return;
  SymbolicDims shape;
  for (int64_t axis : perm.asArrayRef()) {
    std::optional<int64_t> normal = normalizeAxis(axis, input.shape->size());
    if (!normal)
      return;
    shape.push_back((*input.shape)[*normal]);
  }
  outputs[0].shape = std::move(shape);
}

static void inferUnsqueeze(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  auto axes = intsOf(node, "axes", 1);
  if (!input.shape || !axes)
    return;
  int64_t rank = input.shape->size() + axes->size();
  SmallVector<bool> isNew(rank, false);
  for (int64_t axis : *axes) {
    std::optional<int64_t> normal = normalizeAxis(axis, rank);
    if (!normal || isNew[*normal])
      return;
    isNew[*normal] = true;
  }
  SymbolicDims shape;
  const SymbolicDim *next = input.shape->begin();
  for (bool inserted : isNew)
    shape.push_back(inserted ? SymbolicDim::constant(1) : *next++);
  outputs[0].shape = std::move(shape);
  outputs[0].elements = input.elements;
}

static void inferSqueeze(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  int64_t rank = input.shape->size();
  SmallVector<bool> isDropped(rank, false);
  if (isAbsent(node, "axes", 1)) {
    // Without axes every dimension of size 1 goes; a symbol may or may not be one.
    for (auto [dim, dropped] : llvm::zip(*input.shape, isDropped)) {
      if (!dim.isConstant())
        return;
      dropped = dim.is(1);
    }
  } else {
    auto axes = intsOf(node, "axes", 1);
    if (!axes)
      return;
    for (int64_t axis : *axes) {
      std::optional<int64_t> normal = normalizeAxis(axis, rank);
      if (!normal)
        return;
      isDropped[*normal] = true;
    }
  }
  SymbolicDims shape;
  for (auto [dim, dropped] : llvm::zip(*input.shape, isDropped))
    if (!dropped)
      shape.push_back(dim);
  outputs[0].elements = input.elements;
  outputs[0].shape = std::move(shape);
}

static void inferExpand(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0), &target = inputOf(node, 1);
  outputs[0].elementType = input.elementType;
  std::optional<SymbolicDims> shape =
      target.elements ? std::optional(toShape(inference, *target.elements)) : shapeOfLength(inference, target);
  // Every size of the result is the larger one, so an unknown target of a size-1 dimension stays unknown.
  outputs[0].shape = broadcast(inference, input.shape, shape);
  bool isStatic = outputs[0].shape && outputs[0].shape->size() == 1 && outputs[0].shape->front().isConstant();
  constexpr int64_t maxElements = 64;
  if (!isStatic || !input.elements || outputs[0].shape->front().get() > maxElements)
    return;
  int64_t count = outputs[0].shape->front().get();
  outputs[0].elements = input.elements->size() == 1 ? SymbolicDims(count, input.elements->front()) : *input.elements;
}

InferenceRule onnx::findShapeRule(StringRef type) {
  return llvm::StringSwitch<InferenceRule>(type)
      .Case("Constant", inferConstant)
      .Case("ConstantOfShape", inferConstantOfShape)
      .Case("Expand", inferExpand)
      .Case("Flatten", inferFlatten)
      .Case("NonZero", inferNonZero)
      .Case("Range", inferRange)
      .Case("Reshape", inferReshape)
      .Case("Shape", inferShape)
      .Case("Size", inferSize)
      .Case("Squeeze", inferSqueeze)
      .Case("Transpose", inferTranspose)
      .Case("Unsqueeze", inferUnsqueeze)
      .Default(nullptr);
}
