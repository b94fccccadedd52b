//===- Arithmetic.cpp - what arithmetic instructions compute on one lane -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Arithmetic.h"
#include <algorithm>
#include <cmath>

using namespace quantopt;
using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------------===//

static uint64_t extend(IntegerFormat format, uint64_t bits) {
  unsigned unused = 64 - format.bits;
  return format.isSigned ? uint64_t(int64_t(bits << unused) >> unused) : bits << unused >> unused;
}

/// Which byte of b:a goes to each byte of the result, lowest first, by the two low bits of the selector.
static constexpr uint8_t permutations[6][4][4] = {
    {{0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}}, // F4E
    {{0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0}}, // B4E
    {{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}}, // RC8
    {{0, 1, 2, 3}, {1, 1, 2, 3}, {2, 2, 2, 3}, {3, 3, 3, 3}}, // ECL
    {{0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 2, 3}}, // ECR
    {{0, 1, 0, 1}, {2, 3, 2, 3}, {0, 1, 0, 1}, {2, 3, 2, 3}}, // RC16
};

uint32_t ptx::permuteBytes(PermuteMode mode, uint32_t a, uint32_t b, uint32_t selector) {
  uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    if (mode != PermuteMode::Index) {
      unsigned source = permutations[unsigned(mode) - 1][selector & 3][i];
      result |= uint32_t(bytes >> (8 * source) & 0xff) << (8 * i);
      continue;
    }
    unsigned control = selector >> (4 * i);
    uint32_t byte = bytes >> (8 * (control & 7)) & 0xff;
    if (control & 8)
      byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}

uint64_t ptx::extractBits(IntegerFormat format, uint64_t value, uint32_t position, uint32_t length) {
  position &= 0xff;
  length &= 0xff;
  if (length == 0)
    return 0;
  uint64_t extended = extend(format, value);
  uint64_t shifted = shiftRight({64, format.isSigned}, extended, position);
  // Bits above the value's top are copies of the sign, or zeros: what the shift put there.
  return length >= format.bits ? extend({format.bits, false}, shifted)
                               : extend({format.bits, false}, extend({length, format.isSigned}, shifted));
}

uint64_t ptx::insertBits(unsigned bits, uint64_t field, uint64_t into, uint32_t position, uint32_t length) {
  position &= 0xff;
  length &= 0xff;
  uint64_t ones = length >= 64 ? ~uint64_t(0) : (uint64_t(1) << length) - 1;
  uint64_t mask = shiftLeft(bits, ones, position);
  return (into & ~mask) | (shiftLeft(bits, field, position) & mask);
}

uint32_t ptx::findHighestBit(IntegerFormat format, uint64_t value, bool asShift) {
  uint64_t extended = extend(format, value);
  if (format.isSigned && int64_t(extended) < 0)
    extended = ~extended;
  if (extended == 0)
    return 0xffffffff;
  uint32_t position = 63 - llvm::countl_zero(extended);
  return asShift ? format.bits - 1 - position : position;
}

uint32_t ptx::findNthSet(uint32_t mask, uint32_t base, int32_t offset) {
  if (base > 31)
    return 0xffffffff;
  if (offset == 0)
    return mask >> base & 1 ? base : 0xffffffff;
  int step = offset > 0 ? 1 : -1;
  int64_t remaining = std::abs(int64_t(offset));
  for (int position = int(base); position >= 0 && position < 32; position += step)
    if (mask >> position & 1 && --remaining == 0)
      return uint32_t(position);
  return 0xffffffff;
}

static uint32_t fieldOf(uint32_t word, unsigned position, unsigned bits, bool isSigned) {
  return uint32_t(extend({bits, isSigned}, word >> position));
}

uint32_t ptx::dot4(uint32_t a, bool aSigned, uint32_t b, bool bSigned, uint32_t c) {
  for (unsigned i = 0; i < 4; ++i)
    c += fieldOf(a, 8 * i, 8, aSigned) * fieldOf(b, 8 * i, 8, bSigned);
  return c;
}

uint32_t ptx::dot2(uint32_t a, bool aSigned, uint32_t b, bool bSigned, uint32_t c, bool high) {
  for (unsigned i = 0; i < 2; ++i)
    c += fieldOf(a, 16 * i, 16, aSigned) * fieldOf(b, 8 * i + 16 * high, 8, bSigned);
  return c;
}

