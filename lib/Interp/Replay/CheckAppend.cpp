//===- CheckAppend.cpp - results of rope_append -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Checks.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"
#include "quantopt/Interp/Tile/Oracle.h"
#include "quantopt/Support/Half.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;
using numerics::KvLayout;

/// A row of a cache after the launch: one token, one head.
namespace {
struct CachedRow {
  llvm::StringRef name;
  const KvLayout &layout;
  /// In exact arithmetic, before it was quantized; each element may be off by `error`.
  llvm::ArrayRef<double> exact;
  double error;
  const uint8_t *block;
  int64_t token;
  /// Of the row's first element, in messages.
  int64_t index;

  void check(Outcome &outcome) const;

private:
  void checkHalves(Outcome &outcome) const;
  void checkGroup(int64_t group, llvm::ArrayRef<uint8_t> codes, double scale, double zero, Outcome &outcome) const;
  void checkScale(int64_t group, double scale, double expected, Outcome &outcome) const;
};
} // namespace

void CachedRow::check(Outcome &outcome) const {
  if (!layout.isQuantized())
    return checkHalves(outcome);
  llvm::SmallVector<uint8_t, 256> codes(layout.headDim);
  llvm::SmallVector<float, 16> scales(layout.groups()), zeros(layout.groups());
  layout.readCodes(block, token, codes.data(), scales.data(), zeros.data());
  for (int64_t group = 0; group < layout.groups(); ++group)
    checkGroup(group, llvm::ArrayRef(codes).slice(group * layout.groupSize, layout.groupSize), scales[group],
               zeros[group], outcome);
}

void CachedRow::checkHalves(Outcome &outcome) const {
  llvm::SmallVector<double, 256> row(layout.headDim);
  layout.readRow(block, token, row.data());
  for (auto [i, x] : llvm::enumerate(exact))
    outcome.compare(name, index + i, row[i], x, error + 1.01 * roundingOf(DType::F16, x));
}

/// Scales of f32 are within 1e-6, relatively; those of f16 are what rounding makes of a number that is.
void CachedRow::checkScale(int64_t group, double scale, double expected, Outcome &outcome) const {
  constexpr double tolerance = 1e-6;
  int64_t at = index + group * layout.groupSize;
  if (!layout.hasHalfScales)
    return outcome.compare(name, at, scale, expected, tolerance * expected);
  auto round = [](double x) { return halfToFloat(doubleToHalf(std::clamp(x, 0x1p-24, 65504.0))); };
  ++outcome.elements;
  if (!(scale >= round(expected * (1 - tolerance)) && scale <= round(expected * (1 + tolerance))))
    outcome.fail(
        llvm::formatv("{0}: the f16 scale at element {1} is {2:g9}, expected {3:g9}", name, at, scale, expected));
}

/// Codes are made with the stored scale and zero.
void CachedRow::checkGroup(int64_t group, llvm::ArrayRef<uint8_t> codes, double scale, double zero,
                           Outcome &outcome) const {
  auto row = exact.slice(group * layout.groupSize, layout.groupSize);
  double high = 0, low = 0, clip = layout.clip;
  for (double x : row) {
    high = std::max(high, x);
    low = std::min(low, x);
  }
  int64_t at = index + group * layout.groupSize, levels = (int64_t(1) << layout.bits) - 1, half = levels / 2 + 1;
  double range = layout.isSymmetric ? clip * std::max(high, -low) / double(half - 1) : clip * (high - low) / levels;
  checkScale(group, scale, std::max(range, double(1e-8f)), outcome);
  double exactZero = layout.isSymmetric ? double(half) : -clip * low / scale;
  outcome.compareCode(name, at, int64_t(zero), int64_t(std::clamp(std::nearbyint(exactZero), 0.0, double(levels))),
                      exactZero);
  for (auto [i, x] : llvm::enumerate(row)) {
    double code = std::clamp(std::nearbyint(x / scale) + zero, 0.0, double(levels));
    outcome.compareCode(name, at + i, codes[i], int64_t(code), x / scale);
  }
}

