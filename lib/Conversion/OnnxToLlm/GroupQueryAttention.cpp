//===- GroupQueryAttention.cpp - attention with its projections' heads, rope and cache ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Fused.h"
#include "quantopt/Dialect/Onnx/IR/GroupQueryInputs.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;
using namespace onnx::group_query;

namespace {

/// Matches one node and makes what it stands for.
class GroupQueryAttention {
public:
  GroupQueryAttention(Operation *root, NodeOpInterface node, RewriterBase &rewriter)
      : root(root), node(node), rewriter(rewriter), nodes(rewriter, root) {}
  LogicalResult recognize();

private:
  bool isKnownForm();
  bool findHeads();
  bool findTypes();
  bool hasTables();
  bool hasNorms();

  void splitOperands();
  Value part(Value packed, int64_t begin, int64_t end);
  void normalize(Value &x, unsigned weight);
  void rotate();
  Value writeCache(unsigned past, Value rows, RankedTensorType type);

  Value input(unsigned i) { return node.getNodeInput(i); }

  Operation *root;
  NodeOpInterface node;
  RewriterBase &rewriter;
  Nodes nodes;
  int64_t heads = 0, kvHeads = 0, depth = 0;
  RankedTensorType resultType, keyType, valueType;
  Value query, key, value; // [B, heads, S, d]
  Value first;             // of each sequence: the position of its first new token, [B]
};

} // namespace

//===----------------------------------------------------------------------------===//
// What is matched
//===----------------------------------------------------------------------------===//

/// Attributes whose values other than the default change what is computed in ways that are not known here.
static bool hasDefault(NodeOpInterface node, StringRef name, int64_t value) {
  return node.getInt(name, value) == value;
}

bool GroupQueryAttention::isKnownForm() {
  static constexpr StringLiteral known[] = {"causal",
                                            "do_rotary",
                                            "kv_num_heads",
                                            "k_quant_type",
                                            "local_window_size",
                                            "num_heads",
                                            "qk_norm_epsilon",
                                            "qk_output",
                                            "rotary_interleaved",
                                            "scale",
                                            "smooth_softmax",
                                            "softcap",
                                            "sliding_window_cache",
                                            "kv_cache_bit_width",
                                            "v_quant_type"};
  for (NamedAttribute attribute : node.getNodeAttrs())
    if (!llvm::is_contained(known, attribute.getName().getValue()))
      return false;
  bool hasCache = input(PastKey) && input(PastValue), hasNoCache = !input(PastKey) && !input(PastValue);
  bool isPlain = hasDefault(node, "causal", 1) && hasDefault(node, "qk_output", 0) &&
                 node.getInt("smooth_softmax", 0) <= 0 && hasDefault(node, "sliding_window_cache", 0) &&
                 node.getString("k_quant_type", "NONE") == "NONE" && node.getString("v_quant_type", "NONE") == "NONE";
  bool hasOnlyKnown =
      !input(HeadSink) && !input(KeyScale) && !input(ValueScale) && node.getNodeInputs().size() <= NumInputs;
  bool hasLengths =
      input(LastPositions) && rankedType(input(LastPositions)) && input(TotalLength) && rankedType(input(TotalLength));
  bool readsKnown =
      llvm::all_of(root->getResults(), [](OpResult r) { return r.getResultNumber() < 3 || r.use_empty(); });
  return (hasCache || hasNoCache) && isPlain && hasOnlyKnown && hasLengths && readsKnown &&
         node.getFloat("softcap", 0) >= 0;
}

/// Heads and their size, of queries that stand alone or with keys and values behind them.
bool GroupQueryAttention::findHeads() {
  heads = node.getInt("num_heads", 0);
  kvHeads = node.getInt("kv_num_heads", 0);
  if (heads <= 0 || heads > greatestSize || kvHeads <= 0 || heads % kvHeads || !input(Keys) != !input(Values))
    return false;
  if (input(Keys) && (!hasHeads(input(Keys), kvHeads) || !hasHeads(input(Values), kvHeads)))
    return false;
  int64_t all = input(Keys) ? heads : heads + 2 * kvHeads;
  if (!hasHeads(input(Queries), all))
    return false;
  depth = rankedType(input(Queries)).getDimSize(2) / all;
  int64_t kvDepth = input(Keys) ? rankedType(input(Keys)).getDimSize(2) / kvHeads : depth;
  int64_t valueDepth = input(Keys) ? rankedType(input(Values)).getDimSize(2) / kvHeads : depth;
  return kvDepth == depth && valueDepth == depth;
}

