//===- FusedAttention.cpp - operators that are attention ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Fused.h"
#include "Layout.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

//===----------------------------------------------------------------------------===//
// What operators share
//===----------------------------------------------------------------------------===//

Value quantopt::createAttention(const AttentionParts &parts, RankedTensorType type, Operation *root,
                                RewriterBase &rewriter) {
  RankedTensorType query = rankedType(parts.query);
  int64_t heads = query.getDimSize(1);
  auto split = parts.isMerged
                   ? RankedTensorType::get({type.getDimSize(0), heads, type.getDimSize(1), type.getDimSize(2) / heads},
                                           type.getElementType())
                   : type;
  UnitAttr zeroMaskedRows = parts.zeroMaskedRows && parts.mask ? rewriter.getUnitAttr() : UnitAttr();
  rewriter.setInsertionPoint(root);
  Value result = llm::AttentionOp::create(rewriter, root->getLoc(), split, parts.query, parts.key, parts.value,
                                          parts.mask, rewriter.getF64FloatAttr(parts.scale),
                                          rewriter.getF64FloatAttr(parts.softcap), zeroMaskedRows);
  if (parts.isMerged)
    result = llm::MergeHeadsOp::create(rewriter, root->getLoc(), type, result);
  return result;
}

/// Whether a value is [B, heads, S, d] with known heads and d.
static bool isSplit(Value value) {
  RankedTensorType type = rankedType(value);
  return type && type.getRank() == 4 && !type.isDynamicDim(1) && !type.isDynamicDim(3);
}

/// Whether `rows` can follow those of `cache`.
static bool fitsCache(RankedTensorType cache, RankedTensorType rows) {
  auto agree = [&](int64_t dim) {
    return cache.isDynamicDim(dim) || rows.isDynamicDim(dim) || cache.getDimSize(dim) == rows.getDimSize(dim);
  };
  return cache && cache.getRank() == 4 && cache.getElementType() == rows.getElementType() && agree(0) && agree(1) &&
         agree(3);
}

/// The type of `rows` after those of `cache`, the root's result `index`; null when its readers cannot take it.
static RankedTensorType appendedType(Operation *root, unsigned index, RankedTensorType cache, RankedTensorType rows) {
  SmallVector<int64_t> shape(rows.getShape());
  shape[2] =
      cache.isDynamicDim(2) || rows.isDynamicDim(2) ? ShapedType::kDynamic : cache.getDimSize(2) + rows.getDimSize(2);
  if (index >= root->getNumResults())
    return RankedTensorType::get(shape, rows.getElementType());
  return refineType(root->getResult(index), shape, /*required=*/{1});
}

/// The cache with new rows behind it: llm.kv_append for the decoder's state, a Concat otherwise.
static Value createAppend(Operation *root, unsigned index, Value cache, Value rows, RankedTensorType type,
                          RewriterBase &rewriter) {
  bool isState = isa<BlockArgument>(cache) && index < root->getNumResults() && isReturned(root->getResult(index));
  if (!isState)
    return Nodes(rewriter, root)
        .node("::Concat", type.getElementType(), type.getShape(), {cache, rows},
              rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(2)));
  rewriter.setInsertionPoint(root);
  return llm::KvAppendOp::create(rewriter, root->getLoc(), type, cache, rows);
}

/// Reads the caches behind repeat_kv, which llm.attention does itself, where both are repeated.
static void dropRepetition(AttentionParts &parts) {
  int64_t heads = rankedType(parts.key).getDimSize(1);
  Value key = behindRepeatedHeads(parts.key, heads), value = behindRepeatedHeads(parts.value, heads);
  if (rankedType(key).getDimSize(1) != rankedType(value).getDimSize(1))
    return;
  parts.key = key;
  parts.value = value;
}

//===----------------------------------------------------------------------------===//
// Attention and MultiHeadAttention
//===----------------------------------------------------------------------------===//

