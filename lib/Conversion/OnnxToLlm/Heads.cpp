//===- Heads.cpp - heads and rotary position embedding ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Match.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

SmallVector<int64_t> quantopt::statedShape(Operation *op) {
  SmallVector<int64_t> sizes;
  RankedTensorType type = rankedType(op->getResult(0));
  if (std::optional<Elements> elements = evaluate(op->getOperand(1)))
    for (std::optional<double> element : *elements)
      sizes.push_back(element && *element > 0 ? int64_t(*element) : ShapedType::kDynamic);
  if (!type)
    return sizes;
  if (sizes.empty())
    return SmallVector<int64_t>(type.getShape());
  if (int64_t(sizes.size()) != type.getRank())
    return {};
  for (auto [size, inferred] : llvm::zip_equal(sizes, type.getShape()))
    if (ShapedType::isDynamic(size))
      size = inferred;
  return sizes;
}

/// Whether a reshaped dimension may be the input's: a known size stands against the same known size only.
static bool mayKeep(int64_t size, int64_t input) { return ShapedType::isDynamic(size) || size == input; }

LogicalResult quantopt::recognizeSplitHeads(Operation *root, RewriterBase &rewriter) {
  Match match(root);
  if (!isTranspose(dyn_cast<onnx::TransposeOp>(root), {0, 2, 1, 3}))
    return failure();
  auto reshape = match.take<onnx::ReshapeOp>(root->getOperand(0));
  RankedTensorType input = reshape ? rankedType(reshape->getOperand(0)) : RankedTensorType();
  if (!input || input.getRank() != 3 || input.isDynamicDim(2) || !match.isClosed())
    return failure();
  SmallVector<int64_t> sizes = statedShape(reshape);
  if (sizes.size() != 4 || !mayKeep(sizes[0], input.getDimSize(0)) || !mayKeep(sizes[1], input.getDimSize(1)))
    return failure();
  int64_t heads = sizes[2], headSize = sizes[3], hidden = input.getDimSize(2);
  if (ShapedType::isDynamic(heads) && headSize > 0)
    heads = hidden / headSize;
  else if (ShapedType::isDynamic(headSize) && heads > 0)
    headSize = hidden / heads;
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(headSize) || heads * headSize != hidden)
    return failure();
  RankedTensorType type =
      refineType(root, {input.getDimSize(0), heads, input.getDimSize(1), headSize}, /*required=*/{1, 3});
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  replaceRoot(rewriter, root, llm::SplitHeadsOp::create(rewriter, root->getLoc(), type, reshape->getOperand(0)));
  return success();
}

LogicalResult quantopt::recognizeMergeHeads(Operation *root, RewriterBase &rewriter) {
  Match match(root);
  auto reshape = dyn_cast<onnx::ReshapeOp>(root);
  auto transpose = reshape ? match.take<onnx::TransposeOp>(reshape->getOperand(0)) : onnx::TransposeOp();
  if (!isTranspose(transpose, {0, 2, 1, 3}) || !match.isClosed())
    return failure();
  RankedTensorType input = rankedType(transpose->getOperand(0));
  if (!input || input.getRank() != 4 || input.isDynamicDim(1) || input.isDynamicDim(3))
    return failure();
  SmallVector<int64_t> sizes = statedShape(reshape);
  int64_t hidden = input.getDimSize(1) * input.getDimSize(3);
  if (sizes.size() != 3 || !mayKeep(sizes[0], input.getDimSize(0)) || !mayKeep(sizes[1], input.getDimSize(2)) ||
      !mayKeep(sizes[2], hidden))
    return failure();
  RankedTensorType type = refineType(root, {input.getDimSize(0), input.getDimSize(2), hidden});
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  replaceRoot(rewriter, root, llm::MergeHeadsOp::create(rewriter, root->getLoc(), type, transpose->getOperand(0)));
  return success();
}

//===----------------------------------------------------------------------------===//
// rope
//===----------------------------------------------------------------------------===//

/// Slice of the last dimension from `start` to `end`, with step 1; gives what is sliced.
static Value matchSlice(Match &match, Value value, int64_t start, int64_t end) {
  auto slice = match.take<onnx::SliceOp>(value);
  if (!slice)
    return {};
  NodeOpInterface node = slice;
  RankedTensorType type = rankedType(slice->getOperand(0));
  auto input = [&](unsigned i) { return node.getNodeInput(i) ? evaluateScalar(node.getNodeInput(i)) : std::nullopt; };
  std::optional<double> from = input(1), to = input(2), axis = input(3);
  bool hasUnitStep = !node.getNodeInput(4) || input(4) == 1.0;
  if (!type || !from || !to || !axis || !hasUnitStep || !isAxis(*axis, type.getRank() - 1, type))
    return {};
  double size = type.getShape().back();
  auto fromStart = [&](double i) { return std::min(i < 0 ? i + size : i, size); };
  return fromStart(*from) == start && fromStart(*to) == end ? slice->getOperand(0) : Value();
}

/// [-x₂, x₁] for the halves of the last dimension of x; gives x.
static Value matchRotatedHalves(Match &match, Value value, int64_t size) {
  auto concat = match.take<onnx::ConcatOp>(value);
  if (!concat || concat->getNumOperands() != 2 || size % 2)
    return {};
  std::optional<int64_t> axis = cast<NodeOpInterface>(*concat).getInt("axis");
  auto negation = match.take<onnx::NegOp>(concat->getOperand(0));
  if (!negation || !axis || !isAxis(*axis, 3, rankedType(concat->getResult(0))))
    return {};
  Value second = matchSlice(match, negation->getOperand(0), size / 2, size);
  Value first = matchSlice(match, concat->getOperand(1), 0, size / 2);
  return first == second ? first : Value();
}

/// Whether a table is [B, 1, S, d], so that it means the same to every head.
static bool isRopeTable(Value table, int64_t size) {
  RankedTensorType type = rankedType(table);
  return type && type.getRank() == 4 && type.getDimSize(1) == 1 && type.getDimSize(3) == size;
}

/// x · cos + rotated(x) · sin with the four factors in this order; gives x.
static Value matchRope(Match &match, Value x, Value cos, Value rotated, Value sin) {
  RankedTensorType type = rankedType(x);
  if (!type || type.getRank() != 4 || type.isDynamicDim(1) || type.isDynamicDim(3))
    return {};
  int64_t size = type.getDimSize(3);
  bool isRope = isRopeTable(cos, size) && isRopeTable(sin, size) && matchRotatedHalves(match, rotated, size) == x;
  return isRope ? x : Value();
}

LogicalResult quantopt::recognizeRope(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::AddOp>(root))
    return failure();
  for (auto [straight, turned] : eitherOrder(root)) {
    Match match(root);
    auto first = match.take<onnx::MulOp>(straight), second = match.take<onnx::MulOp>(turned);
    if (!first || !second)
      return failure();
    for (auto [x, cos] : eitherOrder(first))
      for (auto [rotated, sin] : eitherOrder(second)) {
        Match trial = match;
        if (!matchRope(trial, x, cos, rotated, sin) || !trial.isClosed())
          continue;
        RankedTensorType type = refineType(root, rankedType(x).getShape(), /*required=*/{1, 3});
        if (!type)
          continue;
        rewriter.setInsertionPoint(root);
        replaceRoot(rewriter, root, llm::RopeOp::create(rewriter, root->getLoc(), type, x, cos, sin));
        return success();
      }
  }
  return failure();
}
