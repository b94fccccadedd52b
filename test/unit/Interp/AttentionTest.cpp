//===- AttentionTest.cpp - attention over a cache -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Attention.h"
#include "TestTensors.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include <limits>

using namespace quantopt;
using namespace quantopt::compute;

static constexpr float hidden = -std::numeric_limits<float>::max();

/// [1, 1, queries, positions], query i at position past + i.
static Tensor causalMask(int64_t queries, int64_t positions, int64_t past) {
  Tensor mask(DType::F32, {1, 1, queries, positions});
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t t = 0; t < positions; ++t)
      mask.mutableData<float>()[i * positions + t] = t <= past + i ? 0.0f : hidden;
  return mask;
}

static Tensor rowsOf(const Tensor &x, int64_t begin, int64_t end) { return take(slice(x, {begin}, {end}, {2}, {1})); }

TEST(Attention, IsTheChainOfItsParts) {
  Tensor q = randomFloats({2, 4, 110, 16}, 1), k = randomFloats({2, 2, 120, 16}, 2),
         v = randomFloats({2, 2, 120, 8}, 3);
  Tensor mask = causalMask(110, 120, 10);
  Tensor kAll = take(gather(k, integers({4}, {0, 0, 1, 1}), 1)), vAll = take(gather(v, integers({4}, {0, 0, 1, 1}), 1));
  Tensor scores = take(matmul(q, take(transpose(kAll, {0, 1, 3, 2}))));
  Tensor scaled = take(binary(Binary::Add, take(binary(Binary::Mul, scores, floats({}, {0.25f}))), mask));
  expectSameBits(take(attention(q, k, v, mask, {0.25})), take(matmul(take(softmax(scaled, -1)), vAll)));
}

TEST(Attention, DecodeEqualsPrefillToTheBit) {
  Tensor q = randomFloats({1, 3, 130, 64}, 4), k = randomFloats({1, 1, 130, 64}, 5),
         v = randomFloats({1, 1, 130, 64}, 6);
  Tensor all = take(attention(q, k, v, causalMask(130, 130, 0), {0.125}));
  for (int64_t i : {0, 1, 2, 17, 95, 96, 129}) {
    Tensor step = take(attention(rowsOf(q, i, i + 1), rowsOf(k, 0, i + 1), rowsOf(v, 0, i + 1), Tensor(), {0.125}));
    expectSameBits(step, rowsOf(all, i, i + 1));
  }
}

TEST(Attention, LeftPaddingDoesNotShow) {
  Tensor q = randomFloats({1, 1, 5, 16}, 7), k = randomFloats({1, 1, 5, 16}, 8), v = randomFloats({1, 1, 5, 16}, 9);
  Tensor padding = randomFloats({1, 1, 3, 16}, 10), mask = causalMask(5, 5, 0), masked(DType::F32, {1, 1, 5, 3});
  for (float &value : masked.mutableData<float>())
    value = hidden;
  Tensor padded = take(attention(q, take(concat({padding, k}, 2)), take(concat({padding, v}, 2)),
                                 take(concat({masked, mask}, 3)), {0.25}));
  expectSameBits(padded, take(attention(q, k, v, mask, {0.25})));
}

/// Attention of query i alone, over rows chosen one by one.
static Tensor attendByRule(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &exactK,
                           const Tensor &exactV, int64_t past, int64_t i, ExactTokens tokens) {
  int64_t index = past + i;
  llvm::SmallVector<Tensor> keys, values;
  for (int64_t t = 0; t <= index; ++t) {
    bool isComplete = tokens.keyBlock && (t / tokens.keyBlock + 1) * tokens.keyBlock <= index;
    bool hasLeft = t <= index - tokens.residual;
    bool isKeyCode = t >= tokens.sinks && (tokens.keyBlock ? isComplete : hasLeft);
    keys.push_back(rowsOf(isKeyCode ? k : exactK, t, t + 1));
    values.push_back(rowsOf(t >= tokens.sinks && hasLeft ? v : exactV, t, t + 1));
  }
  return take(attention(rowsOf(q, i, i + 1), take(concat(keys, 2)), take(concat(values, 2)), Tensor(), {0.25}));
}

