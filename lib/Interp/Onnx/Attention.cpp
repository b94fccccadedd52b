//===- Attention.cpp - attention operators of ONNX ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Attention.h"
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cmath>
#include <cstring>
#include <limits>

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;
using compute::Unary;

static constexpr double minusInfinity = -std::numeric_limits<double>::infinity();

/// Additive mask [B, 1, S, T] of `type` from a rule: 0 where `sees(batch, query, position)`.
static Tensor maskWhere(int64_t batches, int64_t queries, int64_t positions, DType type,
                        llvm::function_ref<bool(int64_t, int64_t, int64_t)> sees) {
  Tensor mask(DType::F64, {batches, 1, queries, positions});
  double *element = mask.mutableData<double>().data();
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t s = 0; s < queries; ++s)
      for (int64_t t = 0; t < positions; ++t)
        *element++ = sees(b, s, t) ? 0.0 : minusInfinity;
  return convert(mask, type);
}

/// The sum of two masks, either of which may be null.
static llvm::Expected<Tensor> addMasks(const Tensor &a, const Tensor &b) {
  if (!a || !b)
    return a ? a : b;
  return compute::binary(Binary::Add, a, b);
}

/// `attn_mask` as numbers to add, of all positions: what is missing at the end is masked.
static llvm::Expected<Tensor> statedMask(const Tensor &stated, int64_t positions, DType type) {
  if (!stated)
    return stated;
  Tensor hidden = compute::scalar(minusInfinity, type);
  llvm::Expected<Tensor> mask = convert(stated, type);
  if (stated.dtype() == DType::Bool)
    mask = compute::where(stated, compute::scalar(0, type), hidden);
  int64_t missing = mask ? positions - mask->dim(-1) : 0;
  if (!mask || missing <= 0 || mask->dim(-1) == 1)
    return mask;
  compute::Shape begins(mask->rank(), 0), ends(mask->rank(), 0);
  ends.back() = missing;
  return compute::pad(*mask, begins, ends, hidden);
}

namespace {

/// The operands of an attention in [B, heads, S, D].
struct Heads {
  Tensor q, k, v;
  /// Whether the node states [B, S, heads · D].
  bool merged = false;
};

} // namespace

static llvm::Expected<Heads> headsOf(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  Heads heads{context.operand(0), context.operand(1), context.operand(2), context.operand(0).rank() == 3};
  if (!heads.merged)
    return heads;
  int64_t queryHeads = node.getInt("q_num_heads", 0), kvHeads = node.getInt("kv_num_heads", 0);
  for (auto [tensor, count] :
       {std::pair(&heads.q, queryHeads), std::pair(&heads.k, kvHeads), std::pair(&heads.v, kvHeads)}) {
    llvm::Expected<Tensor> split = splitHeads(*tensor, count);
    if (!split)
      return split.takeError();
    *tensor = std::move(*split);
  }
  return heads;
}

/// Everything that hides positions: attn_mask, causality, the lengths of padded caches.
static llvm::Expected<Tensor> wholeMask(KernelContext &context, const Heads &heads, int64_t past) {
  int64_t batches = heads.q.dim(0), queries = heads.q.dim(2), positions = heads.k.dim(2);
  DType type = compute::arithmeticType(heads.q.dtype());
  llvm::Expected<Tensor> mask = statedMask(context.operand(3), positions, type);
  llvm::SmallVector<int64_t> lengths;
  if (context.has(6))
    lengths = compute::toIntegers(context.operand(6));
  if (context.node().getInt("is_causal", 0)) {
    Tensor causal =
        maskWhere(lengths.empty() ? 1 : batches, queries, positions, type, [&](int64_t b, int64_t s, int64_t t) {
          return t <= s + (lengths.empty() ? past : lengths[b] - queries);
        });
    if (mask)
      mask = addMasks(*mask, causal);
  }
  if (!lengths.empty() && mask)
    mask = addMasks(
        *mask, maskWhere(batches, 1, positions, type, [&](int64_t b, int64_t, int64_t t) { return t < lengths[b]; }));
  return mask;
}

/// Heads of a cache repeated for the query heads that read them.
static llvm::Expected<Tensor> repeatHeads(const Tensor &x, int64_t heads) {
  llvm::SmallVector<int64_t> which;
  for (int64_t h = 0; h < heads; ++h)
    which.push_back(h / (heads / x.dim(1)));
  return compute::gather(x, Tensor::from<int64_t>(DType::I64, {heads}, which), 1);
}

/// `step` applied to what is there.
static void then(llvm::Expected<Tensor> &x, llvm::function_ref<llvm::Expected<Tensor>(const Tensor &)> step) {
  if (x)
    x = step(*x);
}

