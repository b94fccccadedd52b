//===- Convert.cpp - numbers of PTX's types and conversions between them -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Convert.h"
#include "quantopt/Support/Half.h"
#include <algorithm>
#include <cmath>

using namespace quantopt;
using namespace quantopt::ptx;

namespace {

struct FormatTraits {
  int mantissaBits, exponentBits;

  int bias() const { return (1 << (exponentBits - 1)) - 1; }
  uint64_t signBit() const { return uint64_t(1) << (mantissaBits + exponentBits); }
  uint64_t infinity() const { return ((uint64_t(1) << exponentBits) - 1) << mantissaBits; }
};

} // namespace

static FormatTraits traitsOf(FloatFormat format) {
  switch (format) {
  case FloatFormat::F16:
    return {10, 5};
  case FloatFormat::BF16:
    return {7, 8};
  case FloatFormat::F32:
    return {23, 8};
  case FloatFormat::F64:
    return {52, 11};
  }
  return {};
}

uint64_t ptx::canonicalNan(FloatFormat format) { return traitsOf(format).signBit() - 1; }

bool ptx::isNan(FloatFormat format, uint64_t bits) {
  FormatTraits traits = traitsOf(format);
  return (bits & (traits.signBit() - 1)) > traits.infinity();
}

double ptx::decodeFloat(FloatFormat format, uint64_t bits) {
  switch (format) {
  case FloatFormat::F16:
    return halfToFloat(uint16_t(bits));
  case FloatFormat::BF16:
    return bfloatToFloat(uint16_t(bits));
  case FloatFormat::F32:
    return llvm::bit_cast<float>(uint32_t(bits));
  case FloatFormat::F64:
    return llvm::bit_cast<double>(bits);
  }
  return 0;
}

/// Whether a magnitude with these bits cut off is rounded away from zero.
static bool roundsUp(Rounding rounding, bool negative, bool isOdd, uint64_t cut, uint64_t half) {
  switch (rounding) {
  case Rounding::Nearest:
    return cut > half || (cut == half && isOdd);
  case Rounding::Zero:
    return false;
  case Rounding::Down:
    return negative && cut != 0;
  case Rounding::Up:
    return !negative && cut != 0;
  }
  return false;
}

uint64_t ptx::encodeFloat(FloatFormat format, double value, Rounding rounding) {
  if (std::isnan(value))
    return canonicalNan(format);
  uint64_t bits = llvm::bit_cast<uint64_t>(value);
  if (format == FloatFormat::F64)
    return bits;
  if (format == FloatFormat::F32 && rounding == Rounding::Nearest)
    return llvm::bit_cast<uint32_t>(float(value));

  FormatTraits traits = traitsOf(format);
  bool negative = bits >> 63;
  uint64_t sign = negative ? traits.signBit() : 0;
  if (std::isinf(value))
    return sign | traits.infinity();
  int exponent = int(bits >> 52 & 0x7ff) - 1023 + traits.bias();
  uint64_t mantissa = (bits & ((uint64_t(1) << 52) - 1)) | (bits << 1 >> 53 ? uint64_t(1) << 52 : 0);
  // Exponent field 0 and 1 have the same unit: subnormals lose bits instead.
  int shift = 52 - traits.mantissaBits + (exponent < 1 ? 1 - exponent : 0);
  shift = std::min(shift, 60);
  uint64_t kept = mantissa >> shift, cut = mantissa & ((uint64_t(1) << shift) - 1);
  kept += roundsUp(rounding, negative, kept & 1, cut, uint64_t(1) << (shift - 1));
  // A carry out of the mantissa raises the exponent by itself, in both directions from subnormal and normal.
  uint64_t magnitude = exponent < 1 ? kept : kept + (uint64_t(exponent - 1) << traits.mantissaBits);
  if (magnitude < traits.infinity())
    return sign | magnitude;
  bool toInfinity = roundsUp(rounding, negative, true, 1, 1);
  return sign | (traits.infinity() - !toInfinity);
}

static double flushed(FloatFormat format, double value) {
  double smallest = format == FloatFormat::F16 ? 0x1p-14 : 0x1p-126;
  bool isSubnormal = format != FloatFormat::F64 && std::fabs(value) < smallest;
  return isSubnormal ? std::copysign(0.0, value) : value;
}

double ptx::readFloat(FloatFormat format, uint64_t bits, const FloatMode &mode) {
  double value = decodeFloat(format, bits);
  return mode.flush ? flushed(format, value) : value;
}

uint64_t ptx::writeFloat(FloatFormat format, double value, const FloatMode &mode) {
  if (mode.saturate)
    value = value > 0 ? std::min(value, 1.0) : 0.0;
  if (mode.relu && value <= 0)
    value = 0;
  uint64_t bits = encodeFloat(format, value, mode.rounding);
  if (!mode.flush && !mode.satfinite)
    return bits;
  FormatTraits traits = traitsOf(format);
  uint64_t magnitude = bits & (traits.signBit() - 1);
  if (mode.flush && magnitude < uint64_t(1) << traits.mantissaBits)
    return bits & traits.signBit();
  if (mode.satfinite && magnitude == traits.infinity())
    return bits - 1;
  return bits;
}

