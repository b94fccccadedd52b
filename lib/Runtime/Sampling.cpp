//===- Sampling.cpp - the next token from logits -----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Sampling.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <cmath>
#include <numeric>

using namespace quantopt::runtime;

static constexpr uint64_t goldenGamma = 0x9e3779b97f4a7c15;

static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

double quantopt::runtime::uniformNumber(uint64_t seed, uint64_t sequence, uint64_t step) {
  uint64_t state = mix(mix(seed) + sequence);
  return double(mix(state + (step + 1) * goldenGamma) >> 11) * 0x1p-53;
}

double quantopt::runtime::portableExp(double x) {
  if (!(x > -700))
    return 0;
  // x = n·ln 2 + r with |r| <= ln 2 / 2; n·log2High is exact, for it has 33 bits. Then the series of e^r.
  constexpr double log2High = 0x1.62e42feep-1, log2Low = 0x1.a39ef35793c76p-33;
  double n = std::nearbyint(x * 0x1.71547652b82fep+0);
  double r = (x - n * log2High) - n * log2Low;
  double sum = 1;
  for (int i = 14; i > 0; --i)
    sum = 1 + sum * r / i;
  return std::ldexp(sum, int(n));
}

llvm::Error SamplingOptions::check() const {
  if (!(temperature >= 0) || std::isinf(temperature))
    return llvm::createStringError("expected a temperature of at least 0");
  if (!(topP > 0 && topP <= 1))
    return llvm::createStringError("expected a top-p in (0, 1]");
  return llvm::Error::success();
}

int64_t quantopt::runtime::argMax(llvm::ArrayRef<float> logits) {
  // The greatest value first, in lanes that a compiler makes vectors of, then where it is.
  constexpr size_t lanes = 16;
  float greatest[lanes];
  std::fill_n(greatest, lanes, -INFINITY);
  size_t whole = logits.size() / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane)
      greatest[lane] = logits[i + lane] > greatest[lane] ? logits[i + lane] : greatest[lane];
  for (float value : logits.drop_front(whole))
    greatest[0] = value > greatest[0] ? value : greatest[0];
  float best = *std::max_element(greatest, greatest + lanes);
  const float *found = llvm::find(logits, best);
  return found == logits.end() ? 0 : found - logits.begin();
}

/// Tokens in falling order of logits, equal ones by number, NaN last; only the first `count` are in their places.
static std::vector<uint32_t> order(llvm::ArrayRef<float> logits, size_t count) {
  std::vector<uint32_t> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  auto key = [&](uint32_t token) { return std::isnan(logits[token]) ? -INFINITY : logits[token]; };
  auto isBefore = [&](uint32_t a, uint32_t b) { return key(a) != key(b) ? key(a) > key(b) : a < b; };
  std::partial_sort(tokens.begin(), tokens.begin() + count, tokens.end(), isBefore);
  tokens.resize(count);
  return tokens;
}

int64_t quantopt::runtime::sample(llvm::ArrayRef<float> logits, const SamplingOptions &options, double uniform) {
  int64_t best = argMax(logits);
  // Nothing to draw from: NaN everywhere, or an infinite logit, which has all of the probability.
  if (options.temperature == 0 || !std::isfinite(logits[best]))
    return best;
  size_t count = options.topK ? std::min<size_t>(options.topK, logits.size()) : logits.size();
  std::vector<uint32_t> tokens = order(logits, count);
  std::vector<double> weights;
  double total = 0;
  for (uint32_t token : tokens) {
    double distance = (double(logits[token]) - double(logits[best])) / options.temperature;
    weights.push_back(portableExp(distance));
    total += weights.back();
  }
  double kept = total;
  if (options.topP < 1) {
    kept = 0;
    size_t size = 0;
    while (size < weights.size() && kept < options.topP * total)
      kept += weights[size++];
    weights.resize(size);
  }
  double sum = 0;
  for (auto [i, weight] : llvm::enumerate(weights)) {
    sum += weight;
    if (sum > uniform * kept)
      return tokens[i];
  }
  return tokens[weights.size() - 1];
}
