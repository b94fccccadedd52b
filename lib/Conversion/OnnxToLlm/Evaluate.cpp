//===- Evaluate.cpp - what the graph fixes about small tensors ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "mlir/IR/TypeUtilities.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

namespace {
constexpr int maxDepth = 32;
constexpr int64_t maxElements = 64;
using Known = std::optional<double>;
using Result = std::optional<Elements>;

/// What a walk through the nodes before a value has seen: how far it is from that value, and what it found at which
/// distance. Nodes that read a value twice would double the work at each of them.
struct Walk {
  int depth;
  llvm::DenseMap<Value, std::pair<int, Result>> &seen;
};

Result evaluateAt(Value value, Walk walk);

Result fromConstant(DenseElementsAttr constant) {
  if (constant.getNumElements() > maxElements)
    return std::nullopt;
  Elements elements;
  if (isa<FloatType>(constant.getElementType())) {
    for (const APFloat &element : constant.getValues<APFloat>()) {
      APFloat wide = element;
      bool losesInfo;
      wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
      elements.push_back(wide.convertToDouble());
    }
    return elements;
  }
  auto type = dyn_cast<IntegerType>(constant.getElementType());
  if (!type)
    return std::nullopt;
  for (const APInt &element : constant.getValues<APInt>())
    elements.push_back(type.getWidth() == 1 || type.isUnsigned() ? element.getZExtValue()
                                                                 : double(element.getSExtValue()));
  return elements;
}

/// Shape with its optional start and end.
Result ofShape(NodeOpInterface node) {
  auto type = dyn_cast<RankedTensorType>(node->getOperand(0).getType());
  if (!type)
    return std::nullopt;
  int64_t rank = type.getRank();
  auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  Elements elements;
  for (int64_t i = clamp(node.getInt("start", 0)), end = clamp(node.getInt("end", rank)); i < end; ++i)
    elements.push_back(type.isDynamicDim(i) ? Known() : Known(type.getDimSize(i)));
  return elements;
}

bool isVector(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == 1;
}

/// A scalar or vector picked from a vector.
Result ofGather(NodeOpInterface node, Walk walk) {
  Result data = evaluateAt(node->getOperand(0), walk), indices = evaluateAt(node->getOperand(1), walk);
  if (!data || !indices || !isVector(node->getOperand(0)))
    return std::nullopt;
  Elements elements;
  for (Known index : *indices) {
    if (!index)
      return std::nullopt;
    int64_t i = toInteger(*index < 0 ? *index + data->size() : *index);
    if (i < 0 || i >= int64_t(data->size()))
      return std::nullopt;
    elements.push_back((*data)[i]);
  }
  return elements;
}

Result ofConcat(NodeOpInterface node, Walk walk) {
  if (!isVector(node->getResult(0)))
    return std::nullopt;
  Elements elements;
  for (Value operand : node->getOperands()) {
    Result part = evaluateAt(operand, walk);
    if (!part)
      return std::nullopt;
    elements.append(*part);
  }
  return elements;
}

/// A range of a vector, with step 1.
Result ofSlice(NodeOpInterface node, Walk walk) {
  if (node->getNumOperands() < 3 || !isVector(node->getOperand(0)))
    return std::nullopt;
  Result data = evaluateAt(node->getOperand(0), walk);
  std::optional<double> bounds[3] = {std::nullopt, std::nullopt, 1};
  for (int i : {0, 1, 2})
    if (Value bound = node.getNodeInput(i == 2 ? 4 : i + 1))
      if (Result elements = evaluateAt(bound, walk); elements && elements->size() == 1)
        bounds[i] = elements->front();
  if (!data || !bounds[0] || !bounds[1] || bounds[2] != 1.0)
    return std::nullopt;
  double size = data->size();
  auto clamp = [&](double i) { return toInteger(std::clamp(i < 0 ? i + size : i, 0.0, size)); };
  int64_t start = clamp(*bounds[0]), end = std::max(start, clamp(*bounds[1]));
  return Elements(data->begin() + start, data->begin() + end);
}

/// As many copies of the fill value as the shape asks for.
Result ofConstantOfShape(NodeOpInterface node, Walk walk) {
  Result shape = evaluateAt(node->getOperand(0), walk);
  if (!shape || shape->size() > 1 || (shape->size() == 1 && !shape->front()))
    return std::nullopt;
  int64_t count = shape->empty() ? 1 : toInteger(*shape->front());
  DenseElementsAttr fill = node.getTensor("value");
  Result value = fill ? fromConstant(fill) : Result(Elements{0.0});
  if (!value || value->size() != 1 || count < 0 || count > maxElements)
    return std::nullopt;
  return Elements(count, value->front());
}

/// Applies `function` element by element; one operand may be a scalar. An unknown operand gives an unknown element.
Result zipElements(const Result &a, const Result &b, llvm::function_ref<Known(Known, Known)> function) {
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1))
    return std::nullopt;
  Elements elements;
  for (size_t i = 0, e = a->empty() || b->empty() ? 0 : std::max(a->size(), b->size()); i < e; ++i)
    elements.push_back(function((*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]));
  return elements;
}

Known compute(StringRef type, double a, double b, bool isInteger) {
  if (type == "Add")
    return a + b;
  if (type == "Sub")
    return a - b;
  if (type == "Mul")
    return a * b;
  if (type == "Pow")
    return std::pow(a, b);
  if (type == "Equal")
    return a == b;
  if (type != "Div" || (isInteger && b == 0))
    return std::nullopt;
  return isInteger ? std::trunc(a / b) : a / b;
}

