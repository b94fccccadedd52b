//===- CheckAttention.cpp - results of attention over a cache -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Checks.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::interp;
using numerics::KvLayout;

static constexpr double log2OfE = 1.4426950408889634;
static constexpr double infinity = std::numeric_limits<double>::infinity();

namespace {

/// An attention or attention_decode op with what it reads.
struct Attention {
  KvLayout layout;
  double scale, softcap;
  int64_t window, heads, kvHeads, tokens, splits = 1, warps = 1;
  llvm::SmallVector<double, 0> query;
  /// Of the sequence that is looked at: [kv heads, end, d].
  llvm::SmallVector<double, 0> keys, values;
  int64_t past, start, end;

  template <typename OpTy>
  Attention(OpTy op, const LaunchedOp &launch)
      : layout(op.getCache().getLayout()), scale(op.getScale().convertToDouble()),
        softcap(op.getSoftcap().convertToDouble()), window(op.getWindow()), query(toDoubles(launch.operands[0])) {
    tile::AttentionShape shape = tile::getAttentionShape(op);
    heads = shape.heads;
    kvHeads = shape.kvHeads;
    splits = op.getConfig()->getSplits();
    warps = op.getConfig()->getWarps();
    tokens = launch.operands[1].dim(0) ? countRows() / launch.operands[1].dim(0) : 0;
  }
  int64_t countRows() const { return query.size() / (heads * layout.headDim); }
  void readSequence(const LaunchedOp &launch, int64_t b);
};

/// What one head of one row makes of a range of indices, in exact arithmetic: weights 2^(s - m) of scores s times
/// log2(e), the greatest of which is m; and by how much a kernel's may be off.
///
/// With u = 2^-24 and h = 2^-11, half the distances from 1 to the next f32 and f16:
/// - Scores: products of one head are exact; their sums, which tensor cores may cut off, and scales give (2·d/16 +
/// groups
///   + 4)·u of Σ|q_i·k_i|·scale·log2(e). A cap has a slope of 1 at most and is off by 2^-20 of itself: an ex2, whose
///   slope in tanh is at most 1/2, and a reciprocal.
/// - Weights: ln(2) of that and of the rounding of s - m, and ex2.approx, 2^-22. Each of the steps may rescale what
/// came
///   before by another ex2 that is off likewise; in decode there are more of these for warps and parts.
/// - p·scale is rounded to f16: h, and below 2^-14 absolutely 2^-40 of the greatest weight and scale.
/// - Sums in f32: steps of 2u for o, one rounding per token of a lane (a quarter of them) for l.
struct Head {
  const Attention &attention;
  const double *query, *keys, *values;
  int64_t first, last; ///< Indices [first, last).
  llvm::SmallVector<double, 0> weights, errors;
  double greatest = -infinity, greatestError = 0, sum = 0, sumError = 0, steps = 0;

  Head(const Attention &attention, int64_t row, int64_t head, int64_t first, int64_t last);
  bool isEmpty() const { return first >= last; }
  double count() const { return double(last - first); }
  /// Σ 2^(s - m)·v of element i, by how much it may be off, and by how much its quotient with the sum may.
  struct Output {
    double value, error, meanError;
  };
  Output output(int64_t i) const;
};

} // namespace

void Attention::readSequence(const LaunchedOp &launch, int64_t b) {
  bool isPaged = launch.operands.size() > 4;
  auto sequence = launch.operands[1].data<int32_t>().slice(4 * b, 3);
  past = sequence[0];
  start = sequence[1];
  end = past + sequence[2];
  auto read = [&](const Tensor &cache) {
    llvm::SmallVector<double, 0> rows(kvHeads * end * layout.headDim);
    for (int64_t head = 0; head < kvHeads; ++head)
      for (int64_t t = 0; t < end; ++t) {
        int64_t page = b;
        if (isPaged)
          page = launch.operands[2].data<int32_t>()[b * launch.operands[2].dim(1) + t / layout.pageTokens];
        const uint8_t *block = cache.data<uint8_t>().data() + layout.blockOffset(page, head, kvHeads);
        layout.readRow(block, t % layout.pageTokens, rows.data() + (head * end + t) * layout.headDim);
      }
    return rows;
  };
  keys = read(launch.operands[isPaged ? 3 : 2]);
  values = read(launch.operands[isPaged ? 4 : 3]);
}

