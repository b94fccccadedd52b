//===- Attention.cpp - caches and the attention core --------------------------------===//
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

LogicalResult quantopt::recognizeKvAppend(Operation *root, RewriterBase &rewriter) {
  auto concat = dyn_cast<onnx::ConcatOp>(root);
  if (!concat || concat->getNumOperands() != 2)
    return failure();
  Value cache = concat->getOperand(0), rows = concat->getOperand(1);
  RankedTensorType cacheType = rankedType(cache), rowType = rankedType(rows);
  std::optional<int64_t> axis = cast<NodeOpInterface>(root).getInt("axis");
  bool isResult =
      llvm::any_of(root->getUsers(), [](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>(); });
  if (!isa<BlockArgument>(cache) || !isResult || !cacheType || !rowType || cacheType.getRank() != 4 ||
      rowType.getRank() != 4 || !axis || !isAxis(*axis, 2, cacheType))
    return failure();
  SmallVector<int64_t> shape(cacheType.getShape());
  shape[2] = ShapedType::kDynamic;
  RankedTensorType type = refineType(root, shape, /*required=*/{1, 3});
  if (!type || failed(verifyCompatibleShape(cacheType.clone(shape).getShape(),
                                            SmallVector<int64_t>{rowType.getDimSize(0), rowType.getDimSize(1),
                                                                 ShapedType::kDynamic, rowType.getDimSize(3)})))
    return failure();
  rewriter.setInsertionPoint(root);
  replaceRoot(rewriter, root, llm::KvAppendOp::create(rewriter, root->getLoc(), type, cache, rows));
  return success();
}

//===----------------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------------===//

namespace {
/// What llm.attention is made of.
struct Attention {
  Value query, key, value, mask;
  double scale = 1;
};
} // namespace

/// Takes products and quotients with known scalars; gives what they scale.
static Value matchScale(Match &match, Value value, double &scale) {
  while (Operation *op = value.getDefiningOp()) {
    Value scaled;
    if (isa<onnx::DivOp>(op)) {
      if (std::optional<double> divisor = evaluateScalar(op->getOperand(1)); divisor && *divisor != 0) {
        scale /= *divisor;
        scaled = op->getOperand(0);
      }
    } else if (isa<onnx::MulOp>(op)) {
      for (auto [other, factor] : eitherOrder(op))
        if (std::optional<double> constant = scaled ? std::nullopt : evaluateScalar(factor)) {
          scale *= *constant;
          scaled = other;
        }
    }
    if (!scaled)
      return value;
    match.inner.push_back(op);
    value = scaled;
  }
  return value;
}

/// Whether an Expand of [B, h, 1, T, d] repeats the third dimension only, `count` times.
static bool repeatsHeads(onnx::ExpandOp expand, RankedTensorType cache, int64_t count) {
  SmallVector<int64_t> sizes = statedShape(expand);
  auto keeps = [&](int64_t size, int64_t dim) {
    return ShapedType::isDynamic(size) || size == 1 || size == cache.getDimSize(dim);
  };
  return sizes.size() == 5 && sizes[2] == count && keeps(sizes[0], 0) && !ShapedType::isDynamic(sizes[1]) &&
         keeps(sizes[1], 1) && keeps(sizes[3], 2) && !ShapedType::isDynamic(sizes[4]) && keeps(sizes[4], 3);
}