Result ofBinary(NodeOpInterface node, Walk walk) {
  bool isInteger = getElementTypeOrSelf(node->getResult(0).getType()).isInteger();
  return zipElements(evaluateAt(node->getOperand(0), walk), evaluateAt(node->getOperand(1), walk),
                     [&](Known a, Known b) { return a && b ? compute(node.getOpType(), *a, *b, isInteger) : Known(); });
}

/// Where: an unknown condition over equal alternatives is no obstacle.
Result ofWhere(NodeOpInterface node, Walk walk) {
  Result condition = evaluateAt(node->getOperand(0), walk);
  Result yes = evaluateAt(node->getOperand(1), walk), no = evaluateAt(node->getOperand(2), walk);
  if (!condition || !yes || !no || yes->size() != condition->size() || no->size() != condition->size())
    return std::nullopt;
  Elements elements;
  for (auto [c, y, n] : llvm::zip_equal(*condition, *yes, *no))
    elements.push_back(c ? (*c ? y : n) : (y == n ? y : Known()));
  return elements;
}

Result ofUnary(NodeOpInterface node, Walk walk) {
  Result input = evaluateAt(node->getOperand(0), walk);
  if (!input)
    return std::nullopt;
  for (Known &element : *input) {
    if (!element)
      continue;
    StringRef type = node.getOpType();
    element = type == "Sqrt"         ? std::sqrt(*element)
              : type == "Reciprocal" ? 1 / *element
              : type == "Neg"        ? -*element
                                     : std::floor(*element);
  }
  return input;
}

/// A cast to integers truncates; others keep the value (float16 of a float is not exact, so it is not evaluated).
Result ofCast(NodeOpInterface node, Walk walk) {
  Result input = evaluateAt(node->getOperand(0), walk);
  Type to = getElementTypeOrSelf(node->getResult(0).getType());
  if (!input || !(to.isInteger(64) || to.isInteger(32) || to.isF32() || to.isF64()))
    return std::nullopt;
  for (Known &element : *input)
    if (element && to.isInteger())
      element = std::trunc(*element);
    else if (element && to.isF32())
      element = float(*element);
  return input;
}

/// The elements of an expansion of a scalar, or of one that does not expand.
Result ofExpand(NodeOpInterface node, Walk walk) {
  Result input = evaluateAt(node->getOperand(0), walk), shape = evaluateAt(node->getOperand(1), walk);
  if (!input || !shape || input->size() != 1)
    return std::nullopt;
  int64_t count = 1;
  for (Known size : *shape) {
    int64_t factor = size ? toInteger(*size) : -1;
    if (factor < 0 || factor > maxElements || (count *= factor) > maxElements)
      return std::nullopt;
  }
  return Elements(count, input->front());
}

Result ofNode(NodeOpInterface node, Walk walk) {
  auto same = [&] { return evaluateAt(node->getOperand(0), walk); };
  StringRef type = node.getOpType();
  if (type == "Shape")
    return ofShape(node);
  if (type == "Gather")
    return ofGather(node, walk);
  if (type == "Slice")
    return ofSlice(node, walk);
  if (type == "Concat")
    return ofConcat(node, walk);
  if (type == "ConstantOfShape")
    return ofConstantOfShape(node, walk);
  if (type == "Where")
    return ofWhere(node, walk);
  if (type == "Cast" || type == "CastLike")
    return ofCast(node, walk);
  if (type == "Expand")
    return ofExpand(node, walk);
  if (type == "Unsqueeze" || type == "Squeeze" || type == "Reshape" || type == "Identity" || type == "Flatten")
    return same();
  if (type == "Add" || type == "Sub" || type == "Mul" || type == "Div" || type == "Pow" || type == "Equal")
    return ofBinary(node, walk);
  if (type == "Sqrt" || type == "Reciprocal" || type == "Neg" || type == "Floor")
    return ofUnary(node, walk);
  return std::nullopt;
}

/// What is no number, as 0/0, says nothing about a size or a position.
Result withoutNaN(Result result) {
  if (result)
    for (Known &element : *result)
      if (element && std::isnan(*element))
        element = std::nullopt;
  return result;
}

Result evaluateAt(Value value, Walk walk) {
  auto node = value.getDefiningOp<NodeOpInterface>();
  if (DenseElementsAttr constant = onnx::getConstant(value))
    return withoutNaN(fromConstant(constant));
  if (!node || ++walk.depth > maxDepth || !node.getDomain().empty() || node->getNumResults() != 1)
    return std::nullopt;
  auto known = walk.seen.find(value);
  // Seen further away, more before it may have been out of reach.
  if (known != walk.seen.end() && known->second.first <= walk.depth)
    return known->second.second;
  Result result = withoutNaN(ofNode(node, walk));
  walk.seen[value] = {walk.depth, result};
  return result;
}
} // namespace

std::optional<Elements> quantopt::evaluate(Value value) {
  llvm::DenseMap<Value, std::pair<int, Result>> seen;
  return evaluateAt(value, {0, seen});
}

std::optional<double> quantopt::evaluateScalar(Value value) {
  Result elements = evaluate(value);
  return elements && elements->size() == 1 ? elements->front() : std::nullopt;
}

int64_t quantopt::toInteger(double element) {
  constexpr double limit = 9223372036854775807.0; // rounds up to 2^63
  if (std::isnan(element))
    return 0;
  if (std::abs(element) >= limit)
    return element > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
  return int64_t(element);
}

std::optional<SmallVector<int64_t>> quantopt::evaluateIntegers(Value value) {
  Result elements = evaluate(value);
  if (!elements)
    return std::nullopt;
  SmallVector<int64_t> integers;
  for (Known element : *elements) {
    if (!element)
      return std::nullopt;
    integers.push_back(toInteger(*element));
  }
  return integers;
}