namespace {
/// A cache before and after a launch.
class CacheCheck {
public:
  CacheCheck(llvm::StringRef name, const LaunchedOp &launch, const KvLayout &layout, unsigned operand, unsigned result)
      : name(name), launch(launch), layout(layout), before(launch.operands[operand].clone()),
        after(launch.actual[result]) {}
  /// `rows` [rows, heads, 1, d] are those of the new tokens.
  void check(const Tensor &rows, double relativeError, Outcome &outcome);

private:
  /// Takes a token's bytes over from the cache after the launch.
  void copyToken(int64_t blockOffset, int64_t token);

  llvm::StringRef name;
  const LaunchedOp &launch;
  const KvLayout &layout;
  Tensor before, after;
};
} // namespace

void CacheCheck::copyToken(int64_t blockOffset, int64_t token) {
  auto copy = [&](int64_t offset, int64_t bytes) {
    std::memcpy(before.mutableRaw() + blockOffset + offset, after.raw() + blockOffset + offset, bytes);
  };
  copy(layout.codeOffset(token), layout.rowCodeBytes());
  if (layout.isQuantized())
    copy(layout.scaleOffset(token, 0), layout.groups() * layout.scaleBytes());
}

void CacheCheck::check(const Tensor &rows, double relativeError, Outcome &outcome) {
  auto exact = toDoubles(rows);
  const Tensor &sequences = launch.operands[5];
  bool isPaged = launch.operands.size() > 8;
  int64_t heads = rows.dim(1), depth = rows.dim(3), tokens = rows.dim(0) / sequences.dim(0);
  for (int64_t i = 0; i < rows.dim(0) * heads; ++i) {
    int64_t row = i / heads, b = row / tokens, t = sequences.data<int32_t>()[4 * b] + row % tokens, page = b;
    if (isPaged)
      page = launch.operands[6].data<int32_t>()[b * launch.operands[6].dim(1) + t / layout.pageTokens];
    int64_t block = layout.blockOffset(page, i % heads, heads), token = t % layout.pageTokens;
    auto values = llvm::ArrayRef(exact).slice(i * depth, depth);
    double length = 0;
    for (double x : values)
      length += x * x;
    CachedRow{name,  layout,   values, relativeError * std::sqrt(length), after.data<uint8_t>().data() + block,
              token, i * depth}
        .check(outcome);
    copyToken(block, token);
  }
  if (std::memcmp(before.raw(), after.raw(), after.sizeInBytes()))
    outcome.fail(name + ": bytes of other tokens changed");
}

/// Of the length of a head: rope is a sum of two products, 3u of their magnitudes, which are at most √2 times the
/// length of a pair; a transform of depth L adds L·u, by the argument of the kernels over rows.
llvm::Error interp::checkRopeAppend(const LaunchedOp &launch, Outcome &outcome) {
  auto op = llvm::cast<tile::RopeAppendOp>(launch.op);
  auto rows = launch.compute(rowsToAppend);
  if (!rows)
    return rows.takeError();
  KvLayout layout = op.getCache().getLayout();
  double depth = 0, factor = 1;
  if (op.getHadamard()) {
    llvm::Expected<tile::RowTransform> transform = tile::makeRowTransform(*op.getHadamard(), layout.headDim);
    if (!transform)
      return transform.takeError();
    depth = std::log2(double(transform->b)) + (transform->a > 1 ? double(transform->a) + 1 : 1);
    factor = transform->isHartley ? std::sqrt(2.0) : 1;
  }
  double error = (3 * std::sqrt(2.0) + depth) * factor * u;
  auto exact = toDoubles(rows->query), actual = toDoubles(launch.actual[0]);
  for (size_t first = 0; first < exact.size(); first += layout.headDim) {
    double length = 0;
    for (double x : llvm::ArrayRef(exact).slice(first, layout.headDim))
      length += x * x;
    for (size_t i = first; i < first + layout.headDim; ++i)
      outcome.compare("queries", i, actual[i], exact[i],
                      error * std::sqrt(length) + 1.01 * roundingOf(DType::F16, exact[i]));
  }
  unsigned keys = op.getPages() ? 7 : 6;
  CacheCheck("keys", launch, layout, keys, 1).check(rows->key, error, outcome);
  CacheCheck("values", launch, layout, keys + 1, 2).check(rows->value, 0, outcome);
  return llvm::Error::success();
}
