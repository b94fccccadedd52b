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
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace llvm;
using namespace mlir;
using namespace quantopt;

static Type int64Type(Inference &inference) { return Builder(inference.getContext()).getI64Type(); }

/// A shape tensor: its elements, and that it has one dimension.
static void setElements(Fact &fact, Dims elements) {
  fact.shape = Dims{Dim::constant(elements.size())};
  fact.elements = std::move(elements);
}

/// Dimensions that elements name: constants and symbols as they are, everything negative a new symbol.
static Dims toShape(Inference &inference, const Dims &elements) {
  Dims shape = elements;
  for (Dim &dim : shape)
    if (dim.isConstant() && dim.get() < 0)
      dim = inference.newSymbol();
  return shape;
}

/// A shape of known rank and unknown sizes, if the shape tensor has a known length.
static std::optional<Dims> shapeOfLength(Inference &inference, const Fact &shapeTensor) {
  if (!shapeTensor.shape || shapeTensor.shape->size() != 1 || !shapeTensor.shape->front().isConstant())
    return std::nullopt;
  constexpr int64_t maxRank = 64;
  int64_t rank = shapeTensor.shape->front().get();
  if (rank < 0 || rank > maxRank)
    return std::nullopt;
  Dims shape;
  for (int64_t i = 0; i < rank; ++i)
    shape.push_back(inference.newSymbol());
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
    outputs[0].shape = Dims();
    if (std::optional<int64_t> value = intOf(node, name))
      outputs[0].elements = Dims{Dim::constant(*value)};
  };
  if (node.attributes.contains("value_int"))
    return scalar(builder.getI64Type(), "value_int");
  if (node.attributes.contains("value_float")) {
    outputs[0].elementType = builder.getF32Type();
    outputs[0].shape = Dims();
    return;
  }
  if (auto values = dyn_cast_or_null<DenseI64ArrayAttr>(node.attributes.get("value_ints"))) {
    outputs[0].elementType = builder.getI64Type();
    setElements(outputs[0], Dims(map_range(values.asArrayRef(), Dim::constant)));
    return;
  }
  if (auto values = dyn_cast_or_null<DenseF32ArrayAttr>(node.attributes.get("value_floats"))) {
    outputs[0].elementType = builder.getF32Type();
    outputs[0].shape = Dims{Dim::constant(values.size())};
    return;
  }
  if (auto values = dyn_cast_or_null<ArrayAttr>(node.attributes.get("value_strings"))) {
    outputs[0].elementType = quantopt::onnx::StringType::get(inference.getContext());
    outputs[0].shape = Dims{Dim::constant(values.size())};
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
    setElements(outputs[0], Dims(outputs[0].shape->front().get(), element.elements->front()));
}

static void inferShape(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = int64Type(inference);
  outputs[0].shape = Dims{inference.newSymbol()};
  const std::optional<Dims> &shape = inputOf(node, 0).shape;
  if (!shape)
    return;
  int64_t rank = shape->size();
  auto clamp = [rank](int64_t bound) { return std::clamp<int64_t>(bound < 0 ? bound + rank : bound, 0, rank); };
  int64_t start = clamp(intOf(node, "start", 0)), end = std::max(clamp(intOf(node, "end", rank)), start);
  setElements(outputs[0], Dims(shape->begin() + start, shape->begin() + end));
}

static void inferSize(Inference &inference, const NodeFacts &, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = int64Type(inference);
  outputs[0].shape = Dims();
}

//===----------------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------------===//

/// The size that -1 stands for in a Reshape: what is left of the input's sizes after those that the target has as well.
static Dim sizeOfRest(Inference &inference, Dims input, const Dims &target) {
  int64_t divisor = 1;
  for (Dim dim : target) {
    if (dim.is(-1))
      continue;
    if (auto *same = find(input, dim); same != input.end())
      input.erase(same);
    else if (!dim.isConstant() || dim.get() <= 0 || MulOverflow(divisor, dim.get(), divisor))
      return inference.newSymbol();
  }
  int64_t product = 1;
  SmallVector<Dim> symbols;
  for (Dim dim : input) {
    if (!dim.isConstant())
      symbols.push_back(dim);
    else if (MulOverflow(product, dim.get(), product))
      return inference.newSymbol();
  }
  if (product % divisor != 0)
    return inference.newSymbol();
  Dim rest = Dim::constant(product / divisor);
  for (Dim symbol : symbols)
    rest = inference.combine('*', rest, symbol);
  return rest;
}

