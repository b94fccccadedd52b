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

TEST(Attention, OfAPrompt) {
  AttentionCase attention;
  attention.newTokens = 20;
  expectAttention(attention, /*isDecode=*/false);
}

TEST(AttentionDecode, OfATokenAfterAPrompt) {
  AttentionCase attention;
  attention.sequences = {{37, 0}};
  expectAttention(attention, /*isDecode=*/true);
}
