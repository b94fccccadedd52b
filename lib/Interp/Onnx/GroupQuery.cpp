//===- GroupQuery.cpp - com.microsoft::GroupQueryAttention --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionParts.h"
#include "Kernels.h"
#include "quantopt/Dialect/Onnx/IR/GroupQueryInputs.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;
using namespace quantopt::onnx::group_query;

namespace {

/// Where the tokens of a step stand, for each batch.
struct Step {
  int64_t batches, queries;
  /// The position of the first new token, and how many tokens there are with the new ones.
  llvm::SmallVector<int64_t> from, total;
  /// The position of the first row of the cache, and how many of its rows hold tokens before the step.
  llvm::SmallVector<int64_t> base, resident;
  /// Rows of the cache after the step.
  int64_t capacity;
  /// Tokens that a query sees, itself included; 0: all.
  int64_t window;
  bool evicts, causal;
};

} // namespace

/// Queries, keys and values, which may come in one tensor.
static llvm::Expected<Heads> headsOf(KernelContext &context, int64_t heads, int64_t kvHeads) {
  Heads parts{context.operand(Queries), context.operand(Keys), context.operand(Values), true};
  if (heads <= 0 || kvHeads <= 0)
    return compute::makeError("num_heads and kv_num_heads are " + llvm::Twine(heads) + " and " + llvm::Twine(kvHeads));
  if (!context.has(Keys)) {
    if (parts.q.rank() != 3)
      return compute::makeError("expected queries of 3 dimensions, not " + compute::toString(parts.q.shape()));
    int64_t depth = parts.q.dim(-1) / (heads + 2 * kvHeads);
    auto pieces = compute::split(parts.q, {heads * depth, kvHeads * depth, kvHeads * depth}, 2);
    if (!pieces)
      return pieces.takeError();
    parts = {(*pieces)[0], (*pieces)[1], (*pieces)[2], true};
  }
  if (llvm::Error error = splitAll(parts, heads, kvHeads))
    return error;
  return parts;
}

static llvm::Error checkForm(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  if (context.has(KeyScale) || context.has(ValueScale))
    return unsupported("quantized caches of GroupQueryAttention cannot be computed");
  if (context.wantsResult(3))
    return unsupported("the scores that GroupQueryAttention returns cannot be computed");
  if (context.has(QueryNorm) != context.has(KeyNorm))
    return compute::makeError("expected norms for both queries and keys");
  if (node.getInt("sliding_window_cache", 0) && (context.has(Bias) || node.getInt("local_window_size", -1) <= 0))
    return unsupported("sliding_window_cache without a window, or with an attention_bias, cannot be computed");
  return llvm::Error::success();
}

/// Rows that a cache of `capacity` rows keeps of `tokens` tokens for a window: it drops several at once.
static int64_t residentRows(int64_t tokens, int64_t capacity, int64_t window) {
  int64_t slack = capacity - window + 1;
  return tokens <= capacity ? tokens : tokens - slack * int64_t(llvm::divideCeil(tokens - capacity, slack));
}

/// Caches are [B, heads, rows, D] of the keys' type, with equally many rows; or there are none.
static llvm::Error checkCaches(KernelContext &context, const Heads &heads) {
  if (context.has(PastKey) != context.has(PastValue))
    return compute::makeError("expected caches of both keys and values");
  for (auto [cache, rows] : {std::pair(PastKey, heads.k), std::pair(PastValue, heads.v)}) {
    const Tensor &past = context.operand(cache);
    if (!past)
      continue;
    bool fits = past.rank() == 4 && past.dtype() == rows.dtype() && past.dim(0) == rows.dim(0) &&
                past.dim(1) == rows.dim(1) && past.dim(3) == rows.dim(3) &&
                past.dim(2) == context.operand(PastKey).dim(2);
    if (!fits)
      return compute::makeError("a cache of " + compute::toString(past.shape()) + " does not fit keys or values of " +
                                compute::toString(rows.shape()));
  }
  bool sameRows = heads.k.dim(0) == heads.q.dim(0) && heads.k.dim(2) == heads.q.dim(2) &&
                  heads.v.dim(0) == heads.q.dim(0) && heads.v.dim(2) == heads.q.dim(2);
  if (!sameRows)
    return compute::makeError("expected as many keys and values as queries");
  return llvm::Error::success();
}

