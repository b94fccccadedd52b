//===- Layout.cpp - what moves elements and computes nothing ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Layout.h"
#include "Dims.h"
#include "Evaluate.h"
#include "mlir/IR/TypeUtilities.h"
#include "quantopt/Dialect/Onnx/IR/Axis.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// Of elements.
constexpr int64_t maxTraced = 4096;
constexpr int maxTraceDepth = 48;

static RankedTensorType typeOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

std::optional<int64_t> Layout::count(RankedTensorType type) const {
  if (!type || type.getRank() < lead + trail)
    return std::nullopt;
  int64_t count = 1;
  for (int64_t size : type.getShape().drop_front(lead).drop_back(trail)) {
    if (ShapedType::isDynamic(size) || size == 0 || size > maxTraced)
      return std::nullopt;
    count *= size;
    if (count > maxTraced)
      return std::nullopt;
  }
  return count;
}

bool Layout::isTraced(int64_t axis, RankedTensorType type) const {
  return axis >= lead && axis < type.getRank() - trail;
}

std::optional<int64_t> Layout::tracedAxis(int64_t axis, RankedTensorType type) const {
  std::optional<int64_t> dim = type ? onnx::normalizeAxis(axis, type.getRank()) : std::nullopt;
  return dim && isTraced(*dim, type) ? dim : std::nullopt;
}

/// Sizes that only the run tells may be those of the input: only what is known to differ is not.
bool Layout::keepsOuterDims(Value from, Value to) const {
  RankedTensorType input = typeOf(from), result = typeOf(to);
  auto keeps = [&](int64_t i, int64_t j) {
    int64_t size = input.getDimSize(i), kept = result.getDimSize(j);
    return size == kept || (ShapedType::isDynamic(size) && ShapedType::isDynamic(kept)) ||
           dimOf(from, i) == dimOf(to, j);
  };
  for (int64_t i = 0; i < lead; ++i)
    if (!keeps(i, i))
      return false;
  for (int64_t i = 1; i <= trail; ++i)
    if (!keeps(input.getRank() - i, result.getRank() - i))
      return false;
  return true;
}

/// The elements at `indices` of one traced dimension of `input`.
ElementMap Layout::pick(Value input, int64_t axis, ArrayRef<int64_t> indices) {
  RankedTensorType type = typeOf(input);
  ElementMap whole = of(input);
  if (whole.empty())
    return {};
  int64_t size = type.getDimSize(axis), inner = 1;
  for (int64_t i = axis + 1; i < type.getRank() - trail; ++i)
    inner *= type.getDimSize(i);
  ElementMap picked;
  for (int64_t outer = 0, e = whole.size() / (size * inner); outer < e; ++outer)
    for (int64_t index : indices) {
      if (index < 0 || index >= size)
        return {};
      auto begin = whole.begin() + (outer * size + index) * inner;
      picked.append(begin, begin + inner);
    }
  return picked;
}

/// Slice along one traced dimension.
ElementMap Layout::ofSlice(NodeOpInterface node) {
  RankedTensorType type = typeOf(node->getOperand(0));
  auto scalar = [&](unsigned i) {
    Value input = node.getNodeInput(i);
    return input ? evaluateScalar(input) : std::nullopt;
  };
  std::optional<double> start = scalar(1), end = scalar(2), axis = scalar(3);
  std::optional<double> step = node.getNodeInput(4) ? scalar(4) : 1.0;
  if (!type || !start || !end || !axis || !step || *step < 1)
    return {};
  std::optional<int64_t> dim = tracedAxis(toInteger(*axis), type);
  if (!dim)
    return {};
  double size = type.getDimSize(*dim);
  auto fromStart = [&](double i) { return int64_t(std::clamp(i < 0 ? i + size : i, 0.0, size)); };
  SmallVector<int64_t> indices;
  int64_t stride = std::clamp(*step, 1.0, std::max(size, 1.0));
  for (int64_t i = fromStart(*start), e = fromStart(*end); i < e; i += stride)
    indices.push_back(i);
  return pick(node->getOperand(0), *dim, indices);
}

