//===- Attention.cpp - attention over a cache ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Attention.h"
#include "SoftmaxRow.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Gemm.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cmath>
#include <limits>
#include <vector>

using namespace quantopt;
using namespace quantopt::compute;

/// Queries that one task scores against the whole cache: their scores then fit the second-level cache.
static constexpr int64_t queriesPerTask = 96;

namespace {

/// What some queries read in place of k and v; null: nothing.
struct ExactRows {
  Tensor k, v;
  ExactTokens tokens;
};

template <typename T> struct Operands {
  const T *q, *k, *v, *mask;
  int64_t heads, kvHeads, queries, positions, depth, valueDepth;
  /// Strides of the mask for batch, head, query and position.
  Shape maskStrides;
  AttentionOptions options;
  T *result;
  /// Rows that some queries read in place of k and v; null: none.
  const T *exactK = nullptr, *exactV = nullptr;
  ExactTokens tokens;

  int64_t cacheIndex(int64_t query) const { return positions - queries + query; }
};

} // namespace

/// Whether a row of the mask leaves nothing.
template <typename T> static bool isMasked(const T *mask, int64_t step, int64_t positions) {
  if (!mask)
    return false;
  for (int64_t t = 0; t < positions; ++t)
    if (mask[t * step] != -std::numeric_limits<T>::infinity())
      return false;
  return true;
}

/// scale · scores, capped, plus the mask; then softmax. Returns the number of positions up to the last weight that is
/// not zero.
template <typename T> static int64_t scoresToWeights(const Operands<T> &o, T *scores, const T *mask) {
  T scale = T(o.options.scale), cap = T(o.options.softcap);
  int64_t step = o.maskStrides.empty() ? 0 : o.maskStrides[3];
  for (int64_t t = 0; t < o.positions; ++t)
    scores[t] *= scale;
  if (cap != T(0))
    for (int64_t t = 0; t < o.positions; ++t)
      scores[t] = cap * T(std::tanh(double(scores[t] / cap)));
  if (mask && step == 1)
    for (int64_t t = 0; t < o.positions; ++t)
      scores[t] += mask[t];
  else if (mask)
    for (int64_t t = 0; t < o.positions; ++t)
      scores[t] += mask[t * step];
  if (o.options.zeroMaskedRows && isMasked(mask, step, o.positions)) {
    std::fill_n(scores, o.positions, T(0));
    return 0;
  }
  softmaxRow(scores, scores, o.positions);
  int64_t last = o.positions;
  while (last > 0 && scores[last - 1] == T(0))
    --last;
  return last;
}

/// Moves from one matrix of scores or weights [count, positions] to the other those that `isExact(index, token)`.
template <typename T, typename Predicate>
static void moveExact(const Operands<T> &o, int64_t first, int64_t count, const T *from, T *to, Predicate isExact) {
  for (int64_t i = 0; i < count; ++i)
    for (int64_t t = 0; t < o.positions; ++t)
      if (isExact(o.cacheIndex(first + i), t))
        to[i * o.positions + t] = from[i * o.positions + t];
}

/// Adds to the result of queries [first, first + count), which read codes only, what they read exactly; their weights
/// of exact tokens stand in `weights`.
template <typename T>
static void addExactValues(const Operands<T> &o, int64_t kvHead, int64_t count, const T *weights, T *result) {
  MatrixView<T> v{o.exactV + kvHead * o.positions * o.valueDepth, o.valueDepth, 1};
  std::vector<T> sums(count * o.valueDepth);
  gemm<T, T>(count, o.valueDepth, o.positions, {weights, o.positions, 1}, v, sums.data(), o.valueDepth);
  for (size_t i = 0; i < sums.size(); ++i)
    result[i] += sums[i];
}