static llvm::Expected<Step> stepOf(KernelContext &context, const Heads &heads) {
  onnx::NodeOpInterface node = context.node();
  Step step;
  step.batches = heads.q.dim(0);
  step.queries = heads.q.dim(2);
  step.evicts = node.getInt("sliding_window_cache", 0);
  step.causal = node.getInt("causal", 1);
  step.window = std::max<int64_t>(node.getInt("local_window_size", -1), 0);
  llvm::SmallVector<int64_t> last = compute::toIntegers(context.operand(LastPositions));
  llvm::SmallVector<int64_t> longest = compute::toIntegers(context.operand(TotalLength));
  if (int64_t(last.size()) != step.batches || longest.size() != 1)
    return compute::makeError("expected one element of seqlens_k per batch and one total_sequence_length");
  int64_t pastLength = context.has(PastKey) ? context.operand(PastKey).dim(2) : 0;
  step.capacity = step.evicts ? pastLength : std::max(pastLength, longest[0]);
  if (step.evicts && step.capacity < step.window)
    return compute::makeError("a cache of " + llvm::Twine(step.capacity) + " rows is too short for a window of " +
                              llvm::Twine(step.window));
  // In a first prompt all rows begin at 0, and padding follows them.
  bool isFirst = pastLength == 0 || (step.queries > 1 && step.queries == longest[0]);
  for (int64_t b = 0; b < step.batches; ++b) {
    int64_t from = isFirst ? 0 : last[b] + 1 - step.queries, total = last[b] + 1;
    bool fits = from >= 0 && total >= 0 && total <= from + step.queries &&
                (step.evicts || from + step.queries <= step.capacity);
    if (!fits)
      return compute::makeError("seqlens_k and total_sequence_length do not fit " + llvm::Twine(step.queries) +
                                " new tokens");
    int64_t resident = step.evicts ? residentRows(from, step.capacity, step.window) : std::min(from, pastLength);
    step.from.push_back(from);
    step.total.push_back(total);
    step.resident.push_back(resident);
    step.base.push_back(step.evicts ? from - resident : 0);
  }
  return step;
}

/// Normalises queries and keys per head where the node says so.
static llvm::Error normalizeHeads(KernelContext &context, Heads &heads) {
  if (!context.has(QueryNorm))
    return llvm::Error::success();
  float epsilon = context.node().getFloat("qk_norm_epsilon", 1e-6f);
  for (auto [x, norm] : {std::pair(&heads.q, QueryNorm), std::pair(&heads.k, KeyNorm)}) {
    llvm::Expected<Tensor> result = compute::rmsNorm(*x, context.operand(norm), epsilon, 3);
    if (!result)
      return result.takeError();
    *x = std::move(*result);
  }
  return llvm::Error::success();
}

/// Rotates queries and keys where the node says so.
static llvm::Error rotateHeads(KernelContext &context, Heads &heads, const Step &step) {
  onnx::NodeOpInterface node = context.node();
  if (!node.getInt("do_rotary", 0))
    return llvm::Error::success();
  if (!context.has(Cos) || !context.has(Sin))
    return compute::makeError("do_rotary needs cos_cache and sin_cache");
  compute::RotaryTables tables{
      context.operand(Cos), context.operand(Sin), {}, node.getInt("rotary_interleaved", 0) != 0};
  if (context.has(Positions))
    tables.positions = compute::toIntegers(context.operand(Positions));
  else
    for (int64_t b = 0; b < step.batches; ++b)
      for (int64_t s = 0; s < step.queries; ++s)
        tables.positions.push_back(step.from[b] + s);
  for (Tensor *x : {&heads.q, &heads.k}) {
    llvm::Expected<Tensor> turned = compute::rotary(*x, tables);
    if (!turned)
      return turned.takeError();
    *x = std::move(*turned);
  }
  return llvm::Error::success();
}

/// The resident rows of a cache and behind them the new rows [B, H, S, D]: `length` rows for each batch.
static Tensor appendRows(const Tensor &past, const Tensor &rows, const Step &step, int64_t length) {
  int64_t heads = rows.dim(1), count = rows.dim(2), depth = rows.dim(3);
  Tensor result = Tensor::zeros(rows.dtype(), {step.batches, heads, length, depth});
  int64_t rowBytes = depth * bytesInMemory(rows.dtype());
  for (int64_t i = 0; i < step.batches * heads; ++i) {
    int64_t kept = step.resident[i / heads];
    char *target = result.mutableRaw() + i * length * rowBytes;
    if (kept > 0)
      std::memcpy(target, past.raw() + i * past.dim(2) * rowBytes, kept * rowBytes);
    int64_t at = step.from[i / heads] - step.base[i / heads];
    std::memcpy(target + at * rowBytes, rows.raw() + i * count * rowBytes, count * rowBytes);
  }
  return result;
}