TEST(MixedAttention, ReadsWhatItsRuleSays) {
  Tensor q = randomFloats({2, 4, 20, 16}, 1), k = randomFloats({2, 2, 30, 16}, 2), v = randomFloats({2, 2, 30, 8}, 3);
  Tensor exactK = randomFloats({2, 2, 30, 16}, 4), exactV = randomFloats({2, 2, 30, 8}, 5);
  for (ExactTokens tokens : {ExactTokens{4, 0, 0}, ExactTokens{0, 7, 0}, ExactTokens{0, 8, 8}, ExactTokens{3, 5, 4}}) {
    Tensor all = take(mixedAttention(q, k, v, exactK, exactV, causalMask(20, 30, 10), {0.25}, tokens));
    for (int64_t i : {0, 5, 6, 13, 19}) {
      Tensor expected = attendByRule(q, k, v, exactK, exactV, 10, i, tokens), got = rowsOf(all, i, i + 1);
      for (int64_t e = 0; e < got.numElements(); ++e)
        ASSERT_NEAR(got.data<float>()[e], expected.data<float>()[e], 1e-6) << "query " << i;
    }
  }
}

TEST(MixedAttention, DecodeEqualsPrefillToTheBit) {
  Tensor q = randomFloats({1, 3, 130, 64}, 4), k = randomFloats({1, 1, 130, 64}, 5),
         v = randomFloats({1, 1, 130, 64}, 6), exactK = randomFloats({1, 1, 130, 64}, 7),
         exactV = randomFloats({1, 1, 130, 64}, 8);
  ExactTokens tokens{2, 32, 32};
  Tensor all = take(mixedAttention(q, k, v, exactK, exactV, causalMask(130, 130, 0), {0.125}, tokens));
  for (int64_t i : {0, 1, 31, 32, 33, 63, 64, 95, 96, 129}) {
    auto cache = [&](const Tensor &x) { return rowsOf(x, 0, i + 1); };
    Tensor step = take(mixedAttention(rowsOf(q, i, i + 1), cache(k), cache(v), cache(exactK), cache(exactV), Tensor(),
                                      {0.125}, tokens));
    expectSameBits(step, rowsOf(all, i, i + 1));
  }
}

TEST(MixedAttention, RejectsWhatDoesNotFit) {
  Tensor q = randomFloats({1, 1, 2, 4}, 1), k = randomFloats({1, 1, 2, 4}, 2);
  EXPECT_EQ(errorOf(mixedAttention(q, k, k, k, randomFloats({1, 1, 3, 4}, 3), Tensor(), {}, {1, 0, 0})),
            "exact rows of shapes 1x1x2x4 and 1x1x3x4 cannot stand for keys 1x1x2x4 and values 1x1x2x4");
}

TEST(Attention, RejectsWhatDoesNotFit) {
  Tensor q = randomFloats({1, 3, 2, 4}, 1), k = randomFloats({1, 2, 2, 4}, 2);
  EXPECT_EQ(errorOf(attention(q, k, k, Tensor(), {})),
            "attention of q 1x3x2x4, k 1x2x2x4 and v 1x2x2x4 is not defined");
  Tensor one = randomFloats({1, 1, 2, 4}, 3);
  EXPECT_EQ(errorOf(attention(q, one, one, randomFloats({1, 1, 2, 3}, 4), {})),
            "a mask of shape 1x1x2x3 does not broadcast to 1x3x2x2");
}

TEST(Rope, RotatesHalves) {
  Tensor x = floats({1, 1, 1, 4}, {1, 2, 3, 4}), cos = floats({1, 1, 4}, {1, 0, 1, 0}),
         sin = floats({1, 1, 4}, {0, 1, 0, 1});
  expectElements<float>(take(rope(x, cos, sin)), {1, 1, 1, 4}, {1, -4, 3, 2});
  expectElements<float>(take(rope(x, cos.reshaped({1, 1, 1, 4}), sin.reshaped({1, 1, 1, 4}))), {1, 1, 1, 4},
                        {1, -4, 3, 2});
}
