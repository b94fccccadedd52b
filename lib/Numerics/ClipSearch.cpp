//===- ClipSearch.cpp - the scale of least error for a group of weights ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ClipSearch.h"
#include "Lanes.h"
#include <cmath>

using namespace quantopt::numerics;

using FloatLanes = Lanes<float>::Vector;
static constexpr int64_t lanes = Lanes<float>::width;
/// Elements summed in f32 lanes before they join the f64 sum.
static constexpr int64_t blockSize = 8 * lanes;

/// 1.5·2^23: see roundToEven.
static constexpr float magic = 12582912.0f;

/// a·b + c rounded once. A processor without the instruction takes the C library's, slowly, for the same bits.
QUANTOPT_INLINE void multiplyAdd(FloatLanes &result, const FloatLanes &a, const FloatLanes &b, const FloatLanes &c) {
  result = __builtin_elementwise_fma(a, b, c);
}

/// high·step + low for two coefficients.
QUANTOPT_INLINE void linear(FloatLanes &result, float low, float high, const FloatLanes &step) {
  multiplyAdd(result, FloatLanes{} + high, step, FloatLanes{} + low);
}

/// x becomes x^power = 2^(power·log2 x) for 2^-62 < x < 2^62 and power <= 2. With x = 2^k·m, m in [√½, √2), the integer
/// part of the exponent is taken off without rounding. Polynomials are split in pairs (Estrin), since their latency
/// decides.
QUANTOPT_INLINE void raise(FloatLanes &x, const FloatLanes &power) {
  IntegerLanes bits;
  std::memcpy(&bits, &x, sizeof(bits));
  IntegerLanes exponent = (bits - 0x3f3504f3) >> 23;
  bits -= exponent << 23;
  FloatLanes z;
  std::memcpy(&z, &bits, sizeof(bits));
  z -= 1.0f;

  // log2(1 + z) = z·P(z), minimax with an error of 4.9e-8.
  FloatLanes p0, p2, p4, p6, square = z * z;
  linear(p0, 1.4426947832107544f, -0.7213571071624756f, z);
  linear(p2, 0.4809393882751465f, -0.3600881099700928f, z);
  linear(p4, 0.2867085337638855f, -0.25006118416786194f, z);
  linear(p6, 0.2368825376033783f, -0.14575764536857605f, z);
  multiplyAdd(p0, p2, square, p0);
  multiplyAdd(p4, p6, square, p4);
  multiplyAdd(p0, p4, square * square, p0);
  FloatLanes log = p0 * z;

  FloatLanes k = __builtin_convertvector(exponent, FloatLanes), shifted, rest;
  multiplyAdd(shifted, k + log, power, FloatLanes{} + magic);
  multiplyAdd(rest, k, power, -(shifted - magic));
  multiplyAdd(rest, log, power, rest);

  // 2^rest, minimax with a relative error of 7.5e-8.
  FloatLanes e0, e2, e4, restSquare = rest * rest;
  linear(e0, 1.0000001192092896f, 0.6931469440460205f, rest);
  linear(e2, 0.24022120237350464f, 0.05550713092088699f, rest);
  linear(e4, 0.009675540961325169f, 0.0013276472454890609f, rest);
  multiplyAdd(e2, e4, restSquare, e2);
  multiplyAdd(e0, e2, restSquare, e0);

  // The low bits of `shifted` are the integer part; the others leave at the top.
  IntegerLanes whole, scaled;
  std::memcpy(&whole, &shifted, sizeof(whole));
  std::memcpy(&scaled, &e0, sizeof(scaled));
  scaled += whole << 23;
  std::memcpy(&x, &scaled, sizeof(x));
}

/// The sum of the lanes, in halves.
QUANTOPT_INLINE double sumOfLanes(const FloatLanes &sum) {
  float values[lanes];
  store(sum, values);
  for (int64_t half = lanes / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i)
      values[i] += values[i + half];
  return values[0];
}

QUANTOPT_MULTIVERSION
double quantopt::numerics::clippingError(const float *units, int64_t count, float ratio, float greatest, float norm,
                                         double bound) {
  const FloatLanes inverse = FloatLanes{} + 1.0f / ratio, power = FloatLanes{} + norm / 2, scale = FloatLanes{} + ratio;
  // Codes are kept shifted by `magic`, where additions round to integers.
  const FloatLanes shift = FloatLanes{} + magic, high = shift + greatest, low = shift - greatest - 1.0f;
  const FloatLanes least = FloatLanes{} + 0x1p-60f;
  double total = 0;
  for (int64_t start = 0; start < count && total <= bound; start += blockSize) {
    FloatLanes sum = {};
    int64_t end = count < start + blockSize ? count : start + blockSize;
    for (int64_t i = start; i < end; i += lanes) {
      FloatLanes unit;
      load(unit, units + i);
      FloatLanes code, error;
      multiplyAdd(code, unit, inverse, shift);
      code = code > low ? code : low;
      code = code < high ? code : high;
      multiplyAdd(error, code - shift, scale, -unit);
      multiplyAdd(error, error, error, least);
      raise(error, power);
      sum += error;
    }
    total += sumOfLanes(sum);
  }
  return total;
}

ClipSearch::ClipSearch(float greatestCode, int64_t steps, float norm) : greatestCode(greatestCode), norm(norm) {
  for (int64_t i = 0; i < steps; ++i)
    ratios.push_back(1.0f - float(i) / 100.0f);
  // Rows of rotated weights are close to normal, and clip best around 0.7 at 4 bits: outwards from there.
  int64_t centre = steps * 3 / 8;
  for (int64_t distance = 0; distance < steps; ++distance) {
    if (centre - distance >= 0)
      order.push_back(centre - distance);
    if (distance > 0 && centre + distance < steps)
      order.push_back(centre + distance);
  }
}

float ClipSearch::findRatio(llvm::ArrayRef<float> weights, float absmax, std::vector<float> &scratch) const {
  // In units of the code step at ratio 1, so that the search does not depend on the magnitude of the weights. The
  // padding adds the same negligible error to every sum.
  float unit = absmax / greatestCode;
  scratch.assign((weights.size() + lanes - 1) / lanes * lanes, 0.0f);
  for (size_t i = 0; i < weights.size(); ++i)
    scratch[i] = weights[i] / unit;

  double bestError = HUGE_VAL;
  int64_t best = 0;
  for (int64_t step : order) {
    double error = clippingError(scratch.data(), scratch.size(), ratios[step], greatestCode, norm, bestError);
    if (error < bestError || (error == bestError && step < best)) {
      bestError = error;
      best = step;
    }
  }
  return ratios[best];
}
