//===- NarrowFloat.cpp - floating point in a byte or less ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/NarrowFloat.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/Support/ErrorHandling.h"
#include <cmath>
#include <limits>

using namespace quantopt;

namespace {

/// A format of a sign, an exponent and a mantissa, subnormals included.
struct Format {
  int mantissaBits, bias;
  /// Bits of the largest number, of NaN and of infinity; 0 where there is none.
  uint8_t greatest, nan, infinity;
  uint8_t sign = 0x80;
  /// There is one zero; the bits of -0 are the only NaN.
  bool isUnsignedZero = false;
};

} // namespace

static Format formatOf(DType type) {
  switch (type) {
  case DType::F8E4M3FN:
    return {3, 7, 0x7e, 0x7f, 0};
  case DType::F8E4M3FNUZ:
    return {3, 8, 0x7f, 0x80, 0, 0x80, true};
  case DType::F8E5M2:
    return {2, 15, 0x7b, 0x7e, 0x7c};
  case DType::F8E5M2FNUZ:
    return {2, 16, 0x7f, 0x80, 0, 0x80, true};
  case DType::F4E2M1FN:
    return {1, 1, 0x7, 0, 0, 0x8};
  default:
    llvm_unreachable("not a narrow float with a mantissa");
  }
}

static constexpr int leastPower = -127, greatestPower = 127;
static constexpr uint8_t powerNan = 0xff;

static uint8_t encodePower(double value, NarrowRounding rounding) {
  double magnitude = std::abs(value);
  if (std::isnan(value) || (std::isinf(value) && !rounding.saturate))
    return powerNan;
  if (std::isinf(value))
    return greatestPower - leastPower;
  if (magnitude == 0)
    return rounding.saturate ? 0 : powerNan;
  int power = std::ilogb(magnitude);
  double fraction = std::ldexp(magnitude, -power);
  bool goesUp = rounding.powers == PowerRounding::Up ? fraction > 1
                                                     : rounding.powers == PowerRounding::Nearest && fraction >= 1.5;
  power += goesUp;
  bool fits = power >= leastPower && power <= greatestPower;
  if (!fits && !rounding.saturate)
    return powerNan;
  return uint8_t(std::min(std::max(power, leastPower), greatestPower) - leastPower);
}

uint8_t quantopt::encodeNarrow(DType type, double value, NarrowRounding rounding) {
  if (type == DType::F8E8M0FNU)
    return encodePower(value, rounding);
  Format format = formatOf(type);
  uint8_t sign = std::signbit(value) ? format.sign : 0;
  auto special = [&](uint8_t bits) { return uint8_t(format.isUnsignedZero ? format.nan : bits | sign); };
  if (std::isnan(value))
    return format.nan ? special(format.nan) : format.sign;
  double magnitude = std::abs(value);
  // Far beyond every range, so that the arithmetic below stays in range as well.
  int exponent = magnitude > 0x1p20 ? 20 : std::max(magnitude > 0 ? std::ilogb(magnitude) : -2000, 1 - format.bias);
  double steps = std::nearbyint(std::ldexp(std::min(magnitude, 0x1p20), format.mantissaBits - exponent));
  // A carry out of the mantissa steps into the exponent.
  int bits = ((exponent + format.bias - 1) << format.mantissaBits) + int(steps);
  if (bits > format.greatest) {
    if (rounding.saturate || !(format.nan || format.infinity))
      return format.greatest | sign;
    return format.infinity ? format.infinity | sign : special(format.nan);
  }
  return bits == 0 && format.isUnsignedZero ? 0 : uint8_t(bits) | sign;
}

double quantopt::decodeNarrow(DType type, uint8_t bits) {
  if (type == DType::F8E8M0FNU)
    return bits == powerNan ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, bits + leastPower);
  Format format = formatOf(type);
  uint8_t magnitude = bits & (format.sign - 1);
  if (format.isUnsignedZero ? bits == format.nan : format.nan && magnitude > format.greatest)
    return format.infinity && magnitude == format.infinity
               ? std::copysign(std::numeric_limits<double>::infinity(), bits & format.sign ? -1.0 : 1.0)
               : std::numeric_limits<double>::quiet_NaN();
  int exponent = magnitude >> format.mantissaBits, mantissa = magnitude & ((1 << format.mantissaBits) - 1);
  if (exponent)
    mantissa += 1 << format.mantissaBits;
  double value = std::ldexp(mantissa, std::max(exponent, 1) - format.bias - format.mantissaBits);
  return bits & format.sign ? -value : value;
}

Tensor quantopt::convertToNarrow(const Tensor &tensor, DType type, NarrowRounding rounding) {
  Tensor wide = convert(tensor, DType::F64), result(type, tensor.shape());
  uint8_t *bits = result.mutableData<uint8_t>().data();
  for (double value : wide.data<double>())
    *bits++ = encodeNarrow(type, value, rounding);
  return result;
}
