//===- Heads.cpp - splitting and merging heads ---------------------------------------===//
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
      sizes.push_back(element && *element > 0 ? toInteger(*element) : ShapedType::kDynamic);
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

//===----------------------------------------------------------------------------===//
// Splitting
//===----------------------------------------------------------------------------===//

namespace {
/// A view of `joined`, [B, S, heads·d], as [B, S, heads, d].
struct HeadsView {
  Value joined;
  int64_t heads, headSize;
};
} // namespace

/// What a Reshape of a Reshape views: the value before both, where these keep the first two dimensions.
static Value viewedBy(Operation *view) {
  Value value = view->getOperand(0);
  while (auto inner = value.getDefiningOp<onnx::ReshapeOp>()) {
    Value before = inner->getOperand(0);
    RankedTensorType type = rankedType(before);
    if (!type || type.getRank() < 3 || !(dimOf(value, 0) == dimOf(before, 0)) || !(dimOf(value, 1) == dimOf(before, 1)))
      break;
    value = before;
  }
  return value;
}

/// What a Reshape (or for one head an Unsqueeze) says of heads; nothing for other shapes.
static std::optional<HeadsView> headsOfView(Operation *view) {
  Value joined = viewedBy(view);
  RankedTensorType input = rankedType(joined);
  if (!input || input.getRank() != 3 || input.isDynamicDim(2))
    return std::nullopt;
  if (isa<onnx::UnsqueezeOp>(view)) {
    RankedTensorType type = rankedType(view->getResult(0));
    bool isOneHead =
        type && type.getRank() == 4 && type.getDimSize(2) == 1 && type.getDimSize(3) == input.getDimSize(2);
    return isOneHead ? std::optional(HeadsView{joined, 1, input.getDimSize(2)}) : std::nullopt;
  }
  if (!isa<onnx::ReshapeOp>(view))
    return std::nullopt;
  SmallVector<int64_t> sizes = statedShape(view);
  if (sizes.size() != 4 || !mayKeep(sizes[0], input.getDimSize(0)) || !mayKeep(sizes[1], input.getDimSize(1)))
    return std::nullopt;
  int64_t heads = sizes[2], headSize = sizes[3], hidden = input.getDimSize(2);
  if (ShapedType::isDynamic(heads) && headSize > 0)
    heads = hidden / headSize;
  else if (ShapedType::isDynamic(headSize) && heads > 0)
    headSize = hidden / heads;
  if (heads <= 0 || headSize <= 0 || hidden % heads || hidden / heads != headSize)
    return std::nullopt;
  return HeadsView{joined, heads, headSize};
}

static Value splitHeads(Operation *root, RewriterBase &rewriter, Value joined, int64_t heads, int64_t headSize) {
  RankedTensorType type = rankedType(joined);
  SmallVector<int64_t> shape{type.getDimSize(0), heads, type.getDimSize(1), headSize};
  if (auto merge = joined.getDefiningOp<llm::MergeHeadsOp>()) {
    ArrayRef<int64_t> merged = rankedType(merge.getInput()).getShape();
    if (merged[1] == heads && merged[3] == headSize)
      return merge.getInput();
  }
  return llm::SplitHeadsOp::create(rewriter, root->getLoc(), type.clone(shape), joined);
}

/// The norm of `value` in another layout, with everything else alike.
static Value normOf(Operation *norm, RewriterBase &rewriter, Location location, Value value) {
  auto eps = norm->getAttrOfType<FloatAttr>("eps");
  RankedTensorType type = rankedType(value).clone(getElementTypeOrSelf(norm->getResult(0)));
  if (auto rms = dyn_cast<llm::RmsNormOp>(norm))
    return llm::RmsNormOp::create(rewriter, location, type, value, rms.getScale(), eps);
  auto layer = cast<llm::LayerNormOp>(norm);
  return llm::LayerNormOp::create(rewriter, location, type, value, layer.getScale(), layer.getBias(), eps);
}

/// [B, heads, S, d] for `value` of shape [B, S, heads, d], where that is known to be split or transposed from
/// something: a view of [B, S, heads·d], a Transpose, or a norm of either (Qwen 3 norms heads before it transposes
/// them). Null if not.
static Value headsFirst(Operation *root, RewriterBase &rewriter, Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (isTranspose(dyn_cast<onnx::TransposeOp>(op), {0, 2, 1, 3}))
    return op->getOperand(0);
  if (isa<llm::RmsNormOp, llm::LayerNormOp>(op) && op->hasOneUse()) {
    Value input = headsFirst(root, rewriter, op->getOperand(0));
    return input ? normOf(op, rewriter, root->getLoc(), input) : Value();
  }
  if (!isa<onnx::ReshapeOp, onnx::UnsqueezeOp>(op))
    return {};
  std::optional<HeadsView> view = headsOfView(op);
  return view ? splitHeads(root, rewriter, view->joined, view->heads, view->headSize) : Value();
}

static Value transpose(Operation *root, RewriterBase &rewriter, Value value, ArrayRef<int64_t> permutation) {
  RankedTensorType type = rankedType(value);
  SmallVector<int64_t> shape;
  for (int64_t dim : permutation)
    shape.push_back(type.getDimSize(dim));
  return onnx::createNode(rewriter, root->getLoc(), "::Transpose", type.clone(shape), value,
                          rewriter.getNamedAttr("perm", rewriter.getDenseI64ArrayAttr(permutation)))
      ->getResult(0);
}

Value quantopt::exchangeHeads(Operation *root, RewriterBase &rewriter, Value value) {
  rewriter.setInsertionPoint(root);
  Value heads = headsFirst(root, rewriter, value);
  return heads ? heads : transpose(root, rewriter, value, {0, 2, 1, 3});
}