/// Queries [first, first + count) of one head. `scores` has room for [count, positions], twice if some are exact.
template <typename T> static void attend(const Operands<T> &o, int64_t head, int64_t first, int64_t count, T *scores) {
  int64_t batch = head / o.heads, kvHead = batch * o.kvHeads + head % o.heads / (o.heads / o.kvHeads);
  MatrixView<T> q{o.q + (head * o.queries + first) * o.depth, o.depth, 1};
  MatrixView<T> k{o.k + kvHead * o.positions * o.depth, o.depth, 1};
  MatrixView<T> v{o.v + kvHead * o.positions * o.valueDepth, o.valueDepth, 1};
  gemm<T, T>(count, o.positions, o.depth, q, k.transposed(), scores, o.positions);
  T *exact = scores + count * o.positions, *result = o.result + (head * o.queries + first) * o.valueDepth;
  if (o.exactK) {
    MatrixView<T> exactK{o.exactK + kvHead * o.positions * o.depth, o.depth, 1};
    gemm<T, T>(count, o.positions, o.depth, q, exactK.transposed(), exact, o.positions);
    moveExact(o, first, count, exact, scores, [&](int64_t i, int64_t t) { return o.tokens.isExactKey(i, t); });
  }
  int64_t used = 0;
  for (int64_t i = 0; i < count; ++i) {
    const T *mask = o.mask;
    if (mask)
      mask += batch * o.maskStrides[0] + head % o.heads * o.maskStrides[1] + (first + i) * o.maskStrides[2];
    used = std::max(used, scoresToWeights(o, scores + i * o.positions, mask));
  }
  // Weights of zero at the end add nothing: what a causal mask hides costs nothing here.
  if (!o.exactK) {
    gemm<T, T>(count, o.valueDepth, used, {scores, o.positions, 1}, v, result, o.valueDepth);
    return;
  }
  std::vector<T> nothing(count * o.positions);
  std::copy_n(nothing.data(), nothing.size(), exact);
  auto isExact = [&](int64_t i, int64_t t) { return o.tokens.isExactValue(i, t); };
  moveExact(o, first, count, scores, exact, isExact);
  moveExact(o, first, count, nothing.data(), scores, isExact);
  gemm<T, T>(count, o.valueDepth, used, {scores, o.positions, 1}, v, result, o.valueDepth);
  addExactValues(o, kvHead, count, exact, result);
}

template <typename T> static void attendAll(const Operands<T> &o, int64_t batches) {
  int64_t tasks = (o.queries + queriesPerTask - 1) / queriesPerTask;
  parallelFor(batches * o.heads * tasks, [&](int64_t task) {
    int64_t first = task % tasks * queriesPerTask, count = std::min(queriesPerTask, o.queries - first);
    Tensor scores(sizeof(T) == 8 ? DType::F64 : DType::F32, {o.exactK ? 2 : 1, count, o.positions});
    attend(o, task / tasks, first, count, scores.mutableData<T>().data());
  });
}

static llvm::Error checkShapes(const Tensor &q, const Tensor &k, const Tensor &v) {
  bool fits = q.rank() == 4 && k.rank() == 4 && v.rank() == 4 && q.dim(0) == k.dim(0) && k.dim(0) == v.dim(0) &&
              k.dim(1) == v.dim(1) && k.dim(2) == v.dim(2) && q.dim(3) == k.dim(3) && k.dim(1) > 0 &&
              q.dim(1) % k.dim(1) == 0;
  if (!fits)
    return makeError("attention of q " + toString(q.shape()) + ", k " + toString(k.shape()) + " and v " +
                     toString(v.shape()) + " is not defined");
  return llvm::Error::success();
}

