//===- Divergence.h - how far one model's predictions are from another's ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_DIVERGENCE_H
#define QUANTOPT_NUMERICS_DIVERGENCE_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace quantopt::numerics {

/// Two predictions of one token.
struct PredictionPair {
  /// KL(reference ‖ candidate) over the whole vocabulary, in nats.
  double divergence = 0;
  /// -log p(target).
  double referenceLoss = 0, candidateLoss = 0;
  /// Whether both give the same token the greatest probability (the first of equals).
  bool sameTop = false;
};

/// Compares softmax(reference) with softmax(candidate), logits [vocabulary], in f64.
PredictionPair comparePredictions(llvm::ArrayRef<float> reference, llvm::ArrayRef<float> candidate, int64_t target);

/// Over many predictions.
struct DivergenceSummary {
  double perplexity = 0, referencePerplexity = 0;
  double mean = 0;
  /// The least value that 99 % of all divergences do not exceed.
  double p99 = 0;
  double max = 0;
  /// Standard deviation (n - 1) by √n; 0 for one prediction.
  double standardError = 0;
  /// A fraction.
  double topAgreement = 0;
  int64_t count = 0;
};

/// Sums are taken in the order of `pairs`.
DivergenceSummary summarize(llvm::ArrayRef<PredictionPair> pairs);

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_DIVERGENCE_H