/// What output 3 shows: 0 the scaled scores, 1 after the cap, 2 with the mask, 3 the weights.
static llvm::Expected<Tensor> scoresAt(int64_t mode, const Heads &heads, const Tensor &mask,
                                       compute::AttentionOptions options) {
  DType type = compute::arithmeticType(heads.q.dtype());
  Tensor q = convert(heads.q, type);
  llvm::Expected<Tensor> scores = repeatHeads(convert(heads.k, type), q.dim(1));
  then(scores, [&](const Tensor &k) { return compute::transpose(k, {0, 1, 3, 2}); });
  then(scores, [&](const Tensor &k) { return compute::matmul(q, k); });
  auto times = [&](double factor) {
    then(scores, [&](const Tensor &x) { return compute::binary(Binary::Mul, x, compute::scalar(factor, type)); });
  };
  times(options.scale);
  if (mode >= 1 && options.softcap != 0) {
    times(1 / options.softcap);
    then(scores, [&](const Tensor &x) { return compute::unary(Unary::Tanh, x); });
    times(options.softcap);
  }
  if (mode >= 2 && mask)
    then(scores, [&](const Tensor &x) { return compute::binary(Binary::Add, x, mask); });
  if (mode == 3) {
    then(scores, [&](const Tensor &x) { return compute::softmax(x, -1); });
    // Rows without a position are NaN here; they count as zero.
    then(scores, [&](const Tensor &x) -> llvm::Expected<Tensor> {
      llvm::Expected<Tensor> undefined = compute::unary(Unary::IsNaN, x);
      if (!undefined)
        return undefined;
      return compute::where(*undefined, compute::scalar(0, type), x);
    });
  }
  if (!scores)
    return scores;
  return convert(*scores, heads.q.dtype());
}

static llvm::Expected<Tensors> attention(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  llvm::Expected<Heads> heads = headsOf(context);
  if (!heads)
    return heads.takeError();
  int64_t past = 0;
  if (context.has(4)) {
    past = context.operand(4).dim(2);
    llvm::Expected<Tensor> k = compute::concat({context.operand(4), heads->k}, 2);
    llvm::Expected<Tensor> v = compute::concat({context.operand(5), heads->v}, 2);
    if (!k || !v)
      return llvm::joinErrors(k.takeError(), v.takeError());
    heads->k = std::move(*k);
    heads->v = std::move(*v);
  }
  llvm::Expected<Tensor> mask = wholeMask(context, *heads, past);
  if (!mask)
    return mask.takeError();
  compute::AttentionOptions options;
  options.scale = node.getFloat("scale", float(1 / std::sqrt(double(heads->q.dim(3)))));
  options.softcap = node.getFloat("softcap", 0);
  options.zeroMaskedRows = true;
  llvm::Expected<Tensor> result = compute::attention(heads->q, heads->k, heads->v, *mask, options);
  if (result && heads->merged)
    result = mergeHeads(*result);
  if (!result)
    return result.takeError();
  Tensors results{*result, heads->k, heads->v};
  if (context.wantsResult(3)) {
    llvm::Expected<Tensor> scores = scoresAt(node.getInt("qk_matmul_output_mode", 0), *heads, *mask, options);
    if (!scores)
      return scores.takeError();
    results.push_back(std::move(*scores));
  }
  return results;
}

//===----------------------------------------------------------------------------===//
// com.microsoft::GroupQueryAttention
//===----------------------------------------------------------------------------===//

namespace {

enum GroupQueryInput : unsigned {
  Query,
  Key,
  Value,
  PastKey,
  PastValue,
  Lengths,
  TotalLength,
  Cos,
  Sin,
  Positions,
  Bias
};

} // namespace

/// Queries, keys and values, which may come in one tensor.
static llvm::Expected<Heads> groupQueryHeads(KernelContext &context, int64_t heads, int64_t kvHeads) {
  Heads parts{context.operand(Query), context.operand(Key), context.operand(Value), true};
  if (!context.has(Key)) {
    int64_t depth = parts.q.dim(2) / (heads + 2 * kvHeads);
    auto pieces = compute::split(parts.q, {heads * depth, kvHeads * depth, kvHeads * depth}, 2);
    if (!pieces)
      return pieces.takeError();
    parts = {(*pieces)[0], (*pieces)[1], (*pieces)[2], true};
  }
  for (auto [tensor, count] :
       {std::pair(&parts.q, heads), std::pair(&parts.k, kvHeads), std::pair(&parts.v, kvHeads)}) {
    llvm::Expected<Tensor> split = splitHeads(*tensor, count);
    if (!split)
      return split.takeError();
    *tensor = std::move(*split);
  }
  return parts;
}

