//===- SamplingTest.cpp - the next token from logits ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Sampling.h"
#include "gtest/gtest.h"
#include <cmath>
#include <map>

using namespace quantopt::runtime;

TEST(Sampling, ExponentialIsPrecise) {
  for (double x = 0; x > -700; x -= 0.0917)
    EXPECT_NEAR(portableExp(x) / std::exp(x), 1, 2e-15) << x;
  EXPECT_EQ(portableExp(0), 1);
  EXPECT_EQ(portableExp(-701), 0);
  EXPECT_EQ(portableExp(-INFINITY), 0);
}

TEST(Sampling, NumbersAreTheDocumentedOnes) {
  auto mix = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  };
  uint64_t state = mix(mix(42) + 3);
  for (uint64_t step = 0; step < 5; ++step) {
    state += 0x9e3779b97f4a7c15;
    EXPECT_EQ(uniformNumber(42, 3, step), double(mix(state) >> 11) / 9007199254740992.0);
  }
  double sum = 0;
  for (uint64_t step = 0; step < 10000; ++step)
    sum += uniformNumber(7, 0, step);
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
  EXPECT_NE(uniformNumber(7, 0, 0), uniformNumber(7, 1, 0));
  EXPECT_NE(uniformNumber(7, 0, 0), uniformNumber(8, 0, 0));
}

TEST(Sampling, GreedyTakesTheFirstOfEquals) {
  EXPECT_EQ(argMax({1, 3, 2, 3}), 1);
  EXPECT_EQ(argMax({NAN, -2, NAN, -1}), 3);
  EXPECT_EQ(argMax({NAN, NAN}), 0);
  EXPECT_EQ(argMax({NAN, -INFINITY}), 1);
  std::vector<float> many(37, -1);
  for (size_t i = many.size(); i-- > 0;) {
    many[i] = 5;
    EXPECT_EQ(argMax(many), int64_t(i));
  }
  EXPECT_EQ(sample({1, 3, 2, 3}, {}, 0.99), 1);
}

static std::map<int64_t, double> frequencies(llvm::ArrayRef<float> logits, const SamplingOptions &options) {
  std::map<int64_t, double> counts;
  constexpr int draws = 20000;
  for (int i = 0; i < draws; ++i)
    counts[sample(logits, options, uniformNumber(1, 0, i))] += 1.0 / draws;
  return counts;
}

TEST(Sampling, FollowsTheSoftmax) {
  SamplingOptions options;
  options.temperature = 2;
  std::vector<float> logits = {0, 2, -1, 2};
  double total = 2 * std::exp(1) + 1 + std::exp(-0.5);
  auto counts = frequencies(logits, options);
  EXPECT_NEAR(counts[0], 1 / total, 0.01);
  EXPECT_NEAR(counts[1], std::exp(1) / total, 0.01);
  EXPECT_NEAR(counts[2], std::exp(-0.5) / total, 0.01);
  EXPECT_NEAR(counts[3], std::exp(1) / total, 0.01);
}

TEST(Sampling, KeepsTheTop) {
  std::vector<float> logits = {0, 2, 1, 2, -5};
  SamplingOptions options;
  options.temperature = 1;
  options.topK = 3;
  auto counts = frequencies(logits, options);
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_FALSE(counts.count(0));
  options.topK = 1;
  counts = frequencies(logits, options);
  EXPECT_EQ(counts.size(), 1u);
  EXPECT_TRUE(counts.count(1));
}

TEST(Sampling, KeepsTheNucleus) {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  std::vector<float> logits = {0, float(std::log(2)), 0, float(std::log(4))};
  SamplingOptions options;
  options.temperature = 1;
  options.topP = 0.5;
  EXPECT_EQ(frequencies(logits, options).size(), 1u);
  options.topP = 0.51;
  auto counts = frequencies(logits, options);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts[3], 2.0 / 3, 0.02);
  options.topP = 1;
  EXPECT_EQ(frequencies(logits, options).size(), 4u);
}

TEST(Sampling, ChecksItsOptions) {
  EXPECT_EQ(llvm::toString(SamplingOptions{-1, 0, 1, 0}.check()), "expected a temperature of at least 0");
  EXPECT_EQ(llvm::toString(SamplingOptions{NAN, 0, 1, 0}.check()), "expected a temperature of at least 0");
  EXPECT_EQ(llvm::toString(SamplingOptions{1, 0, 0, 0}.check()), "expected a top-p in (0, 1]");
  EXPECT_EQ(llvm::toString(SamplingOptions{1, 0, 1.5, 0}.check()), "expected a top-p in (0, 1]");
  EXPECT_FALSE(SamplingOptions().check());
}

TEST(Sampling, EndsWhereNothingCanBeDrawn) {
  SamplingOptions options;
  options.temperature = 1;
  EXPECT_EQ(sample({NAN, NAN}, options, 0.5), 0);
  EXPECT_EQ(sample({0, INFINITY, INFINITY}, options, 0.9), 1);
  EXPECT_EQ(sample({-INFINITY, 0, -INFINITY}, options, 0.999), 1);
  EXPECT_EQ(sample({0, NAN, 0}, options, 0x1.fffffffffffffp-1), 2);
}