bool GroupQueryAttention::findTypes() {
  RankedTensorType query = rankedType(input(Queries));
  int64_t batch = query.getDimSize(0);
  resultType = refineType(root, {batch, query.getDimSize(1), heads * depth}, /*required=*/{2});
  SmallVector<int64_t> cacheShape{batch, kvHeads, ShapedType::kDynamic, depth};
  auto cacheType = [&](unsigned past) {
    unsigned result = past == PastKey ? 1 : 2;
    RankedTensorType stated = input(past) ? rankedType(input(past)) : RankedTensorType();
    bool fits = !input(past) || (stated && stated.getElementType() == query.getElementType() &&
                                 succeeded(verifyCompatibleShape(stated.getShape(), cacheShape)));
    if (!fits)
      return RankedTensorType();
    if (result >= root->getNumResults() || root->getResult(result).use_empty())
      return RankedTensorType::get(cacheShape, query.getElementType());
    return refineType(root->getResult(result), cacheShape, /*required=*/{1});
  };
  keyType = cacheType(PastKey);
  valueType = cacheType(PastValue);
  return resultType && keyType && valueType;
}

bool GroupQueryAttention::hasTables() {
  if (!node.getInt("do_rotary", 0))
    return true;
  RankedTensorType cos = input(Cos) ? rankedType(input(Cos)) : RankedTensorType();
  RankedTensorType sin = input(Sin) ? rankedType(input(Sin)) : RankedTensorType();
  RankedTensorType positions = input(Positions) ? rankedType(input(Positions)) : RankedTensorType();
  return cos && sin && cos.getRank() == 2 && sin.getRank() == 2 && !cos.isDynamicDim(1) &&
         cos.getDimSize(1) == sin.getDimSize(1) && 2 * cos.getDimSize(1) <= depth &&
         (!input(Positions) || (positions && positions.getRank() == 2));
}

bool GroupQueryAttention::hasNorms() {
  if (!input(QueryNorm) && !input(KeyNorm))
    return true;
  auto isScale = [&](Value weight) {
    return weight && isWeight(weight, 1) && rankedType(weight).getDimSize(0) == depth;
  };
  return isScale(input(QueryNorm)) && isScale(input(KeyNorm));
}

//===----------------------------------------------------------------------------===//
// What is made
//===----------------------------------------------------------------------------===//

/// Elements [begin, end) of a packed projection.
Value GroupQueryAttention::part(Value packed, int64_t begin, int64_t end) {
  rewriter.setInsertionPoint(root);
  Value linear = takeColumns(rewriter, packed, begin, end);
  return linear ? linear : nodes.sliceLast(packed, begin, end);
}

void GroupQueryAttention::splitOperands() {
  int64_t width = heads * depth, kvWidth = kvHeads * depth;
  query = input(Keys) ? input(Queries) : part(input(Queries), 0, width);
  key = input(Keys) ? input(Keys) : part(input(Queries), width, width + kvWidth);
  value = input(Keys) ? input(Values) : part(input(Queries), width + kvWidth, width + 2 * kvWidth);
  query = toHeads(query, heads, root, rewriter);
  key = toHeads(key, kvHeads, root, rewriter);
  value = toHeads(value, kvHeads, root, rewriter);
}

void GroupQueryAttention::normalize(Value &x, unsigned weight) {
  if (!input(weight))
    return;
  double eps = node.getFloat("qk_norm_epsilon", 1e-6f);
  rewriter.setInsertionPoint(root);
  x = llm::RmsNormOp::create(rewriter, root->getLoc(), x.getType(), x, input(weight), rewriter.getF64FloatAttr(eps));
}