static void inferReshape(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0), &target = inputOf(node, 1);
  outputs[0].elementType = input.elementType;
  if (!target.elements) {
    outputs[0].shape = shapeOfLength(inference, target);
    return;
  }
  Dims shape = *target.elements;
  bool zeroCopies = !intOf(node, "allowzero", 0);
  for (auto [i, dim] : enumerate(shape))
    if (dim.is(0) && zeroCopies)
      dim = input.shape && i < input.shape->size() ? (*input.shape)[i] : inference.newSymbol();
  for (Dim &dim : shape)
    if (dim.is(-1))
      dim = input.shape ? sizeOfRest(inference, *input.shape, shape) : inference.newSymbol();
  bool isVector = shape.size() <= 1 && input.elements;
  outputs[0].shape = std::move(shape);
  if (isVector)
    outputs[0].elements = input.elements;
}

static void inferFlatten(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  outputs[0].shape = Dims{inference.newSymbol(), inference.newSymbol()};
  if (!input.shape)
    return;
  int64_t rank = input.shape->size(), axis = intOf(node, "axis", 1);
  axis = axis < 0 ? axis + rank : axis;
  if (axis < 0 || axis > rank)
    return;
  auto product = [&](ArrayRef<Dim> dims) {
    return std::accumulate(dims.begin(), dims.end(), Dim::constant(1),
                           [&](Dim a, Dim b) { return inference.combine('*', a, b); });
  };
  outputs[0].shape =
      Dims{product(ArrayRef(*input.shape).take_front(axis)), product(ArrayRef(*input.shape).drop_front(axis))};
}

static void inferTranspose(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  auto perm = dyn_cast_or_null<DenseI64ArrayAttr>(node.attributes.get("perm"));
  if (!perm) {
    outputs[0].shape = Dims(llvm::reverse(*input.shape));
    return;
  }
  if (size_t(perm.size()) != input.shape->size())
    return;
  Dims shape;
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
  Dims shape;
  const Dim *next = input.shape->begin();
  for (bool inserted : isNew)
    shape.push_back(inserted ? Dim::constant(1) : *next++);
  outputs[0].shape = std::move(shape);
  if (rank == 1)
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
  Dims shape;
  for (auto [dim, dropped] : llvm::zip(*input.shape, isDropped))
    if (!dropped)
      shape.push_back(dim);
  outputs[0].elements = shape.size() <= 1 ? input.elements : std::nullopt;
  outputs[0].shape = std::move(shape);
}

static void inferExpand(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0), &target = inputOf(node, 1);
  outputs[0].elementType = input.elementType;
  std::optional<Dims> shape =
      target.elements ? std::optional(toShape(inference, *target.elements)) : shapeOfLength(inference, target);
  // Every size of the result is the larger one, so an unknown target of a size-1 dimension stays unknown.
  outputs[0].shape = broadcast(inference, input.shape, shape);
}

//===----------------------------------------------------------------------------===//
// Selection and joining
//===----------------------------------------------------------------------------===//

static void inferConcat(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  if (node.inputs.empty() || !all_of(node.inputs, [](const Fact &input) { return bool(input.shape); }))
    return;
  Dims shape = *node.inputs[0].shape;
  std::optional<int64_t> axis = normalizeAxis(intOf(node, "axis", 0), shape.size());
  if (!axis)
    return;
  bool haveElements = shape.size() == 1 && all_of(node.inputs, [](const Fact &input) { return bool(input.elements); });
  Dims elements;
  for (auto [i, input] : enumerate(node.inputs)) {
    if (input.shape->size() != shape.size())
      return;
    if (haveElements)
      elements.append(*input.elements);
    if (i == 0)
      continue;
    for (auto [d, dim] : enumerate(shape)) {
      Dim other = (*input.shape)[d];
      if (int64_t(d) == *axis)
        dim = inference.combine('+', dim, other);
      else if (!dim.isConstant() && other.isConstant())
        dim = other;
    }
  }
  outputs[0].shape = std::move(shape);
  if (haveElements)
    outputs[0].elements = std::move(elements);
}

static void inferGather(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &data = inputOf(node, 0), &indices = inputOf(node, 1);
  outputs[0].elementType = data.elementType;
  if (!data.shape || !indices.shape)
    return;
  std::optional<int64_t> axis = normalizeAxis(intOf(node, "axis", 0), data.shape->size());
  if (!axis)
    return;
  Dims shape(data.shape->begin(), data.shape->begin() + *axis);
  shape.append(*indices.shape);
  shape.append(data.shape->begin() + *axis + 1, data.shape->end());
  outputs[0].shape = std::move(shape);
  if (!data.elements || !indices.elements || data.shape->size() != 1)
    return;
  Dims elements;
  for (Dim index : *indices.elements) {
    std::optional<int64_t> normal =
        index.isConstant() ? normalizeAxis(index.get(), data.elements->size()) : std::nullopt;
    if (!normal)
      return;
    elements.push_back((*data.elements)[*normal]);
  }
  outputs[0].elements = std::move(elements);
}

static void inferGatherElements(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  outputs[0].shape = inputOf(node, 1).shape;
}