namespace {
/// What either operator says, before anything is made.
struct Operator {
  Value query, key, value, pastKey, pastValue;
  int64_t heads = 0, kvHeads = 0;
  /// Masks, boolean or additive; `lengths` of caches that are longer than what they hold.
  Value mask = {}, lengths = {};
  bool isCausal = false;
  double fill = 0; // of positions that the mask lacks
  std::optional<float> scale = std::nullopt;
  double softcap = 0;
  bool zeroMaskedRows = false;
};
} // namespace

static std::optional<float> statedScale(NodeOpInterface node) {
  return node.hasNodeAttr("scale") ? std::optional(node.getFloat("scale", 0)) : std::nullopt;
}

/// Attention of opset 23 on.
static std::optional<Operator> standardAttention(NodeOpInterface node) {
  if (!node.isNode("Attention") || node.getNodeInputs().size() > 7)
    return std::nullopt;
  Operator op{node.getNodeInput(0), node.getNodeInput(1), node.getNodeInput(2), node.getNodeInput(4),
              node.getNodeInput(5)};
  op.heads = node.getInt("q_num_heads", 0);
  op.kvHeads = node.getInt("kv_num_heads", 0);
  op.mask = node.getNodeInput(3);
  op.lengths = node.getNodeInput(6);
  op.isCausal = node.getInt("is_causal", 0) != 0;
  op.fill = -std::numeric_limits<double>::infinity();
  op.scale = statedScale(node);
  op.softcap = node.getFloat("softcap", 0);
  op.zeroMaskedRows = true;
  return op;
}

/// com.microsoft::MultiHeadAttention with queries, keys and values apart; masks of padding are left alone.
static std::optional<Operator> multiHeadAttention(NodeOpInterface node) {
  if (!node.isNode("MultiHeadAttention", "com.microsoft"))
    return std::nullopt;
  for (unsigned unknown : {3u, 4u, 8u, 9u}) // bias, key_padding_mask, past_sequence_length, cache_indirection
    if (node.getNodeInput(unknown))
      return std::nullopt;
  Operator op{node.getNodeInput(0), node.getNodeInput(1), node.getNodeInput(2), node.getNodeInput(6),
              node.getNodeInput(7)};
  op.heads = op.kvHeads = node.getInt("num_heads", 0);
  op.mask = node.getNodeInput(5);
  op.isCausal = node.getInt("unidirectional", 0) != 0;
  op.scale = statedScale(node);
  if (op.scale == 0.0f) // stands for the default
    op.scale = std::nullopt;
  return op;
}

/// The operands in [B, heads, S, d]; false when their heads are not known.
static bool haveHeads(const Operator &op) {
  if (!op.query || !op.key || !op.value || !op.pastKey != !op.pastValue)
    return false;
  if (rankedType(op.query) && rankedType(op.query).getRank() == 3)
    return hasHeads(op.query, op.heads) && hasHeads(op.key, op.kvHeads) && hasHeads(op.value, op.kvHeads) &&
           op.heads % op.kvHeads == 0;
  return isSplit(op.query) && isSplit(op.key) && isSplit(op.value) && rankedType(op.key).getDimSize(1) > 0 &&
         rankedType(op.query).getDimSize(1) % rankedType(op.key).getDimSize(1) == 0;
}

/// The mask of an operator whose parts are there.
static Value createMask(const Operator &op, const AttentionParts &parts, Nodes &nodes) {
  Value positions = nodes.sizeOf(parts.key, 2);
  Value past = op.pastKey ? nodes.sizeOf(op.pastKey, 2) : nodes.scalar(0);
  if (op.pastKey)
    positions = nodes.binary("Add", past, nodes.sizeOf(op.key, 2));
  MaskBuilder mask(nodes, parts.query, positions);
  if (op.mask)
    mask.addStated(op.mask, op.fill);
  if (op.lengths) {
    mask.addLengths(op.lengths);
    past = nodes.binary("Sub", nodes.reshape(op.lengths, {-1, 1, 1, 1}), nodes.sizeOf(parts.query, 2));
  }
  if (op.isCausal)
    mask.addCausal(past);
  return mask.build();
}

