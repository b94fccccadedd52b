//===- MultiHead.cpp - com.microsoft::MultiHeadAttention and Attention --===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionParts.h"
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;

namespace {

/// Inputs of MultiHeadAttention.
enum Input : unsigned { Query, Key, Value, Bias, KeyMask, ScoreBias, PastKey, PastValue, PastLength, Beams };

/// What the two operators have in common once queries, keys and values are there.
struct Attended {
  Heads heads;
  int64_t past = 0;
  /// Null, or as the operators describe it, and scores to add.
  Tensor keyMask, scoreBias;
};

} // namespace

/// The additive form of a mask of keys: [B] or [2B] lengths (and starts), or flags [B, T], [B, S, T].
static llvm::Expected<Tensor> keyMaskOf(const Tensor &mask, const Heads &heads, double hidden, DType type) {
  if (!mask)
    return Tensor();
  int64_t batches = heads.q.dim(0), queries = heads.q.dim(2), positions = heads.k.dim(2);
  llvm::SmallVector<int64_t> values = compute::toIntegers(mask);
  if (mask.rank() == 1 && (mask.dim(0) == batches || mask.dim(0) == 2 * batches)) {
    bool hasStarts = mask.dim(0) == 2 * batches;
    return maskWhere(
        batches, 1, positions, type,
        [&](int64_t b, int64_t, int64_t t) { return t < values[b] && (!hasStarts || t >= values[batches + b]); },
        hidden);
  }
  bool isPerKey = mask.rank() == 2 && mask.dim(0) == batches && mask.dim(1) == positions;
  if (isPerKey)
    return maskWhere(
        batches, 1, positions, type, [&](int64_t b, int64_t, int64_t t) { return values[b * positions + t] != 0; },
        hidden);
  bool isPerScore = mask.rank() == 3 && mask.dim(0) == batches && mask.dim(1) == queries && mask.dim(2) == positions;
  if (isPerScore)
    return maskWhere(
        batches, queries, positions, type,
        [&](int64_t b, int64_t s, int64_t t) { return values[(b * queries + s) * positions + t] != 0; }, hidden);
  return unsupported("a key mask of " + compute::toString(mask.shape()) + " cannot be computed with");
}

/// The attention [B, S, heads · D] and, where it is wanted, its weights.
static llvm::Expected<std::pair<Tensor, Tensor>> attend(KernelContext &context, const Attended &x, bool wantsWeights) {
  onnx::NodeOpInterface node = context.node();
  const Heads &heads = x.heads;
  DType type = compute::arithmeticType(heads.q.dtype());
  llvm::Expected<Tensor> mask = keyMaskOf(x.keyMask, heads, node.getFloat("mask_filter_value", -10000.0f), type);
  if (mask && node.getInt("unidirectional", 0))
    mask = addMasks(*mask, maskWhere(1, heads.q.dim(2), heads.k.dim(2), type,
                                     [&](int64_t, int64_t s, int64_t t) { return t <= x.past + s; }));
  if (mask && x.scoreBias)
    mask = addMasks(*mask, convert(x.scoreBias, type));
  if (!mask)
    return mask.takeError();
  compute::AttentionOptions options;
  options.scale = node.getFloat("scale", 0);
  if (options.scale == 0)
    options.scale = 1 / std::sqrt(double(heads.q.dim(3)));
  llvm::Expected<Tensor> weights = wantsWeights ? scoresAt(3, heads, *mask, options) : Tensor();
  llvm::Expected<Tensor> result = compute::attention(heads.q, heads.k, heads.v, *mask, options);
  if (result)
    result = mergeHeads(*result);
  if (!result || !weights)
    return llvm::joinErrors(result.takeError(), weights.takeError());
  return std::pair(*result, *weights);
}

/// Part `i` of a packed tensor [B, S, N, parts, H], as [B, S, N · H].
static llvm::Expected<Tensor> packedPart(const Tensor &packed, int64_t i) {
  llvm::Expected<Tensor> part = compute::gather(packed, Tensor::from<int64_t>(DType::I64, {}, {i}), 3);
  if (!part)
    return part;
  return part->reshaped({packed.dim(0), packed.dim(1), packed.dim(2) * packed.dim(4)});
}

/// Queries, keys and values before they are split into heads; keys and values that are split already stay so.
static llvm::Expected<Heads> unpack(KernelContext &context) {
  Heads parts{context.operand(Query), context.operand(Key), context.operand(Value), true};
  bool isPacked = parts.q.rank() == 5, keysArePacked = parts.k && parts.k.rank() == 5;
  if (!isPacked && !keysArePacked)
    return parts;
  const Tensor packed = isPacked ? parts.q : parts.k;
  int64_t first = isPacked ? 1 : 0;
  llvm::Expected<Tensor> q = isPacked ? packedPart(packed, 0) : llvm::Expected<Tensor>(parts.q);
  llvm::Expected<Tensor> k = packedPart(packed, first), v = packedPart(packed, first + 1);
  if (!q || !k || !v)
    return llvm::joinErrors(q.takeError(), llvm::joinErrors(k.takeError(), v.takeError()));
  return Heads{*q, *k, *v, true};
}