ElementMap Layout::ofSplit(NodeOpInterface node, unsigned result) {
  RankedTensorType type = typeOf(node->getOperand(0));
  std::optional<int64_t> axis = tracedAxis(node.getInt("axis", 0), type);
  if (!axis)
    return {};
  int64_t offset = 0;
  for (unsigned i = 0; i < result; ++i) {
    RankedTensorType part = typeOf(node->getResult(i));
    if (!part || part.isDynamicDim(*axis) || llvm::AddOverflow(offset, part.getDimSize(*axis), offset))
      return {};
  }
  int64_t size = typeOf(node->getResult(result)).getDimSize(*axis);
  if (offset > maxTraced)
    return {};
  return pick(node->getOperand(0), *axis, llvm::to_vector(llvm::seq(offset, offset + size)));
}

ElementMap Layout::ofConcat(NodeOpInterface node) {
  RankedTensorType type = typeOf(node->getResult(0));
  std::optional<int64_t> stated = node.getInt("axis"), axis = stated ? tracedAxis(*stated, type) : std::nullopt;
  if (!axis)
    return {};
  SmallVector<ElementMap> parts;
  int64_t outer = 1;
  for (int64_t size : type.getShape().slice(lead, *axis - lead))
    outer *= size;
  for (Value operand : node->getOperands()) {
    parts.push_back(of(operand));
    if (parts.back().empty() || !keepsOuterDims(operand, node->getResult(0)))
      return {};
  }
  ElementMap joined;
  for (int64_t i = 0; i < outer; ++i)
    for (const ElementMap &part : parts) {
      int64_t length = part.size() / outer;
      joined.append(part.begin() + i * length, part.begin() + (i + 1) * length);
    }
  return joined;
}

ElementMap Layout::ofGather(NodeOpInterface node) {
  RankedTensorType type = typeOf(node->getOperand(0)), indexType = typeOf(node->getOperand(1));
  std::optional<SmallVector<int64_t>> indices = evaluateIntegers(node->getOperand(1));
  std::optional<int64_t> axis = tracedAxis(node.getInt("axis", 0), type);
  if (!axis || type.isDynamicDim(*axis) || !indexType || !indices || indexType.getRank() > 1)
    return {};
  for (int64_t &index : *indices)
    index = index < 0 ? index + type.getDimSize(*axis) : index;
  return pick(node->getOperand(0), *axis, *indices);
}

/// Expand and Tile of traced dimensions; the others stay as they are.
ElementMap Layout::ofExpand(NodeOpInterface node) {
  Value input = node->getOperand(0), result = node->getResult(0);
  RankedTensorType from = typeOf(input), to = typeOf(result);
  bool isTile = node.getOpType() == "Tile";
  if (!from || from.getRank() != to.getRank())
    return {};
  std::optional<SmallVector<int64_t>> repeats;
  if (isTile && !(repeats = evaluateIntegers(node->getOperand(1))))
    return {};
  ElementMap map = of(input);
  if (map.empty())
    return {};
  int64_t inner = 1;
  for (int64_t i = to.getRank() - 1; i >= 0; --i) {
    if (!isTraced(i, to)) {
      // An Expand that stretches a dimension starts from size 1.
      if (isTile ? (*repeats)[i] != 1 : from.getDimSize(i) == 1 && to.getDimSize(i) != 1)
        return {};
      continue;
    }
    int64_t size = from.getDimSize(i), copies = to.getDimSize(i) / size;
    ElementMap repeated;
    for (size_t block = 0; copies != 1 && block < map.size(); block += size * inner)
      for (int64_t copy = 0; copy < copies; ++copy)
        repeated.append(map.begin() + block, map.begin() + block + size * inner);
    if (copies != 1)
      map = std::move(repeated);
    inner *= to.getDimSize(i);
  }
  return map;
}