/// Whether only results that are known are read, and masks are tensors that can be worked with.
static bool isKnownForm(Operation *root, const Operator &op) {
  for (OpResult result : root->getResults().drop_front(std::min(3u, root->getNumResults())))
    if (!result.use_empty())
      return false;
  RankedTensorType mask = op.mask ? rankedType(op.mask) : RankedTensorType();
  bool isMask = mask && mask.getRank() >= 1 && mask.getRank() <= 4 &&
                (mask.getElementType().isInteger(1) || isa<FloatType>(mask.getElementType()));
  bool areLengths = !op.lengths || (rankedType(op.lengths) && rankedType(op.lengths).getElementType().isInteger(64));
  return (!op.mask || isMask) && areLengths && op.softcap >= 0;
}

/// The type of an operand after it has been split into heads.
static RankedTensorType splitType(Value value, int64_t heads) {
  RankedTensorType type = rankedType(value);
  if (type.getRank() == 4)
    return type;
  return RankedTensorType::get({type.getDimSize(0), heads, type.getDimSize(1), type.getDimSize(2) / heads},
                               type.getElementType());
}

namespace {
/// The types of the results, found before anything is made: what fails must change nothing.
struct ResultTypes {
  RankedTensorType output, key, value;
};
} // namespace

/// The type of keys or values of the whole cache, the root's result `index`; null when its readers cannot take it.
static RankedTensorType cacheType(Operation *root, unsigned index, Value past, RankedTensorType rows) {
  if (past)
    return fitsCache(rankedType(past), rows) ? appendedType(root, index, rankedType(past), rows) : RankedTensorType();
  bool isRead = index < root->getNumResults() && !root->getResult(index).use_empty();
  return isRead ? refineType(root->getResult(index), rows.getShape(), /*required=*/{1}) : rows;
}

static std::optional<ResultTypes> resultTypes(Operation *root, const Operator &op) {
  RankedTensorType query = splitType(op.query, op.heads), value = splitType(op.value, op.kvHeads);
  int64_t batch = query.getDimSize(0), heads = query.getDimSize(1), tokens = query.getDimSize(2);
  int64_t depth = value.getDimSize(3);
  bool isMerged = rankedType(op.query).getRank() == 3;
  ResultTypes types;
  types.output = isMerged ? refineType(root, {batch, tokens, heads * depth}, /*required=*/{2})
                          : refineType(root, {batch, heads, tokens, depth}, /*required=*/{1, 3});
  types.key = cacheType(root, 1, op.pastKey, splitType(op.key, op.kvHeads));
  types.value = cacheType(root, 2, op.pastValue, value);
  bool isKnown = types.output && types.key && types.value;
  return isKnown ? std::optional(types) : std::nullopt;
}

LogicalResult quantopt::recognizeFusedAttention(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  std::optional<Operator> op = standardAttention(node);
  if (!op)
    op = multiHeadAttention(node);
  if (!op || !haveHeads(*op) || !isKnownForm(root, *op))
    return failure();
  std::optional<ResultTypes> types = resultTypes(root, *op);
  if (!types)
    return failure();
  AttentionParts parts;
  parts.isMerged = rankedType(op->query).getRank() == 3;
  if (parts.isMerged) {
    op->query = toHeads(op->query, op->heads, root, rewriter);
    op->key = toHeads(op->key, op->kvHeads, root, rewriter);
    op->value = toHeads(op->value, op->kvHeads, root, rewriter);
  }
  parts.query = op->query;
  parts.key = op->pastKey ? createAppend(root, 1, op->pastKey, op->key, types->key, rewriter) : op->key;
  parts.value = op->pastValue ? createAppend(root, 2, op->pastValue, op->value, types->value, rewriter) : op->value;
  SmallVector<Value, 4> results{Value(), parts.key, parts.value};
  Nodes nodes(rewriter, root);
  parts.mask = createMask(*op, parts, nodes);
  parts.scale = op->scale ? *op->scale : float(1 / std::sqrt(double(rankedType(parts.query).getDimSize(3))));
  parts.softcap = op->softcap;
  parts.zeroMaskedRows = op->zeroMaskedRows;
  dropRepetition(parts);
  results[0] = createAttention(parts, types->output, root, rewriter);
  replaceRoot(rewriter, root, results);
  return success();
}