static void inferGatherND(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &data = inputOf(node, 0), &indices = inputOf(node, 1);
  outputs[0].elementType = data.elementType;
  if (!data.shape || !indices.shape || indices.shape->empty() || !indices.shape->back().isConstant())
    return;
  int64_t skipped = 0;
  if (AddOverflow(intOf(node, "batch_dims", 0), indices.shape->back().get(), skipped) || skipped < 0 ||
      skipped > int64_t(data.shape->size()))
    return;
  Dims shape(indices.shape->begin(), indices.shape->end() - 1);
  shape.append(data.shape->begin() + skipped, data.shape->end());
  outputs[0].shape = std::move(shape);
}

/// Elements or sizes of x[start:end:step] where all four are known; ONNX clamps as Python does.
static SmallVector<int64_t> slicedIndices(int64_t size, int64_t start, int64_t end, int64_t step) {
  int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;
  auto clamp = [&](int64_t bound) { return std::clamp(bound < 0 ? bound + size : bound, low, high); };
  SmallVector<int64_t> indices;
  end = clamp(end);
  step = std::clamp(step, -size - 1, size + 1); // larger steps select as much and could overflow
  for (int64_t i = clamp(start); step > 0 ? i < end : i > end; i += step)
    indices.push_back(i);
  return indices;
}

static void inferSlice(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  auto starts = intsOf(node, "starts", 1), ends = intsOf(node, "ends", 2);
  auto axes = intsOf(node, "axes", 3), steps = intsOf(node, "steps", 4);
  Dims shape = *input.shape;
  if (isAbsent(node, "axes", 3) && starts) {
    axes.emplace(starts->size());
    std::iota(axes->begin(), axes->end(), 0);
  }
  if (!axes) { // which dimensions are cut is unknown
    for (Dim &dim : shape)
      dim = inference.newSymbol();
    outputs[0].shape = std::move(shape);
    return;
  }
  bool isKnown = starts && ends && starts->size() == axes->size() && ends->size() == axes->size();
  constexpr int64_t maxIndexed = 1 << 20;
  for (auto [i, axis] : enumerate(*axes)) {
    std::optional<int64_t> normal = normalizeAxis(axis, shape.size());
    if (!normal)
      return;
    Dim &dim = shape[*normal];
    int64_t step = steps && i < steps->size() ? (*steps)[i] : 1;
    bool hasStep = steps || isAbsent(node, "steps", 4);
    if (!isKnown || !hasStep || step == 0 || !dim.isConstant() || dim.get() > maxIndexed) {
      dim = inference.newSymbol();
      continue;
    }
    SmallVector<int64_t> indices = slicedIndices(dim.get(), (*starts)[i], (*ends)[i], step);
    dim = Dim::constant(indices.size());
    if (input.elements && shape.size() == 1)
      outputs[0].elements = Dims(map_range(indices, [&](int64_t index) { return (*input.elements)[index]; }));
  }
  outputs[0].shape = std::move(shape);
}

static void inferSplit(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  for (Fact &output : outputs)
    output.elementType = input.elementType;
  if (!input.shape)
    return;
  std::optional<int64_t> axis = normalizeAxis(intOf(node, "axis", 0), input.shape->size());
  if (!axis)
    return;
  auto sizes = intsOf(node, "split", 1);
  Dim whole = (*input.shape)[*axis];
  int64_t count = outputs.size();
  for (auto [i, output] : enumerate(outputs)) {
    output.shape = input.shape;
    Dim &dim = (*output.shape)[*axis];
    if (sizes && i < sizes->size())
      dim = Dim::constant((*sizes)[i]);
    else if (isAbsent(node, "split", 1) && whole.isConstant() && whole.get() % count == 0)
      dim = Dim::constant(whole.get() / count);
    else
      dim = inference.newSymbol();
  }
}

static void inferTile(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0), &repeats = inputOf(node, 1);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  Dims shape = *input.shape;
  for (auto [i, dim] : enumerate(shape))
    dim = repeats.elements && i < repeats.elements->size() ? inference.combine('*', dim, (*repeats.elements)[i])
                                                           : inference.newSymbol();
  outputs[0].shape = std::move(shape);
}

InferenceRule quantopt::findShapeRule(StringRef type) {
  return llvm::StringSwitch<InferenceRule>(type)
      .Case("Concat", inferConcat)
      .Case("Constant", inferConstant)
      .Case("ConstantOfShape", inferConstantOfShape)
      .Case("Expand", inferExpand)
      .Case("Flatten", inferFlatten)
      .Case("Gather", inferGather)
      .Case("GatherElements", inferGatherElements)
      .Case("GatherND", inferGatherND)
      .Case("Reshape", inferReshape)
      .Case("Shape", inferShape)
      .Case("Size", inferSize)
      .Case("Slice", inferSlice)
      .Case("Split", inferSplit)
      .Case("Squeeze", inferSqueeze)
      .Case("Tile", inferTile)
      .Case("Transpose", inferTranspose)
      .Case("Unsqueeze", inferUnsqueeze)
      .Default(nullptr);
}