template <typename T>
static Tensor attentionOf(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &mask, Shape maskStrides,
                          AttentionOptions options, const ExactRows &exact) {
  Tensor result(q.dtype(), {q.dim(0), q.dim(1), q.dim(2), v.dim(3)});
  const T *maskData = mask ? mask.data<T>().data() : nullptr;
  Operands<T> operands{q.data<T>().data(),
                       k.data<T>().data(),
                       v.data<T>().data(),
                       maskData,
                       q.dim(1),
                       k.dim(1),
                       q.dim(2),
                       k.dim(2),
                       q.dim(3),
                       v.dim(3),
                       std::move(maskStrides),
                       options,
                       result.mutableData<T>().data(),
                       exact.k ? exact.k.data<T>().data() : nullptr,
                       exact.v ? exact.v.data<T>().data() : nullptr,
                       exact.tokens};
  attendAll(operands, q.dim(0));
  return result;
}

static llvm::Expected<Tensor> attentionOf(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &mask,
                                          AttentionOptions options, const ExactRows &exact) {
  if (llvm::Error error = checkShapes(q, k, v))
    return error;
  Shape strides;
  if (mask) {
    Shape full{q.dim(0), q.dim(1), q.dim(2), k.dim(2)};
    llvm::Expected<Shape> common = broadcastShapes({mask.shape(), full});
    if (!common || *common != full) {
      llvm::consumeError(common.takeError());
      return makeError("a mask of shape " + toString(mask.shape()) + " does not broadcast to " + toString(full));
    }
    strides.assign(4, 0);
    Shape own = rowMajorStrides(mask.shape());
    for (int64_t d = 0; d < mask.rank(); ++d)
      if (mask.dim(d) != 1)
        strides[4 - mask.rank() + d] = own[d];
  }
  DType working = arithmeticType(q.dtype());
  Tensor a = convert(q, working), b = convert(k, working), c = convert(v, working);
  Tensor m = mask ? convert(mask, working) : Tensor();
  ExactRows rows = exact;
  for (Tensor *tensor : {&rows.k, &rows.v})
    if (*tensor)
      *tensor = convert(*tensor, working);
  Tensor result = working == DType::F64 ? attentionOf<double>(a, b, c, m, strides, options, rows)
                                        : attentionOf<float>(a, b, c, m, strides, options, rows);
  return convert(result, q.dtype());
}

llvm::Expected<Tensor> compute::attention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &mask,
                                          AttentionOptions options) {
  return attentionOf(q, k, v, mask, options, ExactRows());
}

llvm::Expected<Tensor> compute::mixedAttention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &exactK,
                                               const Tensor &exactV, const Tensor &mask, AttentionOptions options,
                                               ExactTokens tokens) {
  if (k.shape() != exactK.shape() || v.shape() != exactV.shape())
    return makeError("exact rows of shapes " + toString(exactK.shape()) + " and " + toString(exactV.shape()) +
                     " cannot stand for keys " + toString(k.shape()) + " and values " + toString(v.shape()));
  return attentionOf(q, k, v, mask, options, {exactK, exactV, tokens});
}

template <typename T> static Tensor ropeOf(const Tensor &x, const Tensor &cos, const Tensor &sin, bool interleaved) {
  int64_t heads = x.dim(1), length = x.dim(2), depth = x.dim(3), width = cos.dim(-1), half = width / 2;
  int64_t batchStride = cos.dim(0) == 1 ? 0 : cos.dim(-2) * width, tokenStride = cos.dim(-2) == 1 ? 0 : width;
  int64_t step = interleaved ? 2 : 1, distance = interleaved ? 1 : half;
  Tensor result(x.dtype(), x.shape());
  const T *source = x.data<T>().data(), *c = cos.data<T>().data(), *s = sin.data<T>().data();
  T *target = result.mutableData<T>().data();
  parallelForRanges(x.dim(0) * heads * length, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t table = row / (heads * length) * batchStride + row % length * tokenStride;
      const T *from = source + row * depth, *rowCos = c + table, *rowSin = s + table;
      T *to = target + row * depth;
      for (int64_t pair = 0; pair < half; ++pair) {
        int64_t i = pair * step, j = i + distance;
        to[i] = from[i] * rowCos[i] + -from[j] * rowSin[i];
        to[j] = from[j] * rowCos[j] + from[i] * rowSin[j];
      }
      std::copy(from + width, from + depth, to + width);
    }
  });
  return result;
}

