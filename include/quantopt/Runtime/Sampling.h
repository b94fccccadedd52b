//===- Sampling.h - the next token from logits -----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_SAMPLING_H
#define QUANTOPT_RUNTIME_SAMPLING_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace quantopt::runtime {

/// How a token is drawn. The defaults are greedy: the first of the greatest logits.
struct SamplingOptions {
  /// Logits are divided by it; 0 is greedy.
  double temperature = 0;
  /// Draw among the first K tokens in falling order of logits, equal ones by number; 0 for all.
  uint32_t topK = 0;
  /// Draw among the first tokens, of those that topK leaves, whose probabilities sum to at least this; 1 for all.
  double topP = 1;
  uint64_t seed = 0;

  llvm::Error check() const;
};

/// The number in [0, 1) that draws token number `step` of a sequence: the upper 53 bits of output number `step` (from
/// 0) of SplitMix64 (Steele, Lea, Flood 2014) with the state mix(mix(seed) + sequence), mix being SplitMix64's output
/// function. A sequence's numbers do not depend on what else is in its batch.
double uniformNumber(uint64_t seed, uint64_t sequence, uint64_t step);

/// e^x for x <= 0, the same bits on every machine, within 2e-15 relatively; 0 below -700.
double portableExp(double x);

/// The first of the greatest values; NaN is least.
int64_t argMax(llvm::ArrayRef<float> logits);

/// Draws a token with `uniform` in [0, 1): walks the tokens in falling order until their probability exceeds it. The
/// same on every machine: sums run in that order, in f64.
int64_t sample(llvm::ArrayRef<float> logits, const SamplingOptions &options, double uniform);

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_SAMPLING_H