uint32_t ptx::funnelShift(bool left, bool clamp, uint32_t low, uint32_t high, uint32_t amount) {
  amount = clamp ? std::min(amount, 32u) : amount & 31;
  uint64_t pair = uint64_t(high) << 32 | low;
  return left ? uint32_t(pair << amount >> 32) : uint32_t(pair >> amount);
}

uint64_t ptx::shiftLeft(unsigned bits, uint64_t value, uint32_t amount) {
  return amount >= bits ? 0 : extend({bits, false}, value << amount);
}

uint64_t ptx::shiftRight(IntegerFormat format, uint64_t value, uint32_t amount) {
  uint64_t extended = extend(format, value);
  if (format.isSigned)
    return extend({format.bits, false}, uint64_t(int64_t(extended) >> std::min(amount, 63u)));
  return amount >= format.bits ? 0 : extended >> amount;
}

uint64_t ptx::multiplyHigh(IntegerFormat format, uint64_t a, uint64_t b) {
  uint64_t x = extend(format, a), y = extend(format, b);
  if (format.bits < 64)
    return extend({format.bits, false}, shiftRight({64, format.isSigned}, x * y, format.bits));
  if (format.isSigned)
    return uint64_t((__int128(int64_t(x)) * int64_t(y)) >> 64);
  return uint64_t(((unsigned __int128)(x)*y) >> 64);
}

uint64_t ptx::addAbsoluteDifference(IntegerFormat format, uint64_t a, uint64_t b, uint64_t c) {
  uint64_t x = extend(format, a), y = extend(format, b);
  bool less = format.isSigned ? int64_t(x) < int64_t(y) : x < y;
  return extend({format.bits, false}, c + (less ? y - x : x - y));
}

static uint32_t clampToWord(int64_t value) { return uint32_t(std::clamp<int64_t>(value, INT32_MIN, INT32_MAX)); }
uint32_t ptx::addSaturating(int32_t a, int32_t b) { return clampToWord(int64_t(a) + b); }
uint32_t ptx::subtractSaturating(int32_t a, int32_t b) { return clampToWord(int64_t(a) - b); }

//===----------------------------------------------------------------------------===//
// Floating point
//===----------------------------------------------------------------------------===//

/// Rounds a quotient or root to odd, given the sign of what it is short of the exact value.
static double toOdd(double value, double shortfall) {
  uint64_t bits = llvm::bit_cast<uint64_t>(value);
  if (shortfall == 0 || !std::isfinite(value) || !std::isfinite(shortfall) || value == 0 || (bits & 1))
    return value;
  return llvm::bit_cast<double>((shortfall > 0) == (value > 0) ? bits + 1 : bits - 1);
}

uint64_t ptx::addFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode) {
  double x = readFloat(format, a, mode), y = readFloat(format, b, mode);
  // An f64 result is the sum rounded to nearest, not to odd.
  double sum = format == FloatFormat::F64 ? x + y : addToOdd(x, y);
  // Exactly cancelling operands give +0, downwards -0.
  if (sum == 0 && mode.rounding == Rounding::Down && !(x == 0 && y == 0 && !std::signbit(x) && !std::signbit(y)))
    sum = -0.0;
  return writeFloat(format, sum, mode);
}

uint64_t ptx::subtractFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode) {
  return addFloats(format, a, negateFloat(format, b, {}), mode);
}

uint64_t ptx::multiplyFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode) {
  // Exact for formats below f64: 48 bits, and exponents far inside of double's range.
  return writeFloat(format, readFloat(format, a, mode) * readFloat(format, b, mode), mode);
}

uint64_t ptx::fusedMultiplyAdd(FloatFormat format, uint64_t a, uint64_t b, uint64_t c, const FloatMode &mode) {
  double x = readFloat(format, a, mode), y = readFloat(format, b, mode), z = readFloat(format, c, mode);
  double result = format == FloatFormat::F64 ? std::fma(x, y, z) : addToOdd(x * y, z);
  return writeFloat(format, result, mode);
}

static uint64_t selectFloat(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode, bool maximum) {
  double x = readFloat(format, a, mode), y = readFloat(format, b, mode);
  if (std::isnan(x) || std::isnan(y)) {
    if (mode.propagateNan || (std::isnan(x) && std::isnan(y)))
      return canonicalNan(format);
    return writeFloat(format, std::isnan(x) ? y : x, mode);
  }
  bool less = x < y || (x == y && std::signbit(x));
  return writeFloat(format, less == maximum ? y : x, mode);
}