/// The cache with `rows` [B, H, S, D] written from each batch's position on, `length` positions long.
static Tensor appendRows(const Tensor &past, const Tensor &rows, llvm::ArrayRef<int64_t> from, int64_t length) {
  int64_t batches = rows.dim(0), heads = rows.dim(1), count = rows.dim(2), depth = rows.dim(3);
  Tensor result = Tensor::zeros(rows.dtype(), {batches, heads, length, depth});
  int64_t rowBytes = depth * bytesInMemory(rows.dtype()), pastLength = past ? past.dim(2) : 0;
  for (int64_t i = 0; i < batches * heads; ++i) {
    int64_t kept = std::min(from[i / heads], pastLength);
    char *target = result.mutableRaw() + i * length * rowBytes;
    if (kept > 0)
      std::memcpy(target, past.raw() + i * pastLength * rowBytes, kept * rowBytes);
    std::memcpy(target + from[i / heads] * rowBytes, rows.raw() + i * count * rowBytes, count * rowBytes);
  }
  return result;
}

static llvm::Error checkGroupQuery(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  if (node.getInt("local_window_size", -1) > 0)
    return unsupported("local windows of GroupQueryAttention cannot be computed");
  bool isPlain = node.getInt("smooth_softmax", 0) <= 0;
  for (unsigned i = Bias + 1; i < context.numOperands(); ++i)
    isPlain &= !context.has(i);
  if (!isPlain)
    return unsupported("this form of GroupQueryAttention cannot be computed");
  return llvm::Error::success();
}

/// Rotates queries and keys where the node says so.
static llvm::Error rotateHeads(KernelContext &context, Heads &heads, llvm::ArrayRef<int64_t> from) {
  onnx::NodeOpInterface node = context.node();
  if (!node.getInt("do_rotary", 0))
    return llvm::Error::success();
  compute::RotaryTables tables{
      context.operand(Cos), context.operand(Sin), {}, node.getInt("rotary_interleaved", 0) != 0};
  if (context.has(Positions))
    tables.positions = compute::toIntegers(context.operand(Positions));
  else
    for (int64_t b = 0; b < heads.q.dim(0); ++b)
      for (int64_t s = 0; s < heads.q.dim(2); ++s)
        tables.positions.push_back(from[b] + s);
  for (Tensor *x : {&heads.q, &heads.k}) {
    llvm::Expected<Tensor> turned = compute::rotary(*x, tables);
    if (!turned)
      return turned.takeError();
    *x = std::move(*turned);
  }
  return llvm::Error::success();
}

static llvm::Expected<Tensors> groupQueryAttention(KernelContext &context) {
  if (llvm::Error error = checkGroupQuery(context))
    return error;
  onnx::NodeOpInterface node = context.node();
  llvm::Expected<Heads> heads = groupQueryHeads(context, node.getInt("num_heads", 0), node.getInt("kv_num_heads", 0));
  if (!heads)
    return heads.takeError();
  int64_t batches = heads->q.dim(0), queries = heads->q.dim(2);
  int64_t pastLength = context.has(PastKey) ? context.operand(PastKey).dim(2) : 0;
  int64_t total = compute::toIntegers(context.operand(TotalLength))[0], length = std::max(pastLength, total);
  // Where each batch's new rows begin: in a first prompt at 0, padding follows them.
  bool isFirst = pastLength == 0 || (queries > 1 && queries == total);
  llvm::SmallVector<int64_t> from(batches, 0);
  llvm::SmallVector<int64_t> last = compute::toIntegers(context.operand(Lengths));
  for (int64_t b = 0; b < batches && !isFirst; ++b)
    from[b] = last[b] + 1 - queries;
  for (int64_t start : from)
    if (start < 0 || start + queries > length)
      return compute::makeError("seqlens_k and total_sequence_length do not fit " + llvm::Twine(queries) +
                                " new tokens");
  if (llvm::Error error = rotateHeads(context, *heads, from))
    return error;
  Tensor k = appendRows(context.operand(PastKey), heads->k, from, length);
  Tensor v = appendRows(context.operand(PastValue), heads->v, from, length);
  DType type = compute::arithmeticType(heads->q.dtype());
  llvm::Expected<Tensor> mask = addMasks(
      maskWhere(batches, queries, length, type, [&](int64_t b, int64_t s, int64_t t) { return t <= from[b] + s; }),
      context.has(Bias) ? convert(context.operand(Bias), type) : Tensor());
  if (!mask)
    return mask.takeError();
  compute::AttentionOptions options;
  options.scale = node.getFloat("scale", 0);
  if (options.scale == 0)
    options.scale = 1 / std::sqrt(double(heads->q.dim(3)));
  options.softcap = node.getFloat("softcap", 0);
  llvm::Expected<Tensor> result = compute::attention(heads->q, k, v, *mask, options);
  if (result)
    result = mergeHeads(*result);
  if (!result)
    return result.takeError();
  return Tensors{*result, k, v};
}

void interp::registerAttentionKernels(KernelRegistry &registry) {
  registry.addNode("::Attention", attention);
  registry.addNode("com.microsoft::GroupQueryAttention", groupQueryAttention);
}