/// The cache behind repeat_kv (Unsqueeze, Expand, Reshape) to `heads` heads, or `value` itself when it has that many.
/// Null when neither holds.
static Value matchRepeatedHeads(Match &match, Value value, int64_t heads) {
  RankedTensorType type = rankedType(value);
  auto reshape = value.getDefiningOp<onnx::ReshapeOp>();
  auto expand = reshape ? reshape->getOperand(0).getDefiningOp<onnx::ExpandOp>() : onnx::ExpandOp();
  auto unsqueeze = expand ? expand->getOperand(0).getDefiningOp<onnx::UnsqueezeOp>() : onnx::UnsqueezeOp();
  if (!unsqueeze)
    return type && type.getRank() == 4 && type.getDimSize(1) == heads ? value : Value();
  match.inner.append({reshape, expand, unsqueeze});
  Value cache = unsqueeze->getOperand(0);
  RankedTensorType cacheType = rankedType(cache);
  NodeOpInterface node = unsqueeze;
  auto stated = node.getInts("axes");
  SmallVector<int64_t> axes;
  if (stated)
    axes.assign(stated->begin(), stated->end());
  else if (Value input = node.getNodeInput(1))
    axes = evaluateIntegers(input).value_or(SmallVector<int64_t>());
  if (!cacheType || cacheType.getRank() != 4 || axes.size() != 1 || (axes[0] != 2 && axes[0] != -3) ||
      cacheType.isDynamicDim(1) || heads % cacheType.getDimSize(1))
    return {};
  SmallVector<int64_t> merged = statedShape(reshape);
  bool mergesHeads = merged.size() == 4 && merged[1] == heads && merged[3] == cacheType.getDimSize(3);
  return mergesHeads && repeatsHeads(expand, cacheType, heads / cacheType.getDimSize(1)) ? cache : Value();
}

/// scale · q kᵀ with the scale anywhere; fills query, key and scale.
static bool matchScores(Match &match, Value value, Attention &attention) {
  auto product = match.take<onnx::MatMulOp>(matchScale(match, value, attention.scale));
  if (!product)
    return false;
  attention.query = matchScale(match, product->getOperand(0), attention.scale);
  RankedTensorType query = rankedType(attention.query);
  auto transpose = match.take<onnx::TransposeOp>(matchScale(match, product->getOperand(1), attention.scale));
  if (!query || query.getRank() != 4 || query.isDynamicDim(1) || !isTranspose(transpose, {0, 1, 3, 2}))
    return false;
  Value keys = matchScale(match, transpose->getOperand(0), attention.scale);
  attention.key = matchRepeatedHeads(match, keys, query.getDimSize(1));
  return !!attention.key;
}

/// The scores, or their sum with a mask.
static bool matchMaskedScores(Match &match, Value value, Attention &attention) {
  auto sum = value.getDefiningOp<onnx::AddOp>();
  if (!sum)
    return matchScores(match, value, attention);
  for (auto [scores, mask] : eitherOrder(sum)) {
    Match trial = match;
    Attention found = attention;
    trial.inner.push_back(sum);
    RankedTensorType type = rankedType(mask);
    if (!type || type.getRank() > 4 || !matchScores(trial, scores, found))
      continue;
    match = trial;
    attention = found;
    attention.mask = mask;
    return true;
  }
  return false;
}

LogicalResult quantopt::recognizeAttention(Operation *root, RewriterBase &rewriter) {
  Match match(root);
  auto product = dyn_cast<onnx::MatMulOp>(root);
  auto softmax = product ? match.take<onnx::SoftmaxOp>(product->getOperand(0)) : onnx::SoftmaxOp();
  if (!softmax)
    return failure();
  std::optional<int64_t> axis = cast<NodeOpInterface>(*softmax).getInt("axis");
  Attention attention;
  if (!axis || (*axis != -1 && *axis != 3) || !matchMaskedScores(match, softmax->getOperand(0), attention))
    return failure();
  RankedTensorType query = rankedType(attention.query);
  attention.value = matchRepeatedHeads(match, product->getOperand(1), query.getDimSize(1));
  if (!attention.value || !match.isClosed())
    return failure();
  RankedTensorType value = rankedType(attention.value);
  if (value.getDimSize(1) != rankedType(attention.key).getDimSize(1))
    return failure();
  SmallVector<int64_t> shape{query.getDimSize(0), query.getDimSize(1), query.getDimSize(2), value.getDimSize(3)};
  RankedTensorType type = refineType(root, shape, /*required=*/{1});
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  Value result = llm::AttentionOp::create(rewriter, root->getLoc(), type, attention.query, attention.key,
                                          attention.value, attention.mask, rewriter.getF64FloatAttr(attention.scale),
                                          rewriter.getF64FloatAttr(0), /*zero_masked_rows=*/UnitAttr());
  replaceRoot(rewriter, root, result);
  return success();
}