/// Whether cos or sin is [B, S, R] or [B, 1, S, R] with an even R, for rows x [B, H, S, D].
static bool isRopeTable(const Tensor &table, const Tensor &x) {
  if ((table.rank() != 3 && table.rank() != 4) || table.dim(-1) > x.dim(3) || table.dim(-1) % 2)
    return false;
  bool fitsBatch = table.dim(0) == 1 || table.dim(0) == x.dim(0);
  bool fitsTokens = table.dim(-2) == 1 || table.dim(-2) == x.dim(2);
  return fitsBatch && fitsTokens && (table.rank() == 3 || table.dim(1) == 1);
}

llvm::Expected<Tensor> compute::rope(const Tensor &x, const Tensor &cos, const Tensor &sin, bool interleaved) {
  if (x.rank() != 4 || cos.shape() != sin.shape() || !isRopeTable(cos, x))
    return makeError("rope of " + toString(x.shape()) + " by tables " + toString(cos.shape()) + " and " +
                     toString(sin.shape()) + " is not defined");
  DType working = arithmeticType(x.dtype());
  Tensor a = convert(x, working), c = convert(cos, working), s = convert(sin, working);
  Tensor result = working == DType::F64 ? ropeOf<double>(a, c, s, interleaved) : ropeOf<float>(a, c, s, interleaved);
  return convert(result, x.dtype());
}

template <typename T>
static Tensor rotaryOf(const Tensor &x, const RotaryTables &tables, const Tensor &cos, const Tensor &sin) {
  int64_t heads = x.dim(1), length = x.dim(2), depth = x.dim(3), half = cos.dim(-1);
  Tensor result(x.dtype(), x.shape());
  const T *source = x.data<T>().data(), *c = cos.data<T>().data(), *s = sin.data<T>().data();
  T *target = result.mutableData<T>().data();
  int64_t step = tables.interleaved ? 2 : 1, distance = tables.interleaved ? 1 : half;
  parallelForRanges(x.dim(0) * heads * length, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t table = tables.positions[row / (heads * length) * length + row % length] * half;
      const T *from = source + row * depth;
      T *to = target + row * depth;
      for (int64_t i = 0; i < half; ++i) {
        T first = from[i * step], second = from[i * step + distance];
        to[i * step] = first * c[table + i] - second * s[table + i];
        to[i * step + distance] = first * s[table + i] + second * c[table + i];
      }
      std::copy(from + 2 * half, from + depth, to + 2 * half);
    }
  });
  return result;
}

llvm::Expected<Tensor> compute::rotary(const Tensor &x, const RotaryTables &tables) {
  bool fits = x.rank() == 4 && tables.cos.rank() == 2 && tables.cos.shape() == tables.sin.shape() &&
              2 * tables.cos.dim(1) <= x.dim(3) && int64_t(tables.positions.size()) == x.dim(0) * x.dim(2);
  if (!fits)
    return makeError("rotary embedding of " + toString(x.shape()) + " by tables " + toString(tables.cos.shape()) +
                     " at " + llvm::Twine(tables.positions.size()) + " positions is not defined");
  for (int64_t position : tables.positions)
    if (position < 0 || position >= tables.cos.dim(0))
      return makeError("position " + llvm::Twine(position) + " is outside tables of " + llvm::Twine(tables.cos.dim(0)));
  DType working = arithmeticType(x.dtype());
  Tensor a = convert(x, working), c = convert(tables.cos, working), s = convert(tables.sin, working);
  Tensor result = working == DType::F64 ? rotaryOf<double>(a, tables, c, s) : rotaryOf<float>(a, tables, c, s);
  return convert(result, x.dtype());
}
