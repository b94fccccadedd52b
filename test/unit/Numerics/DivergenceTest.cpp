//===- DivergenceTest.cpp - how far one model's predictions are from another's ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Divergence.h"
#include "gtest/gtest.h"
#include <cmath>
#include <vector>

using namespace quantopt::numerics;

TEST(Divergence, OfTwoCoins) {
  // p = (3/4, 1/4), q = (1/2, 1/2); logits are shifted, which changes nothing.
  std::vector<float> p{5 + std::log(3.0f), 5}, q{-2, -2};
  PredictionPair pair = comparePredictions(p, q, 1);
  EXPECT_NEAR(pair.divergence, 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-7);
  EXPECT_NEAR(pair.referenceLoss, std::log(4), 1e-6);
  EXPECT_NEAR(pair.candidateLoss, std::log(2), 1e-12);
  EXPECT_TRUE(pair.sameTop);
}

TEST(Divergence, NothingBetweenEqualPredictions) {
  std::vector<float> p{1, 2, 3, -40, 60};
  PredictionPair pair = comparePredictions(p, p, 2);
  EXPECT_EQ(pair.divergence, 0);
  EXPECT_EQ(pair.referenceLoss, pair.candidateLoss);
  EXPECT_FALSE(comparePredictions(p, {std::vector<float>{9, 2, 3, -40, 6}}, 2).sameTop);
}

TEST(Divergence, Summary) {
  std::vector<PredictionPair> pairs(200);
  for (size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = {double(i + 1), std::log(2), std::log(8), i % 4 == 0};
  DivergenceSummary summary = summarize(pairs);
  EXPECT_EQ(summary.count, 200);
  EXPECT_NEAR(summary.mean, 100.5, 1e-10);
  EXPECT_EQ(summary.p99, 198);
  EXPECT_EQ(summary.max, 200);
  EXPECT_NEAR(summary.standardError, std::sqrt((200.0 * 201 / 12) / 200), 1e-10);
  EXPECT_NEAR(summary.referencePerplexity, 2, 1e-10);
  EXPECT_NEAR(summary.perplexity, 8, 1e-10);
  EXPECT_EQ(summary.topAgreement, 0.25);
  for (PredictionPair &pair : pairs)
    pair.sameTop = true;
  EXPECT_EQ(summarize(llvm::ArrayRef(pairs).take_front(49)).topAgreement, 1);
}