Head::Head(const Attention &attention, int64_t row, int64_t head, int64_t first, int64_t last)
    : attention(attention), first(first), last(last) {
  const KvLayout &layout = attention.layout;
  int64_t d = layout.headDim, kvHead = head / (attention.heads / attention.kvHeads);
  query = attention.query.data() + (row * attention.heads + head) * d;
  keys = attention.keys.data() + kvHead * attention.end * d;
  values = attention.values.data() + kvHead * attention.end * d;
  steps = std::ceil(count() / 16) + 1 + double(attention.splits + attention.warps);
  for (int64_t t = first; t < last; ++t) {
    double score = 0, magnitude = 0;
    for (int64_t i = 0; i < d; ++i) {
      score += query[i] * keys[t * d + i];
      magnitude += std::fabs(query[i] * keys[t * d + i]);
    }
    score *= attention.scale * log2OfE;
    double error = (2 * d / 16.0 + double(layout.groups()) + 4) * u * magnitude * attention.scale * log2OfE;
    if (double cap = attention.softcap * log2OfE; cap > 0) {
      score = cap * std::tanh(score / cap);
      error += 0x1p-20 * cap;
    }
    weights.push_back(score);
    errors.push_back(error);
    if (score > greatest)
      greatest = score;
    greatestError = std::max(greatestError, error);
  }
  for (auto [weight, error] : llvm::zip(weights, errors)) {
    double score = weight;
    weight = std::exp2(score - greatest);
    error = std::log(2.0) * (error + u * (std::fabs(score - greatest) + std::fabs(greatest) + 200)) + steps * 0x1p-21;
    sum += weight;
    sumError += weight * error;
  }
  sumError += ((count() / 4 + 8) * u + 0x1p-21) * sum;
}

Head::Output Head::output(int64_t i) const {
  double value = 0, magnitude = 0, greatestValue = 0;
  for (auto [t, weight] : llvm::enumerate(weights)) {
    double x = values[(first + int64_t(t)) * attention.layout.headDim + i];
    value += weight * x;
    magnitude += weight * std::fabs(x);
    greatestValue = std::max(greatestValue, std::fabs(x));
  }
  double mean = value / sum,
         rounding = 0x1p-11 * magnitude + count() * 0x1p-30 * greatestValue + 2 * steps * u * magnitude;
  double error = rounding, meanError = rounding;
  for (auto [t, weight] : llvm::enumerate(weights)) {
    double x = values[(first + int64_t(t)) * attention.layout.headDim + i];
    error += weight * errors[t] * std::fabs(x);
    // What is off in a weight is off in the sum too.
    meanError += weight * errors[t] * (std::fabs(x) + std::fabs(mean));
  }
  return {value, error, meanError / sum + ((count() / 4 + 8) * u + 0x1p-21) * std::fabs(mean)};
}

/// A row's head of attention.
static void checkHead(const Head &head, const double *actual, int64_t index, DType type, Outcome &outcome) {
  for (int64_t i = 0; i < head.attention.layout.headDim; ++i) {
    if (head.isEmpty()) {
      outcome.compare("result", index + i, actual[i], 0, 0);
      continue;
    }
    Head::Output output = head.output(i);
    double mean = output.value / head.sum;
    outcome.compare("result", index + i, actual[i], mean, output.meanError + 1.01 * roundingOf(type, mean));
  }
}

/// {m, l, o[d]} of a part, relative to the exact m.
static void checkPart(const Head &head, const double *actual, int64_t index, Outcome &outcome) {
  int64_t d = head.attention.layout.headDim;
  if (head.isEmpty()) {
    if (actual[0] != -infinity)
      outcome.fail(llvm::formatv("m: element {0} is {1} in a part without indices", index, actual[0]));
    for (int64_t i = 1; i < d + 2; ++i)
      outcome.compare("l and o", index + i, actual[i], 0, 0);
    return;
  }
  outcome.compare("m", index, actual[0], head.greatest, head.greatestError + u * std::fabs(head.greatest));
  double factor = std::exp2(actual[0] - head.greatest);
  outcome.compare("l", index + 1, actual[1] * factor, head.sum, head.sumError);
  for (int64_t i = 0; i < d; ++i) {
    Head::Output output = head.output(i);
    outcome.compare("o", index + 2 + i, actual[2 + i] * factor, output.value, output.error);
  }
}

