//===- FloatLanes.cpp - floating-point arithmetic of a whole warp ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Written without branches inside of the loops, so that they vectorise. Lanes are independent and every operation is
// correctly rounded: vectors of any width give the same bits.
//
//===----------------------------------------------------------------------------===//
#include "FloatLanes.h"
#include "Multiversion.h"
#include "quantopt/Support/Half.h"

using namespace quantopt;
using namespace quantopt::ptx;

#define QUANTOPT_LANE static inline __attribute__((always_inline))

static constexpr unsigned lanes = 32;

bool ptx::hasFloatLanes(FloatFormat format, const FloatMode &mode) {
  return format != FloatFormat::F64 && mode.rounding == Rounding::Nearest && !mode.flush && !mode.saturate &&
         !mode.relu && !mode.propagateNan && !mode.satfinite;
}

/// minimum (or maximum) of numbers: not NaN where one is not, -0 below +0. Zeros of both signs are told apart by
/// combining their signs.
template <typename T, typename Bits> QUANTOPT_LANE T select(T x, T y, bool maximum) {
  bool xWins = maximum ? x > y : x < y;
  T result = xWins || y != y ? x : y;
  Bits xBits = llvm::bit_cast<Bits>(x), yBits = llvm::bit_cast<Bits>(y);
  T ofEqual = llvm::bit_cast<T>(maximum ? xBits & yBits : xBits | yBits);
  return x == y ? ofEqual : result;
}

//===----------------------------------------------------------------------------===//
// f32
//===----------------------------------------------------------------------------===//

template <typename Function>
QUANTOPT_LANE void forSingles(const uint32_t *a, const uint32_t *b, const uint32_t *c, uint32_t *d,
                              Function &&function) {
  for (unsigned lane = 0; lane < lanes; ++lane) {
    float result =
        function(llvm::bit_cast<float>(a[lane]), llvm::bit_cast<float>(b[lane]), llvm::bit_cast<float>(c[lane]));
    d[lane] = result != result ? 0x7fffffff : llvm::bit_cast<uint32_t>(result);
  }
}

QUANTOPT_PTX_MULTIVERSION
static void computeSingles(FloatOperation operation, const uint32_t *a, const uint32_t *b, const uint32_t *c,
                           uint32_t *d) {
  switch (operation) {
  case FloatOperation::Add:
    return forSingles(a, b, c, d, [](float x, float y, float) { return x + y; });
  case FloatOperation::Subtract:
    return forSingles(a, b, c, d, [](float x, float y, float) { return x - y; });
  case FloatOperation::Multiply:
    return forSingles(a, b, c, d, [](float x, float y, float) { return x * y; });
  case FloatOperation::FusedMultiplyAdd:
    return forSingles(a, b, c, d, [](float x, float y, float z) { return __builtin_fmaf(x, y, z); });
  case FloatOperation::Minimum:
    return forSingles(a, b, c, d, [](float x, float y, float) { return select<float, uint32_t>(x, y, false); });
  case FloatOperation::Maximum:
    return forSingles(a, b, c, d, [](float x, float y, float) { return select<float, uint32_t>(x, y, true); });
  }
}

//===----------------------------------------------------------------------------===//
// f16 and bf16, computed in double
//===----------------------------------------------------------------------------===//

/// a + b rounded to odd, as addToOdd.
QUANTOPT_LANE double addOdd(double a, double b) {
  double sum = a + b, partOfB = sum - a, error = (a - (sum - partOfB)) + (b - partOfB);
  int64_t bits = llvm::bit_cast<int64_t>(sum);
  bool away = (error > 0) == (bits >= 0);
  // NaN errors, of infinite sums, compare as false.
  bool isInexact = error < 0 || error > 0;
  int64_t step = isInexact && !(bits & 1) ? (away ? 1 : -1) : 0;
  return llvm::bit_cast<double>(bits + step);
}

/// Rounds to odd, so that the next rounding is the only one.
QUANTOPT_LANE float narrowOdd(double value) {
  float narrow = float(value);
  double error = value - double(narrow);
  int32_t bits = llvm::bit_cast<int32_t>(narrow);
  bool away = (error > 0) == (bits >= 0);
  bool isInexact = error < 0 || error > 0;
  int32_t step = isInexact && !(bits & 1) ? (away ? 1 : -1) : 0;
  return llvm::bit_cast<float>(bits + step);
}

template <bool isHalf> QUANTOPT_LANE double widen(uint32_t bits) {
  return isHalf ? halfToFloat(uint16_t(bits)) : bfloatToFloat(uint16_t(bits));
}
template <bool isHalf> QUANTOPT_LANE uint32_t narrow(double value) {
  float single = narrowOdd(value);
  uint32_t bits = isHalf ? floatToHalf(single) : floatToBfloat(single);
  return value != value ? 0x7fff : bits;
}

template <bool isHalf, typename Function>
QUANTOPT_LANE void forHalves(const uint32_t *a, const uint32_t *b, const uint32_t *c, uint32_t *d,
                             Function &&function) {
  for (unsigned lane = 0; lane < lanes; ++lane) {
    uint32_t x = a[lane], y = b[lane], z = c[lane];
    uint32_t low = narrow<isHalf>(function(widen<isHalf>(x), widen<isHalf>(y), widen<isHalf>(z)));
    uint32_t high = narrow<isHalf>(function(widen<isHalf>(x >> 16), widen<isHalf>(y >> 16), widen<isHalf>(z >> 16)));
    d[lane] = low | high << 16;
  }
}

template <bool isHalf>
QUANTOPT_LANE void computePacked(FloatOperation operation, const uint32_t *a, const uint32_t *b, const uint32_t *c,
                                 uint32_t *d) {
  switch (operation) {
  // Double has more than twice the bits and two: rounding a sum or product again gives what rounding once would.
  case FloatOperation::Add:
    return forHalves<isHalf>(a, b, c, d, [](double x, double y, double) { return x + y; });
  case FloatOperation::Subtract:
    return forHalves<isHalf>(a, b, c, d, [](double x, double y, double) { return x - y; });
  case FloatOperation::Multiply:
    return forHalves<isHalf>(a, b, c, d, [](double x, double y, double) { return x * y; });
  case FloatOperation::FusedMultiplyAdd:
    return forHalves<isHalf>(a, b, c, d, [](double x, double y, double z) { return addOdd(x * y, z); });
  case FloatOperation::Minimum:
    return forHalves<isHalf>(a, b, c, d,
                             [](double x, double y, double) { return select<double, uint64_t>(x, y, false); });
  case FloatOperation::Maximum:
    return forHalves<isHalf>(a, b, c, d,
                             [](double x, double y, double) { return select<double, uint64_t>(x, y, true); });
  }
}

QUANTOPT_PTX_MULTIVERSION
static void computeHalves(FloatOperation operation, const uint32_t *a, const uint32_t *b, const uint32_t *c,
                          uint32_t *d) {
  computePacked<true>(operation, a, b, c, d);
}

QUANTOPT_PTX_MULTIVERSION
static void computeBfloats(FloatOperation operation, const uint32_t *a, const uint32_t *b, const uint32_t *c,
                           uint32_t *d) {
  computePacked<false>(operation, a, b, c, d);
}

void ptx::computeFloats(FloatOperation operation, FloatFormat format, const uint32_t *a, const uint32_t *b,
                        const uint32_t *c, uint32_t *d) {
  if (format == FloatFormat::F32)
    return computeSingles(operation, a, b, c, d);
  if (format == FloatFormat::F16)
    return computeHalves(operation, a, b, c, d);
  computeBfloats(operation, a, b, c, d);
}
