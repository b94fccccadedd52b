//===- Divergence.cpp - how far one model's predictions are from another's --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Divergence.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <vector>

using namespace quantopt::numerics;
using llvm::ArrayRef;

namespace {
/// What turns logits into log-probabilities: x - greatest - logSum.
struct LogSoftmax {
  double greatest, logSum;
  size_t top;

  explicit LogSoftmax(ArrayRef<float> logits) : top(llvm::max_element(logits) - logits.begin()) {
    greatest = logits[top];
    double sum = 0;
    for (float logit : logits)
      sum += std::exp(logit - greatest);
    logSum = std::log(sum);
  }
  double operator()(float logit) const { return logit - greatest - logSum; }
};
} // namespace

PredictionPair quantopt::numerics::comparePredictions(ArrayRef<float> reference, ArrayRef<float> candidate,
                                                      int64_t target) {
  LogSoftmax logP(reference), logQ(candidate);
  PredictionPair pair;
  for (auto [a, b] : llvm::zip_equal(reference, candidate)) {
    double p = logP(a);
    pair.divergence += std::exp(p) * (p - logQ(b));
  }
  pair.referenceLoss = -logP(reference[target]);
  pair.candidateLoss = -logQ(candidate[target]);
  pair.sameTop = logP.top == logQ.top;
  return pair;
}

DivergenceSummary quantopt::numerics::summarize(ArrayRef<PredictionPair> pairs) {
  DivergenceSummary summary;
  summary.count = pairs.size();
  if (pairs.empty())
    return summary;
  double n = pairs.size();
  double divergence = 0, referenceLoss = 0, loss = 0, squares = 0;
  int64_t agreeing = 0;
  std::vector<double> sorted;
  for (const PredictionPair &pair : pairs) {
    divergence += pair.divergence;
    referenceLoss += pair.referenceLoss;
    loss += pair.candidateLoss;
    agreeing += pair.sameTop;
    sorted.push_back(pair.divergence);
  }
  summary.mean = divergence / n;
  summary.referencePerplexity = std::exp(referenceLoss / n);
  summary.perplexity = std::exp(loss / n);
  summary.topAgreement = agreeing / n;
  for (double value : sorted)
    squares += (value - summary.mean) * (value - summary.mean);
  if (pairs.size() > 1)
    summary.standardError = std::sqrt(squares / (n - 1) / n);
  llvm::sort(sorted);
  summary.p99 = sorted[(sorted.size() * 99 + 99) / 100 - 1];
  summary.max = sorted.back();
  return summary;
}
