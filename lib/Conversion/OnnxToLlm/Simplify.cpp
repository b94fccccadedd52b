//===- Simplify.cpp - nodes that do nothing -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Dims.h"
#include "Evaluate.h"
#include "Layout.h"
#include "Match.h"
#include "quantopt/Dialect/Onnx/IR/Axis.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

bool quantopt::canStandFor(Value value, Value result) {
  return !isReturned(result) || (value.getType() == result.getType() && !isa<BlockArgument>(value));
}

static bool isNoOpCast(Operation *op) {
  if (!isa<onnx::CastOp, onnx::CastLikeOp>(op))
    return false;
  Type from = getElementTypeOrSelf(op->getOperand(0).getType()), to = getElementTypeOrSelf(op->getResult(0).getType());
  return from == to && isa<FloatType, IntegerType>(to);
}

/// A Slice from the start to the end of every dimension it names, with step 1.
static bool isFullSlice(onnx::SliceOp slice) {
  NodeOpInterface node = slice;
  RankedTensorType type = rankedType(slice->getOperand(0));
  Value starts = node.getNodeInput(1), ends = node.getNodeInput(2), axes = node.getNodeInput(3);
  if (!type || !starts || !ends)
    return false;
  auto start = evaluateIntegers(starts), end = evaluateIntegers(ends);
  std::optional<SmallVector<int64_t>> axis;
  if (axes)
    axis = evaluateIntegers(axes);
  else if (start)
    axis = llvm::to_vector(llvm::seq<int64_t>(start->size()));
  if (!start || !end || !axis || start->size() != end->size() || start->size() != axis->size())
    return false;
  if (Value steps = node.getNodeInput(4))
    if (auto step = evaluateIntegers(steps); !step || llvm::any_of(*step, [](int64_t s) { return s != 1; }))
      return false;
  constexpr int64_t toTheEnd = std::numeric_limits<int64_t>::max();
  for (auto [from, to, dim] : llvm::zip_equal(*start, *end, *axis)) {
    std::optional<int64_t> position = onnx::normalizeAxis(dim, type.getRank());
    if (!position)
      return false;
    int64_t size = type.getDimSize(*position);
    if (from != 0 || (to != toTheEnd && (ShapedType::isDynamic(size) || to < size)))
      return false;
  }
  return true;
}

static bool isIdentityTranspose(onnx::TransposeOp transpose) {
  auto permutation = statedPermutation(transpose);
  return permutation && llvm::equal(*permutation, llvm::seq<int64_t>(permutation->size()));
}

/// A product with 1, or a quotient by it, that does not change the shape; gives the other factor.
static Value behindUnitFactor(Operation *op) {
  if (!isa<onnx::MulOp, onnx::DivOp>(op))
    return {};
  for (auto [x, factor] : eitherOrder(op)) {
    RankedTensorType type = rankedType(x), factorType = rankedType(factor);
    bool keepsShape = type && factorType && factorType.getRank() <= type.getRank() &&
                      llvm::all_of(factorType.getShape(), [](int64_t size) { return size == 1; });
    if (keepsShape && evaluateScalar(factor) == 1.0 && (isa<onnx::MulOp>(op) || x == op->getOperand(0)))
      return x;
  }
  return {};
}

/// The value before a chain of Reshapes, Flattens, Squeezes and Unsqueezes (or an Expand) that has the chain's shape;
/// null without.
static Value behindViews(Operation *op) {
  if (isa<onnx::ExpandOp>(op))
    return haveSameShape(op->getOperand(0), op->getResult(0)) ? op->getOperand(0) : Value();
  Value value = op->getResult(0);
  while (isa_and_nonnull<onnx::ReshapeOp, onnx::FlattenOp, onnx::SqueezeOp, onnx::UnsqueezeOp>(value.getDefiningOp())) {
    value = value.getDefiningOp()->getOperand(0);
    if (haveSameShape(value, op->getResult(0)) && canStandFor(value, op->getResult(0)))
      return value;
  }
  return {};
}

/// The one operand of a Concat beside which the others are empty; null when it joins more.
static Value behindEmptyParts(onnx::ConcatOp concat) {
  int64_t axis = cast<NodeOpInterface>(*concat).getInt("axis", 0);
  Value only;
  for (Value part : concat->getOperands()) {
    RankedTensorType type = rankedType(part);
    std::optional<int64_t> position = type ? onnx::normalizeAxis(axis, type.getRank()) : std::nullopt;
    if (!position)
      return {};
    if (type.getDimSize(*position) == 0)
      continue;
    if (only)
      return {};
    only = part;
  }
  return only;
}

static bool isNoOp(Operation *op) {
  if (auto slice = dyn_cast<onnx::SliceOp>(op))
    return isFullSlice(slice);
  if (auto transpose = dyn_cast<onnx::TransposeOp>(op))
    return isIdentityTranspose(transpose);
  if (auto dropout = dyn_cast<onnx::DropoutOp>(op)) // Without a training mode input it is the identity.
    return cast<NodeOpInterface>(op).getNodeInputs().size() < 3 &&
           (dropout->getNumResults() == 1 || dropout->getResult(1).use_empty());
  return isa<onnx::IdentityOp>(op) || isNoOpCast(op);
}

LogicalResult quantopt::dropNoOp(Operation *root, RewriterBase &rewriter) {
  auto concat = dyn_cast<onnx::ConcatOp>(root);
  Value input = isNoOp(root) ? root->getOperand(0) : concat ? behindEmptyParts(concat) : behindUnitFactor(root);
  if (!input && !(input = behindViews(root)))
    return failure();
  if (!canStandFor(input, root->getResult(0)))
    return failure();
  replaceRoot(rewriter, root, input);
  return success();
}

LogicalResult quantopt::readShapeOfHeads(Operation *root, RewriterBase &rewriter) {
  auto gather = dyn_cast<onnx::GatherOp>(root);
  auto shape = gather ? gather->getOperand(0).getDefiningOp<onnx::ShapeOp>() : onnx::ShapeOp();
  RankedTensorType type = shape ? rankedType(shape->getOperand(0)) : RankedTensorType();
  if (!type || type.getRank() != 4 || type.isDynamicDim(1) || rankedType(shape->getResult(0)).getDimSize(0) != 4)
    return failure();
  std::optional<double> index = evaluateScalar(gather->getOperand(1));
  Value heads = behindRepeatedHeads(shape->getOperand(0), type.getDimSize(1));
  if (heads == shape->getOperand(0) || !index || (*index != 0 && *index != 2 && *index != 3 && *index != -2))
    return failure();
  rewriter.setInsertionPoint(root);
  Value sizes =
      onnx::createNode(rewriter, root->getLoc(), "::Shape", shape->getResult(0).getType(), heads)->getResult(0);
  rewriter.modifyOpInPlace(root, [&] { root->setOperand(0, sizes); });
  return success();
}