/// Adds the parts of the projections' bias.
static llvm::Error addBiases(const Tensor &bias, Heads &parts) {
  int64_t from = 0;
  for (Tensor *x : {&parts.q, &parts.k, &parts.v}) {
    if (x->rank() != 3)
      return llvm::Error::success();
    llvm::Expected<Tensor> own = compute::slice(bias, {from}, {from + x->dim(2)}, {0}, {1});
    llvm::Expected<Tensor> sum = own ? compute::binary(Binary::Add, *x, *own) : std::move(own);
    if (!sum)
      return sum.takeError();
    from += x->dim(2);
    *x = std::move(*sum);
  }
  return llvm::Error::success();
}

static llvm::Expected<Tensors> multiHeadAttention(KernelContext &context) {
  if (context.has(PastLength) || context.has(Beams))
    return unsupported("shared caches and beams of MultiHeadAttention cannot be computed");
  llvm::Expected<Heads> parts = unpack(context);
  if (!parts)
    return parts.takeError();
  if (!parts->k || !parts->v)
    return compute::makeError("expected keys and values, or all in one tensor of 5 dimensions");
  if (context.has(Bias))
    if (llvm::Error error = addBiases(context.operand(Bias), *parts))
      return error;
  for (Tensor *x : {&parts->q, &parts->k, &parts->v}) {
    // Keys and values of cross attention come split into heads.
    llvm::Expected<Tensor> split =
        x->rank() == 4 ? llvm::Expected<Tensor>(*x) : splitHeads(*x, context.node().getInt("num_heads", 0));
    if (!split)
      return split.takeError();
    *x = std::move(*split);
  }
  Attended attended{*parts, 0, context.operand(KeyMask), context.operand(ScoreBias)};
  if (context.has(PastKey) && context.operand(PastKey).rank() == 4)
    attended.past = context.operand(PastKey).dim(2);
  llvm::Expected<Tensor> k = appendToCache(context.operand(PastKey), parts->k);
  llvm::Expected<Tensor> v = appendToCache(context.operand(PastValue), parts->v);
  if (!k || !v)
    return llvm::joinErrors(k.takeError(), v.takeError());
  attended.heads.k = *k;
  attended.heads.v = *v;
  auto result = attend(context, attended, context.wantsResult(3));
  if (!result)
    return result.takeError();
  return Tensors{result->first, *k, *v, result->second};
}

/// com.microsoft::Attention: the projections of input 0 by weight [D, q + k + v] and bias, then attention over them
/// and the past [2, B, N, P, H].
static llvm::Expected<Tensors> projectedAttention(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  if (node.getInt("do_rotary", 0) || node.getInt("past_present_share_buffer", 0))
    return unsupported("rotation and shared caches of com.microsoft::Attention cannot be computed");
  llvm::Expected<Tensor> projected = compute::matmul(context.operand(0), context.operand(1));
  if (projected && context.has(2))
    projected = compute::binary(Binary::Add, *projected, context.operand(2));
  if (!projected)
    return projected.takeError();
  int64_t third = projected->dim(-1) / 3;
  llvm::SmallVector<int64_t> sizes{third, third, third};
  if (std::optional<llvm::ArrayRef<int64_t>> stated = node.getInts("qkv_hidden_sizes"))
    sizes.assign(stated->begin(), stated->end());
  auto pieces = compute::split(*projected, sizes, 2);
  if (!pieces)
    return pieces.takeError();
  if (pieces->size() != 3)
    return compute::makeError("expected three qkv_hidden_sizes");
  Attended attended{{(*pieces)[0], (*pieces)[1], (*pieces)[2], true}, 0, context.operand(3), context.operand(5)};
  Heads &heads = attended.heads;
  if (llvm::Error error = splitAll(heads, node.getInt("num_heads", 0), node.getInt("num_heads", 0)))
    return error;
  if (context.has(4)) {
    if (context.operand(4).rank() != 5)
      return compute::makeError("expected a past of 5 dimensions, not " +
                                compute::toString(context.operand(4).shape()));
    auto caches = compute::split(context.operand(4), {1, 1}, 0);
    if (!caches)
      return caches.takeError();
    attended.past = context.operand(4).dim(3);
    for (auto [x, cache] : {std::pair(&heads.k, (*caches)[0]), std::pair(&heads.v, (*caches)[1])}) {
      llvm::Expected<Tensor> whole = appendToCache(cache.reshaped(cache.shape().drop_front()), *x);
      if (!whole)
        return whole.takeError();
      *x = std::move(*whole);
    }
  }
  auto result = attend(context, attended, false);
  if (!result)
    return result.takeError();
  Tensors results{result->first};
  if (context.wantsResult(1)) {
    compute::Shape shape(heads.k.shape());
    shape.insert(shape.begin(), 1);
    llvm::Expected<Tensor> present = compute::concat({heads.k.reshaped(shape), heads.v.reshaped(shape)}, 0);
    if (!present)
      return present.takeError();
    results.push_back(*present);
  }
  return results;
}

void interp::registerMultiHeadKernels(KernelRegistry &registry) {
  registry.addNode("com.microsoft::MultiHeadAttention", multiHeadAttention);
  registry.addNode("com.microsoft::Attention", projectedAttention);
}