void GroupQueryAttention::rotate() {
  if (!node.getInt("do_rotary", 0))
    return;
  Value positions = input(Positions);
  if (!positions)
    positions = nodes.binary("Add", nodes.reshape(first, {-1, 1}), nodes.range(nodes.sizeOf(query, 2)));
  RopeRows rows{nodes.gatherRows(input(Cos), positions), nodes.gatherRows(input(Sin), positions),
                node.getInt("rotary_interleaved", 0) != 0};
  query = createRope(query, rows, root, rewriter);
  key = createRope(key, rows, root, rewriter);
}

/// The cache with new rows at each sequence's first position; only the rows where there is no cache.
Value GroupQueryAttention::writeCache(unsigned past, Value rows, RankedTensorType type) {
  if (!input(past))
    return rows;
  Value length = input(TotalLength);
  if (rankedType(length).getRank() != 0)
    length = nodes.reshape(length, {});
  rewriter.setInsertionPoint(root);
  return llm::KvWriteOp::create(rewriter, root->getLoc(), type, input(past), rows, first, length);
}

LogicalResult GroupQueryAttention::recognize() {
  if (!isKnownForm() || !findHeads() || !findTypes() || !hasTables() || !hasNorms())
    return failure();
  Type i64 = rewriter.getI64Type();
  splitOperands();
  Value tokens = nodes.sizeOf(query, 2), zero = nodes.scalar(0);
  // A first prompt begins at 0, whatever padding follows it.
  Value last = nodes.castTo(nodes.reshape(input(LastPositions), {-1}), i64);
  first = nodes.max(nodes.binary("Sub", last, nodes.binary("Sub", tokens, nodes.scalar(1))), zero);
  normalize(query, QueryNorm);
  normalize(key, KeyNorm);
  rotate();
  AttentionParts parts{query, writeCache(PastKey, key, keyType), writeCache(PastValue, value, valueType)};
  Value positions = nodes.sizeOf(key, 2);
  if (input(PastKey))
    positions = nodes.max(nodes.castTo(nodes.reshape(input(TotalLength), {}), i64), nodes.sizeOf(input(PastKey), 2));
  MaskBuilder mask(nodes, query, positions);
  Value before = nodes.reshape(first, {-1, 1, 1, 1});
  int64_t window = node.getInt("local_window_size", -1);
  if (window > 0)
    mask.addWindow(before, window);
  else
    mask.addCausal(before);
  if (input(Bias))
    mask.addStated(input(Bias), 0);
  parts.mask = mask.build();
  parts.isMerged = true;
  parts.scale = node.getFloat("scale", 0);
  if (parts.scale == 0)
    parts.scale = 1 / std::sqrt(double(depth));
  parts.softcap = node.getFloat("softcap", 0);
  SmallVector<Value, 4> results(root->getNumResults());
  results[0] = createAttention(parts, resultType, root, rewriter);
  if (results.size() > 2) {
    results[1] = parts.key;
    results[2] = parts.value;
  }
  replaceRoot(rewriter, root, results);
  return success();
}

LogicalResult quantopt::recognizeGroupQueryAttention(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  if (!node || !node.isNode("GroupQueryAttention", "com.microsoft"))
    return failure();
  return GroupQueryAttention(root, node, rewriter).recognize();
}

//===----------------------------------------------------------------------------===//
// TensorScatter
//===----------------------------------------------------------------------------===//

LogicalResult quantopt::recognizeTensorScatter(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  if (!node || !node.isNode("TensorScatter") || node.getString("mode", "linear") != "linear")
    return failure();
  Value cache = node.getNodeInput(0), rows = node.getNodeInput(1), index = node.getNodeInput(2);
  RankedTensorType cacheType = rankedType(cache), rowType = rankedType(rows);
  // Without an index all rows go to the start, which no decoder wants.
  if (!index || !cacheType || !rowType || cacheType.getRank() != 4 || rowType.getRank() != 4 ||
      cacheType.getElementType() != rowType.getElementType() || !isAxis(node.getInt("axis", -2), 2, cacheType) ||
      !rankedType(index) || rankedType(index).getRank() != 1)
    return failure();
  RankedTensorType type = refineType(root, cacheType.getShape());
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  replaceRoot(rewriter, root, llm::KvWriteOp::create(rewriter, root->getLoc(), type, cache, rows, index, Value()));
  return success();
}
