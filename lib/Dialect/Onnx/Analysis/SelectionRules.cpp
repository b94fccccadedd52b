//===- SelectionRules.cpp - inference rules of selection and joining ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InferenceRules.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

static void inferConcat(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  if (node.inputs.empty() || !all_of(node.inputs, [](const Fact &input) { return bool(input.shape); }))
    return;
  SymbolicDims shape = *node.inputs[0].shape;
  std::optional<int64_t> axis = normalizeAxis(intOf(node, "axis", 0), shape.size());
  if (!axis)
    return;
  bool haveElements = shape.size() == 1 && all_of(node.inputs, [](const Fact &input) { return bool(input.elements); });
  SymbolicDims elements;
  for (auto [i, input] : enumerate(node.inputs)) {
    if (input.shape->size() != shape.size())
      return;
    if (haveElements)
      elements.append(*input.elements);
    if (i == 0)
      continue;
    for (auto [d, dim] : enumerate(shape)) {
      SymbolicDim other = (*input.shape)[d];
      if (int64_t(d) == *axis)
        dim = inference.dims.add(dim, other);
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
  SymbolicDims shape(data.shape->begin(), data.shape->begin() + *axis);
  shape.append(*indices.shape);
  shape.append(data.shape->begin() + *axis + 1, data.shape->end());
  outputs[0].shape = std::move(shape);
  if (!data.elements || !indices.elements || data.shape->size() != 1)
    return;
  SymbolicDims elements;
  for (SymbolicDim index : *indices.elements) {
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
  SymbolicDims shape(indices.shape->begin(), indices.shape->end() - 1);
  shape.append(data.shape->begin() + skipped, data.shape->end());
  outputs[0].shape = std::move(shape);
}

//===----------------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------------===//

/// Indices of x[start:end:step] where all four are known; ONNX clamps as Python does.
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

/// A bound of a slice with positive step, counted from the start and clamped; nothing when its sign is unknown.
static std::optional<SymbolicDim> clampBound(DimContext &dims, SymbolicDim size, SymbolicDim bound) {
  constexpr int64_t toTheEnd = std::numeric_limits<int32_t>::max(); // no dimension is larger
  if (bound.isConstant() && bound.get() >= toTheEnd)
    return size;
  if (bound.isNonNegative())
    return dims.minimum(bound, size);
  if (!dims.isLess(bound, {}).value_or(false))
    return std::nullopt;
  return bound.isConstant() && bound.get() < -toTheEnd ? SymbolicDim() : dims.maximum(dims.add(size, bound), {});
}

/// The size of one sliced dimension.
static SymbolicDim slicedSize(Inference &inference, SymbolicDim size, SymbolicDim start, SymbolicDim end,
                              int64_t step) {
  constexpr int64_t maxIndexed = 1 << 20;
  if (size.isConstant() && start.isConstant() && end.isConstant() && size.get() <= maxIndexed)
    return SymbolicDim::constant(slicedIndices(size.get(), start.get(), end.get(), step).size());
  DimContext &dims = inference.dims;
  std::optional<SymbolicDim> from = clampBound(dims, size, start), to = clampBound(dims, size, end);
  if (step != 1 || !from || !to)
    return dims.call("slice", {size, start, end, SymbolicDim::constant(step)}, /*isNonNegative=*/true);
  return dims.maximum(dims.subtract(*to, *from), {});
}

static void inferSlice(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  auto starts = dimsOf(node, "starts", 1), ends = dimsOf(node, "ends", 2);
  auto axes = intsOf(node, "axes", 3), steps = intsOf(node, "steps", 4);
  SymbolicDims shape = *input.shape;
  if (isAbsent(node, "axes", 3) && starts)
    axes = llvm::to_vector(seq<int64_t>(starts->size()));
  if (!axes) { // which dimensions are cut is unknown
    for (SymbolicDim &dim : shape)
      dim = inference.newSize();
    outputs[0].shape = std::move(shape);
    return;
  }
  bool haveBounds = starts && ends && starts->size() == axes->size() && ends->size() == axes->size();
  bool haveSteps = steps || isAbsent(node, "steps", 4);
  for (auto [i, axis] : enumerate(*axes)) {
    std::optional<int64_t> normal = normalizeAxis(axis, shape.size());
    if (!normal)
      return;
    SymbolicDim &dim = shape[*normal];
    int64_t step = steps && i < steps->size() ? (*steps)[i] : 1;
    if (!haveBounds || !haveSteps || step == 0) {
      dim = inference.newSize();
      continue;
    }
    SymbolicDim start = (*starts)[i], end = (*ends)[i], whole = dim;
    dim = slicedSize(inference, whole, start, end, step);
    if (input.elements && shape.size() == 1 && start.isConstant() && end.isConstant() && axes->size() == 1)
      outputs[0].elements = SymbolicDims(map_range(slicedIndices(input.elements->size(), start.get(), end.get(), step),
                                                   [&](int64_t index) { return (*input.elements)[index]; }));
  }
  outputs[0].shape = std::move(shape);
}

//===----------------------------------------------------------------------------===//
// Split, Tile, Pad and others
//===----------------------------------------------------------------------------===//

/// Sizes are given, or equal; the last part is smaller where they do not divide (opset 18).
static SymbolicDim sizeOfPart(Inference &inference, const NodeFacts &node, SymbolicDim whole, int64_t i,
                              int64_t count) {
  if (!isAbsent(node, "split", 1)) {
    auto sizes = dimsOf(node, "split", 1);
    return sizes && i < int64_t(sizes->size()) && (*sizes)[i].isNonNegative() ? (*sizes)[i] : inference.newSize();
  }
  DimContext &dims = inference.dims;
  SymbolicDim parts = SymbolicDim::constant(count);
  if (std::optional<SymbolicDim> size = dims.divideExactly(whole, parts))
    return *size;
  SymbolicDim size = dims.divide(dims.add(whole, SymbolicDim::constant(count - 1)), parts);
  if (i + 1 < count)
    return size;
  return dims.maximum(dims.subtract(whole, dims.multiply(size, SymbolicDim::constant(count - 1))), {});
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
  int64_t begin = 0;
  for (auto [i, output] : enumerate(outputs)) {
    output.shape = input.shape;
    SymbolicDim &size = (*output.shape)[*axis];
    size = sizeOfPart(inference, node, size, i, outputs.size());
    bool isKnown = input.elements && output.shape->size() == 1 && size.isConstant() && begin >= 0;
    if (!isKnown || size.get() > int64_t(input.elements->size()) - begin) {
      begin = -1;
      continue;
    }
    output.elements = SymbolicDims(ArrayRef(*input.elements).slice(begin, size.get()));
    begin += size.get();
  }
}

static void inferTile(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0), &repeats = inputOf(node, 1);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  SymbolicDims shape = *input.shape;
  for (auto [i, dim] : enumerate(shape)) {
    bool isKnown = repeats.elements && i < repeats.elements->size() && (*repeats.elements)[i].isNonNegative();
    dim = isKnown ? inference.dims.multiply(dim, (*repeats.elements)[i]) : inference.newSize();
  }
  outputs[0].shape = std::move(shape);
}

/// Begins of all padded axes, then their ends; `axes` came with opset 18.
static void inferPad(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  SymbolicDims shape = *input.shape;
  auto pads = dimsOf(node, "pads", 1);
  auto axes = intsOf(node, "axes", 3);
  if (isAbsent(node, "axes", 3))
    axes = llvm::to_vector(seq<int64_t>(shape.size()));
  bool isKnown = pads && axes && pads->size() == 2 * axes->size();
  if (!isKnown)
    for (SymbolicDim &dim : shape)
      dim = inference.newSize();
  for (size_t i = 0; isKnown && i < axes->size(); ++i) {
    std::optional<int64_t> normal = normalizeAxis((*axes)[i], shape.size());
    if (!normal)
      return;
    SymbolicDim &dim = shape[*normal];
    dim = inference.dims.add(dim, inference.dims.add((*pads)[i], (*pads)[axes->size() + i]));
    if (!dim.isNonNegative())
      dim = inference.newSize();
  }
  outputs[0].shape = std::move(shape);
}

/// The k largest along an axis, and where they were; k is an attribute before opset 10.
static void inferTopK(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (outputs.size() > 1)
    outputs[1].elementType = Builder(inference.getContext()).getI64Type();
  if (!input.shape)
    return;
  std::optional<int64_t> axis = normalizeAxis(intOf(node, "axis", -1), input.shape->size());
  if (!axis)
    return;
  SymbolicDim size = inference.newSize();
  if (std::optional<int64_t> stated = intOf(node, "k"))
    size = SymbolicDim::constant(*stated);
  else if (const Fact &k = inputOf(node, 1);
           k.elements && k.elements->size() == 1 && k.elements->front().isNonNegative())
    size = k.elements->front();
  for (Fact &output : outputs) {
    output.shape = input.shape;
    (*output.shape)[*axis] = size;
  }
}

/// A dimension of the given depth, inserted at the axis.
static void inferOneHot(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &indices = inputOf(node, 0), &depth = inputOf(node, 1);
  outputs[0].elementType = inputOf(node, 2).elementType;
  if (!indices.shape)
    return;
  std::optional<int64_t> axis = normalizeAxis(intOf(node, "axis", -1), indices.shape->size() + 1);
  if (!axis)
    return;
  bool isKnown = depth.elements && depth.elements->size() == 1 && depth.elements->front().isNonNegative();
  outputs[0].shape = indices.shape;
  outputs[0].shape->insert(outputs[0].shape->begin() + *axis, isKnown ? depth.elements->front() : inference.newSize());
}

InferenceRule onnx::findSelectionRule(StringRef type) {
  return llvm::StringSwitch<InferenceRule>(type)
      .Case("Concat", inferConcat)
      .Case("Gather", inferGather)
      .Case("GatherElements", inferGatherElements)
      .Case("GatherND", inferGatherND)
      .Case("OneHot", inferOneHot)
      .Case("Pad", inferPad)
      .Case("Slice", inferSlice)
      .Case("Split", inferSplit)
      .Case("Tile", inferTile)
      .Case("TopK", inferTopK)
      .Default(nullptr);
}
