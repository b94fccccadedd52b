//===- Half.cpp - 16-bit floating point ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Half.h"
#include <cmath>

using namespace quantopt;

float quantopt::doubleToFloatOdd(double value) {
  float nearest = float(value);
  if (double(nearest) == value || std::isnan(value))
    return nearest;
  // Inexact: of the two neighbours the odd one.
  uint32_t bits = llvm::bit_cast<uint32_t>(nearest);
  if (bits & 1)
    return nearest;
  bool isTooGreat = std::abs(double(nearest)) > std::abs(value);
  return llvm::bit_cast<float>(isTooGreat ? bits - 1 : bits + 1);
}

void quantopt::halfToFloat(const uint16_t *bits, int64_t count, float *values) {
  for (int64_t i = 0; i < count; ++i)
    values[i] = halfToFloat(bits[i]);
}
void quantopt::floatToHalf(const float *values, int64_t count, uint16_t *bits) {
  for (int64_t i = 0; i < count; ++i)
    bits[i] = floatToHalf(values[i]);
}
void quantopt::bfloatToFloat(const uint16_t *bits, int64_t count, float *values) {
  for (int64_t i = 0; i < count; ++i)
    values[i] = bfloatToFloat(bits[i]);
}
void quantopt::floatToBfloat(const float *values, int64_t count, uint16_t *bits) {
  for (int64_t i = 0; i < count; ++i)
    bits[i] = floatToBfloat(values[i]);
}
