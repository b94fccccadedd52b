//===- Half.h - 16-bit floating point --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_HALF_H
#define QUANTOPT_SUPPORT_HALF_H

#include "llvm/ADT/bit.h"
#include <cstdint>

namespace quantopt {

// f16 (IEEE binary16) and bf16 as their bits. Widening is exact; narrowing rounds to nearest, ties to even, overflows
// to infinity and keeps the sign and leading payload bits of a NaN, which becomes quiet. Written in integer selects, so
// that loops over them vectorise on every x86-64.

inline float halfToFloat(uint16_t bits) {
  uint32_t magnitude = uint32_t(bits & 0x7fff) << 13, sign = uint32_t(bits & 0x8000) << 16;
  uint32_t normal = magnitude + (112u << 23);
  uint32_t special = magnitude | (255u << 23);
  uint32_t subnormal = llvm::bit_cast<uint32_t>(llvm::bit_cast<float>(magnitude + (113u << 23)) - 0x1p-14f);
  uint32_t result = magnitude >= (31u << 23) ? special : magnitude < (1u << 23) ? subnormal : normal;
  return llvm::bit_cast<float>(result | sign);
}

inline uint16_t floatToHalf(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffff;
  uint32_t normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // The sum's last bit is worth 2^-24, that of a subnormal f16: the addition rounds.
  uint32_t subnormal =
      llvm::bit_cast<uint32_t>(llvm::bit_cast<float>(magnitude) + 0.5f) - llvm::bit_cast<uint32_t>(0.5f);
  uint32_t special = magnitude > (255u << 23) ? 0x7e00 | ((magnitude >> 13) & 0x3ff) : 0x7c00;
  uint32_t result = magnitude >= (143u << 23) ? special : magnitude < (113u << 23) ? subnormal : normal;
  return uint16_t(result | (bits >> 16 & 0x8000));
}

inline float bfloatToFloat(uint16_t bits) { return llvm::bit_cast<float>(uint32_t(bits) << 16); }

inline uint16_t floatToBfloat(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return uint16_t((bits & 0x7fffffff) > (255u << 23) ? bits >> 16 | 0x40 : rounded);
}

/// Narrowing from f64 rounds once: the step through f32 rounds to odd, which keeps every tie and every inequality.
float doubleToFloatOdd(double value);
inline uint16_t doubleToHalf(double value) { return floatToHalf(doubleToFloatOdd(value)); }
inline uint16_t doubleToBfloat(double value) { return floatToBfloat(doubleToFloatOdd(value)); }

void halfToFloat(const uint16_t *bits, int64_t count, float *values);
void floatToHalf(const float *values, int64_t count, uint16_t *bits);
void bfloatToFloat(const uint16_t *bits, int64_t count, float *values);
void floatToBfloat(const float *values, int64_t count, uint16_t *bits);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_HALF_H
