//===- AttentionDecodeTest.cpp - attention of single tokens over a cache ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionCase.h"
#include "Comparison.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::kerneltest;

static AttentionCase threeSequences() {
  AttentionCase attention;
  attention.sequences = {{0, 0}, {37, 5}, {150, 0}};
  return attention;
}

TEST(AttentionDecode, EveryArchitecture) {
  for (const char *arch : {"sm_80", "sm_86", "sm_87", "sm_89", "sm_90a", "sm_100a", "sm_120a"}) {
    AttentionCase attention = threeSequences();
    attention.arch = arch;
    attention.splits = 2;
    expectAttention(attention, /*isDecode=*/true);
  }
}

TEST(AttentionDecode, WarpsAndParts) {
  for (int64_t warps : {1, 2, 4, 8, 16})
    for (int64_t splits : {1, 2, 3, 8}) {
      AttentionCase attention = threeSequences();
      attention.warps = warps;
      attention.splits = splits;
      expectAttention(attention, /*isDecode=*/true);
    }
}

TEST(AttentionDecode, BitsOfTheCache) {
  for (int64_t bits : {16, 8, 4, 3, 2})
    for (int64_t page : {0, 16, 64}) {
      AttentionCase attention = threeSequences();
      attention.bits = bits;
      attention.page = page;
      attention.splits = 2;
      expectAttention(attention, /*isDecode=*/true);
    }
}

TEST(AttentionDecode, SizesOfHeads) {
  for (int64_t headDim : {16, 80, 96, 128, 160})
    for (int64_t bits : {16, 4}) {
      AttentionCase attention = threeSequences();
      attention.headDim = attention.group = headDim;
      attention.bits = bits;
      attention.heads = attention.kvHeads = 1;
      expectAttention(attention, /*isDecode=*/true);
    }
}

TEST(AttentionDecode, HeadsOfAGroup) {
  for (auto [heads, kvHeads] : {std::pair(3, 3), {7, 1}, {9, 3}, {22, 2}, {16, 1}}) {
    AttentionCase attention = threeSequences();
    attention.heads = heads;
    attention.kvHeads = kvHeads;
    attention.group = 32;
    attention.warps = 2;
    expectAttention(attention, /*isDecode=*/true);
  }
}

TEST(AttentionDecode, WindowsAndCaps) {
  for (int64_t window : {1, 20, 100})
    for (double softcap : {0.0, 5.0}) {
      AttentionCase attention = threeSequences();
      attention.window = window;
      attention.softcap = softcap;
      attention.splits = 2;
      expectAttention(attention, /*isDecode=*/true);
    }
}

TEST(AttentionDecode, OfPaddingIsZero) {
  AttentionCase attention;
  attention.sequences = {{20, 40}};
  AttentionData data(attention);
  auto run = runAttention(attention, data.operands, /*isDecode=*/true);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  for (float x : run->result.data<float>())
    ASSERT_EQ(x, 0);
}

/// A token gets the same as a row of the prompt as on its own, within what both may be off.
TEST(AttentionDecode, EqualsTheRowOfAPrompt) {
  for (int64_t bits : {16, 8, 4, 2})
    for (int64_t page : {0, 32}) {
      AttentionCase prompt;
      prompt.bits = bits;
      prompt.page = page;
      prompt.newTokens = 70;
      SCOPED_TRACE(prompt.describe());
      AttentionData whole(prompt);
      auto rows = runAttention(prompt, whole.operands, /*isDecode=*/false);
      ASSERT_TRUE(bool(rows)) << llvm::toString(rows.takeError());
      int64_t columns = prompt.heads * prompt.headDim, last = prompt.newTokens - 1;

      AttentionCase token = prompt;
      token.newTokens = 1;
      token.sequences = {{int32_t(last), 0}};
      token.splits = 2;
      std::vector<Tensor> operands = whole.operands;
      operands[0] = Tensor::from<uint16_t>(DType::F16, {1, columns},
                                           whole.operands[0].data<uint16_t>().slice(last * columns, columns));
      operands[1] = Tensor::from<int32_t>(DType::I32, {1, 4}, {int32_t(last), 0, 1, 0});
      auto single = runAttention(token, operands, /*isDecode=*/true);
      ASSERT_TRUE(bool(single)) << llvm::toString(single.takeError());
      std::vector<double> expected = toDoubles(rows->result);
      Tensor row = Tensor::from<double>(DType::F64, {1, columns}, llvm::ArrayRef(expected).slice(last * columns));
      EXPECT_EQ(compareWithin(single->result, row, [&](int64_t i) { return 2 * whole.bounds[last * columns + i]; }),
                "");
    }
}

/// Of the cache nothing is read twice from memory, and little beside it.
TEST(AttentionDecode, ReadsTheCacheOnce) {
  for (int64_t bits : {16, 8, 4, 2}) {
    AttentionCase attention;
    attention.bits = bits;
    attention.sequences = {{1023, 0}};
    attention.kvHeads = 1;
    attention.heads = 3;
    SCOPED_TRACE(attention.describe());
    AttentionData data(attention);
    auto run = runAttention(attention, data.operands, /*isDecode=*/true);
    ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
    double least = 2.0 * 1024 * attention.layout().tokenBytes();
    double ratio = run->counters.globalLoads.sectors * 32.0 / least;
    testing::Test::RecordProperty("bits_" + std::to_string(bits), std::to_string(ratio));
    EXPECT_LE(ratio, 2);
  }
}

TEST(AttentionDecode, LongContext) {
  AttentionCase attention;
  attention.sequences = {{2000, 100}, {1200, 0}};
  attention.page = 64;
  attention.splits = 4;
  expectAttention(attention, /*isDecode=*/true);
}