/// A permutation of the traced dimensions.
ElementMap Layout::ofTranspose(NodeOpInterface node) {
  Value input = node->getOperand(0);
  RankedTensorType from = typeOf(input), to = typeOf(node->getResult(0));
  auto permutation = statedPermutation(node);
  if (!from || !permutation)
    return {};
  for (auto [i, source] : llvm::enumerate(*permutation))
    if (!isTraced(i, to) && source != int64_t(i))
      return {};
  ElementMap map = of(input), permuted;
  if (map.empty())
    return {};
  SmallVector<int64_t> strides(from.getRank(), 0), position(to.getRank(), 0);
  for (int64_t i = from.getRank() - trail - 1, stride = 1; i >= lead; stride *= from.getDimSize(i--))
    strides[i] = stride;
  for (size_t n = 0; n < map.size(); ++n) {
    int64_t offset = 0;
    for (int64_t i = lead; i < to.getRank() - trail; ++i)
      offset += position[i] * strides[(*permutation)[i]];
    permuted.push_back(map[offset]);
    for (int64_t i = to.getRank() - trail - 1; i >= lead && ++position[i] == to.getDimSize(i); --i)
      position[i] = 0;
  }
  return permuted;
}

/// Any change of the traced dimensions that keeps their number of elements and the other dimensions.
ElementMap Layout::ofReshape(NodeOpInterface node) {
  Value input = node->getOperand(0);
  if (!count(typeOf(input)) || count(typeOf(input)) != count(typeOf(node->getResult(0))) ||
      !keepsOuterDims(input, node->getResult(0)))
    return {};
  return of(input);
}

ElementMap Layout::compute(Value value) {
  auto node = value.getDefiningOp<NodeOpInterface>();
  if (!node || !node.getDomain().empty() || depth > maxTraceDepth || node->getNumOperands() == 0)
    return {};
  StringRef type = node.getOpType();
  if (type == "Split")
    return ofSplit(node, cast<OpResult>(value).getResultNumber());
  if (node->getNumResults() != 1)
    return {};
  if (type == "Slice")
    return ofSlice(node);
  if (type == "Concat")
    return ofConcat(node);
  if (type == "Gather")
    return ofGather(node);
  if (type == "Expand" || type == "Tile")
    return ofExpand(node);
  if (type == "Transpose")
    return ofTranspose(node);
  if (type == "Reshape" || type == "Unsqueeze" || type == "Squeeze")
    return ofReshape(node);
  if (type != "Neg")
    return {};
  ElementMap map = of(node->getOperand(0));
  for (Element &element : map)
    element.isNegative = !element.isNegative;
  return map;
}

ElementMap Layout::of(Value value) {
  auto known = maps.find(value);
  if (known != maps.end())
    return known->second;
  std::optional<int64_t> elements = count(typeOf(value));
  if (!elements)
    return {};
  maps.insert({value, {}}); // callers come before what they look at
  ++depth;
  ElementMap map = compute(value);
  --depth;
  if (int64_t(map.size()) != *elements) {
    map.clear();
    for (int64_t i = 0; i < *elements; ++i)
      map.push_back({value, i, false});
  }
  maps[value] = map;
  return map;
}

Value quantopt::behindRepeatedHeads(Value value, int64_t heads) {
  Layout layout(/*lead=*/1, /*trail=*/2);
  ElementMap map = layout.of(value);
  RankedTensorType type = typeOf(value);
  if (!type || type.getRank() != 4 || int64_t(map.size()) != heads)
    return value;
  Value best = value;
  for (const auto &entry : layout.visited()) {
    Value candidate = entry.first;
    const ElementMap &own = entry.second;
    RankedTensorType candidateType = typeOf(candidate);
    int64_t count = own.size();
    if (candidateType.getRank() != 4 || count == 0 || heads % count || count >= typeOf(best).getDimSize(1) ||
        candidateType.getDimSize(1) != count)
      continue;
    bool servesInARow =
        llvm::all_of(llvm::seq<int64_t>(heads), [&](int64_t h) { return map[h] == own[h / (heads / count)]; });
    if (servesInARow)
      best = candidate;
  }
  return best;
}