uint64_t ptx::minimumFloat(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode) {
  return selectFloat(format, a, b, mode, /*maximum=*/false);
}
uint64_t ptx::maximumFloat(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode) {
  return selectFloat(format, a, b, mode, /*maximum=*/true);
}

static uint64_t signOf(FloatFormat format) { return canonicalNan(format) + 1; }

/// Flushes without touching NaN payloads.
static uint64_t flushBits(FloatFormat format, uint64_t bits, const FloatMode &mode) {
  if (!mode.flush || isNan(format, bits))
    return bits;
  return readFloat(format, bits, mode) == 0 ? bits & signOf(format) : bits;
}

uint64_t ptx::negateFloat(FloatFormat format, uint64_t a, const FloatMode &mode) {
  return flushBits(format, a ^ signOf(format), mode);
}
uint64_t ptx::absoluteFloat(FloatFormat format, uint64_t a, const FloatMode &mode) {
  return flushBits(format, a & canonicalNan(format), mode);
}
uint64_t ptx::copySign(FloatFormat format, uint64_t a, uint64_t b) {
  return (a & signOf(format)) | (b & canonicalNan(format));
}

uint64_t ptx::divideFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode) {
  double x = readFloat(format, a, mode), y = readFloat(format, b, mode), quotient = x / y;
  if (format == FloatFormat::F64 || y == 0 || !std::isfinite(x) || !std::isfinite(y))
    return writeFloat(format, quotient, mode);
  double remainder = std::fma(-quotient, y, x);
  return writeFloat(format, toOdd(quotient, y > 0 ? remainder : -remainder), mode);
}

uint64_t ptx::squareRoot(FloatFormat format, uint64_t a, const FloatMode &mode) {
  double x = readFloat(format, a, mode), root = std::sqrt(x);
  return writeFloat(format, format == FloatFormat::F64 ? root : toOdd(root, std::fma(-root, root, x)), mode);
}

uint32_t ptx::divideApproximately(uint32_t a, uint32_t b, const FloatMode &mode) {
  double x = readFloat(FloatFormat::F32, a, mode), y = readFloat(FloatFormat::F32, b, mode);
  if (std::isfinite(y) && std::fabs(y) > 0x1p126)
    return std::isfinite(x) ? (a ^ b) & 0x80000000 : 0x7fffffff;
  return uint32_t(divideFloats(FloatFormat::F32, a, b, mode));
}

//===----------------------------------------------------------------------------===//
// Approximations
//===----------------------------------------------------------------------------===//

template <size_t count> static double horner(const double (&coefficients)[count], double x) {
  double sum = coefficients[count - 1];
  for (size_t i = count - 1; i-- > 0;)
    sum = sum * x + coefficients[i];
  return sum;
}

/// Taylor series of e^(f·ln 2) for |f| <= 1/2: the first term left out is below 2^-57.
static double exp2Of(double x) {
  static constexpr double inverseFactorials[] = {
      1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
      1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  if (std::isnan(x))
    return x;
  x = std::clamp(x, -1060.0, 1060.0);
  double whole = std::nearbyint(x);
  return std::ldexp(horner(inverseFactorials, (x - whole) * 0.69314718055994530942), int(whole));
}

/// 2·atanh((m - 1) / (m + 1)) for m in [√½, √2]: the first term left out is below 2^-64.
static double log2Of(double x) {
  static constexpr double inverseOdds[] = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11,
                                           1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23};
  if (!(x > 0))
    return x == 0 ? -HUGE_VAL : std::nan("");
  if (std::isinf(x))
    return x;
  int exponent;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < 0.70710678118654752440) {
    mantissa *= 2;
    --exponent;
  }
  double s = (mantissa - 1) / (mantissa + 1);
  return exponent + 2 * s * horner(inverseOdds, s * s) * 1.44269504088896340736;
}