double ptx::addToOdd(double a, double b) {
  double sum = a + b;
  // The rounding error of a sum is itself a double (Knuth's TwoSum).
  double partOfB = sum - a, error = (a - (sum - partOfB)) + (b - partOfB);
  if (error == 0 || !std::isfinite(sum))
    return sum;
  uint64_t bits = llvm::bit_cast<uint64_t>(sum);
  if (bits & 1)
    return sum;
  // The neighbour on the error's side has an odd last bit.
  bool away = (error > 0) == (sum > 0);
  return llvm::bit_cast<double>(away ? bits + 1 : bits - 1);
}

double ptx::integerToOdd(uint64_t magnitude, bool negative) {
  int excess = std::max(0, 11 - int(llvm::countl_zero(magnitude)));
  uint64_t lost = magnitude & ((uint64_t(1) << excess) - 1);
  double value = std::ldexp(double((magnitude >> excess) | (lost != 0)), excess);
  return negative ? -value : value;
}

static uint64_t extend(IntegerFormat format, uint64_t bits) {
  unsigned unused = 64 - format.bits;
  return format.isSigned ? uint64_t(int64_t(bits << unused) >> unused) : bits << unused >> unused;
}
static int64_t lowest(IntegerFormat format) { return format.isSigned ? -(int64_t(1) << (format.bits - 2)) * 2 : 0; }
static uint64_t highest(IntegerFormat format) { return ~uint64_t(0) >> (64 - format.bits + format.isSigned); }

uint64_t ptx::convertInteger(IntegerFormat to, IntegerFormat from, uint64_t bits, bool saturate) {
  uint64_t value = extend(from, bits);
  if (!saturate)
    return extend(to, value);
  if (from.isSigned && int64_t(value) < 0)
    return uint64_t(std::max(int64_t(value), lowest(to)));
  return std::min(value, highest(to));
}

static double roundToIntegral(double value, Rounding rounding) {
  switch (rounding) {
  case Rounding::Nearest:
    return std::nearbyint(value);
  case Rounding::Zero:
    return std::trunc(value);
  case Rounding::Down:
    return std::floor(value);
  case Rounding::Up:
    return std::ceil(value);
  }
  return value;
}

uint64_t ptx::convertToInteger(IntegerFormat to, FloatFormat from, uint64_t bits, const FloatMode &mode) {
  double value = readFloat(from, bits, mode);
  if (std::isnan(value))
    return from == FloatFormat::F64 || to.bits == 64 ? extend(to, uint64_t(1) << (to.bits - 1)) : 0;
  value = roundToIntegral(value, mode.rounding);
  if (value <= double(lowest(to)))
    return uint64_t(lowest(to));
  if (value >= std::ldexp(1.0, int(to.bits - to.isSigned)))
    return highest(to);
  return to.isSigned ? uint64_t(int64_t(value)) : uint64_t(value);
}

uint64_t ptx::convertFromInteger(FloatFormat to, IntegerFormat from, uint64_t bits, const FloatMode &mode) {
  uint64_t value = extend(from, bits);
  bool negative = from.isSigned && int64_t(value) < 0;
  uint64_t magnitude = negative ? -value : value;
  if (to != FloatFormat::F64)
    return writeFloat(to, integerToOdd(magnitude, negative), mode);
  int excess = std::max(0, 11 - int(llvm::countl_zero(magnitude)));
  uint64_t kept = magnitude >> excess, cut = magnitude & ((uint64_t(1) << excess) - 1);
  kept += excess > 0 && roundsUp(mode.rounding, negative, kept & 1, cut, uint64_t(1) << (excess - 1));
  double result = std::ldexp(double(kept), excess);
  return writeFloat(to, negative ? -result : result, mode);
}

uint64_t ptx::convertFloat(FloatFormat to, FloatFormat from, uint64_t bits, const FloatMode &mode, bool toIntegral) {
  double value = readFloat(from, bits, mode);
  return writeFloat(to, toIntegral ? roundToIntegral(value, mode.rounding) : value, mode);
}

uint32_t ptx::convertPair(FloatFormat to, uint32_t high, uint32_t low, const FloatMode &mode) {
  return uint32_t(convertFloat(to, FloatFormat::F32, high, mode) << 16 | convertFloat(to, FloatFormat::F32, low, mode));
}

uint32_t ptx::convertToTf32(uint32_t bits) {
  if ((bits & 0x7fffffff) >= 0x7f800000)
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fffffff : bits;
  return (bits + 0x1000) & ~uint32_t(0x1fff);
}

uint32_t ptx::convertPack(IntegerFormat to, int32_t a, int32_t b, uint32_t c) {
  auto field = [&](int32_t value) {
    uint64_t mask = (uint64_t(1) << to.bits) - 1;
    return convertInteger(to, {32, true}, uint32_t(value), /*saturate=*/true) & mask;
  };
  return uint32_t(field(b) | field(a) << to.bits | uint64_t(c) << 2 * to.bits);
}