template <typename OpTy> static void checkRows(OpTy op, const LaunchedOp &launch, Outcome &outcome) {
  Attention attention(op, launch);
  constexpr bool isDecode = std::is_same_v<OpTy, tile::AttentionDecodeOp>;
  auto actual = toDoubles(launch.actual[0]);
  int64_t d = attention.layout.headDim, step = 16 * attention.warps;
  for (int64_t row = 0; row < attention.countRows(); ++row) {
    if (row % attention.tokens == 0)
      attention.readSequence(launch, row / attention.tokens);
    int64_t index = attention.past + row % attention.tokens;
    int64_t first = std::max(attention.start, attention.window ? index - attention.window + 1 : 0);
    int64_t part = llvm::divideCeil(llvm::divideCeil(index + 1, step), attention.splits) * step;
    for (int64_t head = 0; head < attention.heads; ++head) {
      if (!isDecode) {
        int64_t at = (row * attention.heads + head) * d;
        checkHead(Head(attention, row, head, first, index + 1), actual.data() + at, at, launch.actual[0].dtype(),
                  outcome);
        continue;
      }
      for (int64_t split = 0; split < attention.splits; ++split) {
        int64_t at = ((row * attention.heads + head) * attention.splits + split) * (d + 2);
        Head range(attention, row, head, std::max(first, split * part), std::min(index + 1, (split + 1) * part));
        checkPart(range, actual.data() + at, at, outcome);
      }
    }
  }
}

llvm::Error interp::checkAttention(const LaunchedOp &launch, Outcome &outcome) {
  if (auto op = llvm::dyn_cast<tile::AttentionOp>(launch.op))
    checkRows(op, launch, outcome);
  else
    checkRows(llvm::cast<tile::AttentionDecodeOp>(launch.op), launch, outcome);
  return llvm::Error::success();
}

/// With w = 2^(m - M): each part is off by ex2.approx, the rounding of m - M (up to ln(2)·2u of their magnitudes), a
/// product and a sum; the quotient by a reciprocal and a product.
llvm::Error interp::checkCombine(const LaunchedOp &launch, Outcome &outcome) {
  auto op = llvm::cast<tile::AttentionCombineOp>(launch.op);
  auto parts = toDoubles(launch.operands[0]), actual = toDoubles(launch.actual[0]);
  int64_t splits = op.getSplits(), columns = launch.actual[0].dim(-1);
  int64_t heads = (launch.operands[0].dim(-1) / splits - columns) / 2, d = columns / heads;
  for (int64_t head = 0; head < int64_t(actual.size()) / d; ++head) {
    const double *part = parts.data() + head * splits * (d + 2);
    double greatest = -infinity, magnitude = 0, sum = 0;
    for (int64_t p = 0; p < splits; ++p)
      greatest = std::max(greatest, part[p * (d + 2)]);
    llvm::SmallVector<double> factors;
    for (int64_t p = 0; p < splits; ++p) {
      double m = part[p * (d + 2)];
      factors.push_back(greatest == -infinity ? 0 : std::exp2(m - greatest));
      sum += factors[p] * part[p * (d + 2) + 1];
      if (factors[p] > 0)
        magnitude = std::max(magnitude, std::fabs(m) + std::fabs(greatest));
    }
    double relative = 2 * (2 * magnitude * u + 0x1p-21 + double(splits + 2) * u) + 0x1p-21;
    for (int64_t i = 0; i < d; ++i) {
      double value = 0, share = 0;
      for (int64_t p = 0; p < splits; ++p) {
        value += factors[p] * part[p * (d + 2) + 2 + i];
        share += factors[p] * std::fabs(part[p * (d + 2) + 2 + i]);
      }
      double expected = sum > 0 ? value / sum : 0, bound = sum > 0 ? relative * share / sum : 0;
      outcome.compare("result", head * d + i, actual[head * d + i], expected,
                      bound + 1.01 * roundingOf(launch.actual[0].dtype(), expected));
    }
  }
  return llvm::Error::success();
}