/// What a cache that evicts holds after the step: the newest rows of `rows`, zeros behind them.
static Tensor keepNewest(const Tensor &rows, const Step &step) {
  int64_t heads = rows.dim(1), length = rows.dim(2), rowBytes = rows.dim(3) * bytesInMemory(rows.dtype());
  Tensor cache = Tensor::zeros(rows.dtype(), {step.batches, heads, step.capacity, rows.dim(3)});
  for (int64_t i = 0; i < step.batches * heads; ++i) {
    int64_t b = i / heads, kept = residentRows(step.total[b], step.capacity, step.window);
    int64_t first = step.total[b] - kept - step.base[b];
    std::memcpy(cache.mutableRaw() + i * step.capacity * rowBytes, rows.raw() + (i * length + first) * rowBytes,
                kept * rowBytes);
  }
  return cache;
}

/// Which of `length` rows each query sees, and attention_bias.
static llvm::Expected<Tensor> maskOf(KernelContext &context, const Step &step, int64_t length, DType type) {
  Tensor visible = maskWhere(step.batches, step.queries, length, type, [&](int64_t b, int64_t s, int64_t t) {
    int64_t position = step.base[b] + t, own = step.from[b] + s;
    if (!step.causal)
      return position < step.total[b];
    return position <= own && (step.window == 0 || position + step.window >= own + 1);
  });
  if (!context.has(Bias))
    return visible;
  Tensor bias = convert(context.operand(Bias), type);
  if (bias.rank() != 4)
    return compute::makeError("expected an attention_bias of 4 dimensions, not " + compute::toString(bias.shape()));
  int64_t missing = length - bias.dim(-1);
  llvm::Expected<Tensor> whole = bias;
  // A shared buffer has rows behind the last token, which nobody sees.
  if (missing > 0)
    whole = compute::pad(bias, {0, 0, 0, 0}, {0, 0, 0, missing}, compute::scalar(0, type));
  return whole ? addMasks(visible, *whole) : std::move(whole);
}

static llvm::Expected<Tensors> groupQueryAttention(KernelContext &context) {
  if (llvm::Error error = checkForm(context))
    return error;
  onnx::NodeOpInterface node = context.node();
  llvm::Expected<Heads> heads = headsOf(context, node.getInt("num_heads", 0), node.getInt("kv_num_heads", 0));
  if (!heads)
    return heads.takeError();
  if (llvm::Error error = checkCaches(context, *heads))
    return error;
  llvm::Expected<Step> step = stepOf(context, *heads);
  if (!step)
    return step.takeError();
  if (llvm::Error error = normalizeHeads(context, *heads))
    return error;
  if (llvm::Error error = rotateHeads(context, *heads, *step))
    return error;
  int64_t length = step->capacity;
  if (step->evicts)
    for (int64_t resident : step->resident)
      length = std::max(length, resident + step->queries);
  heads->k = appendRows(context.operand(PastKey), heads->k, *step, length);
  heads->v = appendRows(context.operand(PastValue), heads->v, *step, length);
  llvm::Expected<Tensor> mask = maskOf(context, *step, length, compute::arithmeticType(heads->q.dtype()));
  if (!mask)
    return mask.takeError();
  compute::AttentionOptions options;
  options.scale = node.getFloat("scale", 0);
  if (options.scale == 0)
    options.scale = 1 / std::sqrt(double(heads->q.dim(3)));
  options.softcap = node.getFloat("softcap", 0);
  Tensor sinks = context.operand(HeadSink);
  if (!sinks && node.getInt("smooth_softmax", 0) > 0)
    sinks = Tensor::zeros(DType::F32, {heads->q.dim(1)});
  llvm::Expected<Tensor> result = sinks ? attentionWithSinks(*heads, *mask, options, sinks)
                                        : compute::attention(heads->q, heads->k, heads->v, *mask, options);
  if (result)
    result = mergeHeads(*result);
  if (!result)
    return result.takeError();
  if (!step->evicts)
    return Tensors{*result, heads->k, heads->v};
  return Tensors{*result, keepNewest(heads->k, *step), keepNewest(heads->v, *step)};
}

void interp::registerGroupQueryKernels(KernelRegistry &registry) {
  registry.addNode("com.microsoft::GroupQueryAttention", groupQueryAttention);
}
