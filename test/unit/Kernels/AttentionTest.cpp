//===- AttentionTest.cpp - attention of prompts over a cache ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionCase.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// Two sequences: one begins, with padding; one goes on, with less of it.
static AttentionCase twoSequences(int64_t newTokens) {
  AttentionCase attention;
  attention.sequences = {{0, 5}, {33, 2}};
  attention.newTokens = newTokens;
  return attention;
}

TEST(Attention, EveryArchitecture) {
  for (const char *arch : {"sm_80", "sm_86", "sm_87", "sm_89", "sm_90a", "sm_100a", "sm_120a"}) {
    AttentionCase attention = twoSequences(23);
    attention.arch = arch;
    expectAttention(attention, /*isDecode=*/false);
  }
}

TEST(Attention, BitsOfTheCache) {
  for (int64_t bits : {16, 8, 4, 3, 2})
    for (int64_t page : {0, 32}) {
      AttentionCase attention = twoSequences(21);
      attention.bits = bits;
      attention.page = page;
      attention.warps = 2;
      expectAttention(attention, /*isDecode=*/false);
    }
}

TEST(Attention, KindsOfScales) {
  for (int64_t bits : {8, 4})
    for (bool isSymmetric : {false, true})
      for (bool hasHalfScales : {false, true})
        for (int64_t group : {16, 32, 64}) {
          AttentionCase attention = twoSequences(5);
          attention.headDim = group == 16 ? 128 : 64;
          attention.bits = bits;
          attention.isSymmetric = isSymmetric;
          attention.hasHalfScales = hasHalfScales;
          attention.group = group;
          attention.warps = 1;
          expectAttention(attention, /*isDecode=*/false);
        }
}

// Heads of one load of a lane, and of several of unequal widths.
TEST(Attention, SizesOfHeads) {
  for (int64_t headDim : {16, 32, 48, 80, 96, 112, 128, 144, 160, 192})
    for (int64_t bits : {16, 8, 4, 2}) {
      if (bits != 4 && headDim != 16 && headDim != 80 && headDim != 144)
        continue;
      AttentionCase attention = twoSequences(5);
      attention.headDim = attention.group = headDim;
      attention.bits = bits;
      attention.heads = attention.kvHeads = 1;
      attention.warps = 1;
      expectAttention(attention, /*isDecode=*/false);
    }
}

TEST(Attention, HeadsOfAGroup) {
  for (auto [heads, kvHeads] : {std::pair(3, 3), {4, 1}, {9, 3}, {14, 2}}) {
    AttentionCase attention = twoSequences(17);
    attention.heads = heads;
    attention.kvHeads = kvHeads;
    attention.warps = 2;
    expectAttention(attention, /*isDecode=*/false);
  }
}

TEST(Attention, WindowsAndCaps) {
  for (int64_t window : {0, 1, 7, 16, 40})
    for (double softcap : {0.0, 5.0}) {
      AttentionCase attention = twoSequences(50);
      attention.window = window;
      attention.softcap = softcap;
      attention.page = 16;
      attention.heads = 3;
      expectAttention(attention, /*isDecode=*/false);
    }
}

TEST(Attention, TypesOfResults) {
  for (const char *result : {"f16", "bf16"}) {
    AttentionCase attention = twoSequences(9);
    attention.result = result;
    expectAttention(attention, /*isDecode=*/false);
  }
}

TEST(Attention, LongContext) {
  AttentionCase attention;
  attention.sequences = {{1000, 0}};
  attention.newTokens = 40;
  attention.heads = 3;
  attention.kvHeads = 1;
  attention.page = 64;
  expectAttention(attention, /*isDecode=*/false);
}

// Padding attends to nothing.
TEST(Attention, OfPaddingIsZero) {
  AttentionCase attention = twoSequences(20);
  AttentionData data(attention);
  auto run = runAttention(attention, data.operands, /*isDecode=*/false);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  int64_t columns = attention.heads * attention.headDim;
  for (float x : run->result.data<float>().take_front(attention.sequences[0].start * columns))
    ASSERT_EQ(x, 0);
}