/// Sine, or cosine as the sine a quarter turn later.
static double sineOf(double x, bool cosine) {
  static constexpr double sines[] = {1.0,          -1.0 / 6,        1.0 / 120,        -1.0 / 5040,
                                     1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000};
  static constexpr double cosines[] = {1.0,
                                       -1.0 / 2,
                                       1.0 / 24,
                                       -1.0 / 720,
                                       1.0 / 40320,
                                       -1.0 / 3628800,
                                       1.0 / 479001600,
                                       -1.0 / 87178291200,
                                       1.0 / 20922789888000};
  if (!std::isfinite(x))
    return std::nan("");
  // Far arguments have no documented accuracy; the remainder is exact and keeps the quarter turns countable.
  x = std::fmod(x, 0x1.921fb54442d18p+30);
  double quarters = std::nearbyint(x * 0.63661977236758134308);
  double rest = (x - quarters * 0x1.921fb544p+0) - quarters * 0x1.0b4611a626331p-34;
  unsigned quadrant = unsigned(int64_t(quarters)) + cosine;
  double square = rest * rest;
  double value = quadrant & 1 ? horner(cosines, square) : rest * horner(sines, square);
  return quadrant & 2 ? -value : value;
}

static double tanhOf(double x) {
  static constexpr double series[] = {1.0, -1.0 / 3, 2.0 / 15, -17.0 / 315, 62.0 / 2835};
  if (std::isnan(x) || std::fabs(x) < 1.0 / 64)
    return x * horner(series, x * x);
  if (std::fabs(x) > 32)
    return std::copysign(1.0, x);
  double power = exp2Of(2 * std::fabs(x) * 1.44269504088896340736);
  return std::copysign((power - 1) / (power + 1), x);
}

static double exactly(Approximation function, double x) {
  switch (function) {
  case Approximation::Reciprocal:
    return 1 / x;
  case Approximation::SquareRoot:
    return std::sqrt(x);
  case Approximation::ReciprocalSquareRoot:
    return 1 / std::sqrt(x);
  case Approximation::Exp2:
    return exp2Of(x);
  case Approximation::Log2:
    return log2Of(x);
  case Approximation::Sine:
    return sineOf(x, false);
  case Approximation::Cosine:
    return sineOf(x, true);
  case Approximation::Tanh:
    return tanhOf(x);
  }
  return x;
}

uint64_t ptx::approximate(Approximation function, FloatFormat format, uint64_t a, const FloatMode &mode) {
  return writeFloat(format, exactly(function, readFloat(format, a, mode)), mode);
}

//===----------------------------------------------------------------------------===//
// Predicates
//===----------------------------------------------------------------------------===//

bool ptx::hasProperty(FloatFormat format, uint64_t a, FloatProperty property) {
  double value = decodeFloat(format, a);
  FloatMode flush;
  flush.flush = true;
  bool isTiny = format == FloatFormat::F64 ? std::fpclassify(value) == FP_SUBNORMAL
                                           : value != 0 && readFloat(format, a, flush) == 0;
  switch (property) {
  case FloatProperty::Finite:
    return std::isfinite(value);
  case FloatProperty::Infinite:
    return std::isinf(value);
  case FloatProperty::Number:
    return !std::isnan(value);
  case FloatProperty::NotANumber:
    return std::isnan(value);
  case FloatProperty::Normal:
    return std::isfinite(value) && value != 0 && !isTiny;
  case FloatProperty::Subnormal:
    return isTiny;
  }
  return false;
}

template <typename T> static bool compareOrdered(Comparison comparison, T x, T y) {
  switch (comparison) {
  case Comparison::Eq:
  case Comparison::Equ:
    return x == y;
  case Comparison::Ne:
  case Comparison::Neu:
    return x != y;
  case Comparison::Lt:
  case Comparison::Ltu:
    return x < y;
  case Comparison::Le:
  case Comparison::Leu:
    return x <= y;
  case Comparison::Gt:
  case Comparison::Gtu:
    return x > y;
  case Comparison::Ge:
  case Comparison::Geu:
    return x >= y;
  case Comparison::Num:
    return true;
  case Comparison::Nan:
    return false;
  }
  return false;
}

bool ptx::compareFloats(Comparison comparison, FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode) {
  double x = readFloat(format, a, mode), y = readFloat(format, b, mode);
  if (std::isnan(x) || std::isnan(y))
    return comparison >= Comparison::Equ && comparison != Comparison::Num;
  return compareOrdered(comparison, x, y);
}

bool ptx::compareIntegers(Comparison comparison, IntegerFormat format, uint64_t a, uint64_t b) {
  uint64_t x = extend(format, a), y = extend(format, b);
  return format.isSigned ? compareOrdered(comparison, int64_t(x), int64_t(y)) : compareOrdered(comparison, x, y);
}