/// Replaces the root unless a reader insists on a type that the value does not have.
static LogicalResult replaceIfTyped(RewriterBase &rewriter, Operation *root, Value value) {
  if (isReturned(root->getResult(0)) && value.getType() != root->getResult(0).getType())
    return failure();
  replaceRoot(rewriter, root, value);
  return success();
}

LogicalResult quantopt::recognizeSplitHeads(Operation *root, RewriterBase &rewriter) {
  auto stated = statedPermutation(root);
  if (!stated || !rankedType(root->getOperand(0)))
    return failure();
  SmallVector<int64_t> permutation(stated->begin(), stated->end());
  Value source = root->getOperand(0);
  rewriter.setInsertionPoint(root);
  auto inner = source.getDefiningOp<onnx::TransposeOp>();
  auto innerStated = statedPermutation(inner);
  SmallVector<int64_t> before{0, 2, 1, 3};
  if (innerStated && rankedType(inner->getOperand(0))) {
    before.assign(innerStated->begin(), innerStated->end());
    source = inner->getOperand(0);
  } else {
    bool isKnown = permutation == before || permutation == SmallVector<int64_t>{0, 2, 3, 1};
    source = isKnown ? headsFirst(root, rewriter, source) : Value();
    if (!source)
      return failure();
  }
  for (int64_t &dim : permutation)
    dim = before[dim];
  if (inner && permutation == SmallVector<int64_t>{0, 2, 1, 3})
    if (Value heads = headsFirst(root, rewriter, source))
      return replaceIfTyped(rewriter, root, heads);
  bool isIdentity = llvm::equal(permutation, llvm::seq<int64_t>(permutation.size()));
  return replaceIfTyped(rewriter, root, isIdentity ? source : transpose(root, rewriter, source, permutation));
}

//===----------------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------------===//

/// A Reshape of merged heads to [B, S, heads, d] and the one of a norm of heads to [B, S, heads·d], where no Transpose
/// tells that they are heads: the same in the order of llm.split_heads.
static LogicalResult recognizeViews(Operation *root, RewriterBase &rewriter, ArrayRef<int64_t> sizes) {
  rewriter.setInsertionPoint(root);
  if (auto merge = root->getOperand(0).getDefiningOp<llm::MergeHeadsOp>(); merge && sizes.size() == 4) {
    std::optional<HeadsView> view = headsOfView(root);
    ArrayRef<int64_t> shape = rankedType(merge.getInput()).getShape();
    if (!view || view->joined != merge.getResult() || view->heads != shape[1] || view->headSize != shape[3])
      return failure();
    return replaceIfTyped(rewriter, root, transpose(root, rewriter, merge.getInput(), {0, 2, 1, 3}));
  }
  Operation *norm = root->getOperand(0).getDefiningOp();
  auto view = isa_and_nonnull<llm::RmsNormOp, llm::LayerNormOp>(norm) && norm->hasOneUse()
                  ? norm->getOperand(0).getDefiningOp<onnx::ReshapeOp>()
                  : onnx::ReshapeOp();
  RankedTensorType joined = view ? rankedType(view->getOperand(0)) : RankedTensorType();
  RankedTensorType normed = view ? rankedType(norm->getResult(0)) : RankedTensorType();
  if (!joined || joined.getRank() != 3 || joined.isDynamicDim(2) || sizes.size() != 3 ||
      !mayKeep(sizes[0], joined.getDimSize(0)) || !mayKeep(sizes[1], joined.getDimSize(1)) ||
      !mayKeep(sizes[2], joined.getDimSize(2)))
    return failure();
  int64_t headSize = normed.getShape().back(), hidden = joined.getDimSize(2);
  if (ShapedType::isDynamic(headSize) || headSize == 0 || hidden % headSize)
    return failure();
  RankedTensorType type = refineType(root, joined.getShape(), /*required=*/{2});
  if (!type)
    return failure();
  Value heads = splitHeads(root, rewriter, view->getOperand(0), hidden / headSize, headSize);
  Value merged =
      llm::MergeHeadsOp::create(rewriter, root->getLoc(), type, normOf(norm, rewriter, root->getLoc(), heads));
  replaceRoot(rewriter, root, merged);
  return success();
}

LogicalResult quantopt::recognizeMergeHeads(Operation *root, RewriterBase &rewriter) {
  Match match(root);
  auto reshape = dyn_cast<onnx::ReshapeOp>(root);
  if (!reshape)
    return failure();
  SmallVector<int64_t> sizes = statedShape(reshape);
  auto exchange = match.take<onnx::TransposeOp>(reshape->getOperand(0));
  if (!isTranspose(exchange, {0, 2, 1, 3}))
    return recognizeViews(root, rewriter, sizes);
  RankedTensorType input = rankedType(exchange->getOperand(0));
  if (!match.isClosed() || !input || input.getRank() != 4 || input.isDynamicDim(1) || input.isDynamicDim(3))
    return failure();
  int64_t hidden = input.getDimSize(1) * input.getDimSize(3);
  if (sizes.size() != 3 || !mayKeep(sizes[0], input.getDimSize(0)) || !mayKeep(sizes[1], input.getDimSize(2)) ||
      !mayKeep(sizes[2], hidden))
    return failure();
  RankedTensorType type = refineType(root, {input.getDimSize(0), input.getDimSize(2), hidden});
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  replaceRoot(rewriter, root, llm::MergeHeadsOp::create(rewriter, root->getLoc(), type, exchange->getOperand(0)));
  return success();
}
