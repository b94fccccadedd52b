//===- Exponential.cpp - exp, sigmoid and silu of arrays ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Exponential.h"
#include "Vectorized.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

using namespace quantopt;
using namespace quantopt::compute;

/// 2^n for n in [-126, 127].
[[gnu::always_inline]] static inline float powerOfTwo(int32_t n) {
  int32_t bits = (n + 127) << 23;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// e^x = 2^n · e^r with n = rint(x / ln 2) and |r| ≤ ln 2 / 2, by the Taylor-like minimax polynomial of degree 6 that
/// Cephes' expf uses; no branches, so that a loop over it becomes vector code.
[[gnu::always_inline]] static inline float exponential(float x) {
  constexpr float logOfE = 1.44269504088896341f, roundingMagic = 12582912.0f; // 1.5 · 2^23
  constexpr float ln2High = 0.693359375f, ln2Low = -2.12194440e-4f;
  float clamped = x < -104.0f ? -104.0f : x;
  clamped = clamped > 89.0f ? 89.0f : clamped;
  float n = __builtin_fmaf(clamped, logOfE, roundingMagic) - roundingMagic;
  float r = __builtin_fmaf(n, -ln2High, clamped);
  r = __builtin_fmaf(n, -ln2Low, r);
  float p = 1.9875691500e-4f;
  p = __builtin_fmaf(p, r, 1.3981999507e-3f);
  p = __builtin_fmaf(p, r, 8.3334519073e-3f);
  p = __builtin_fmaf(p, r, 4.1665795894e-2f);
  p = __builtin_fmaf(p, r, 1.6666665459e-1f);
  p = __builtin_fmaf(p, r, 5.0000001201e-1f);
  p = __builtin_fmaf(p, r * r, r) + 1.0f;
  // Two factors, so that results below the normal range and up to the largest float come out.
  int32_t exponent = int32_t(n), half = exponent >> 1;
  float result = p * powerOfTwo(half) * powerOfTwo(exponent - half);
  return x != x ? x : result;
}

QUANTOPT_VECTORIZED void compute::exponentials(const float *input, float *output, int64_t count) {
  QUANTOPT_INDEPENDENT_ITERATIONS
  for (int64_t i = 0; i < count; ++i)
    output[i] = exponential(input[i]);
}

void compute::exponentials(const double *input, double *output, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    output[i] = std::exp(input[i]);
}

QUANTOPT_VECTORIZED void compute::sigmoids(const float *input, float *output, int64_t count) {
  QUANTOPT_INDEPENDENT_ITERATIONS
  for (int64_t i = 0; i < count; ++i)
    output[i] = 1.0f / (1.0f + exponential(-input[i]));
}

void compute::sigmoids(const double *input, double *output, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    output[i] = 1.0 / (1.0 + std::exp(-input[i]));
}

QUANTOPT_VECTORIZED void compute::silus(const float *input, float *output, int64_t count) {
  QUANTOPT_INDEPENDENT_ITERATIONS
  for (int64_t i = 0; i < count; ++i)
    output[i] = input[i] * (1.0f / (1.0f + exponential(-input[i])));
}

void compute::silus(const double *input, double *output, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    output[i] = input[i] * (1.0 / (1.0 + std::exp(-input[i])));
}
