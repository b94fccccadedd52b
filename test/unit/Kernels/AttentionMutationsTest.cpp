//===- AttentionMutationsTest.cpp - bugs planted into attention are noticed ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// As MutationsTest.cpp, but a result is noticed only if it leaves the derived bounds of AttentionCase.h: these would
// hide a bug if they were too wide.
//
//===----------------------------------------------------------------------------===//
#include "AttentionCase.h"
#include "Mutation.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// Expects every mutation of the kernel, or of the one that combines its parts, to be noticed by the one that has to.
static void expectCaught(const AttentionCase &attention, bool isDecode, bool isCombine,
                         llvm::ArrayRef<Mutation> mutations) {
  auto kernel = Kernel::build(isCombine ? attention.combineText() : attention.text(isDecode));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  AttentionData data(attention);
  auto right = runAttention(attention, data.operands, isDecode);
  ASSERT_TRUE(bool(right)) << llvm::toString(right.takeError());
  ASSERT_EQ(compareAttention(data, right->result), "");
  for (const Mutation &mutation : mutations) {
    SCOPED_TRACE(mutation.name);
    auto ptx = mutate((*kernel)->ptx(), mutation);
    if (!ptx) {
      ADD_FAILURE() << llvm::toString(ptx.takeError());
      continue;
    }
    AttentionTexts texts;
    (isCombine ? texts.combine : texts.kernel) = *ptx;
    auto run = runAttention(attention, data.operands, isDecode, texts);
    bool isStrict = !run;
    std::string why = isStrict ? llvm::toString(run.takeError()) : compareAttention(data, run->result);
    EXPECT_FALSE(why.empty()) << "nobody notices";
    if (mutation.catcher != Catcher::Either)
      EXPECT_EQ(isStrict, mutation.catcher == Catcher::Strict) << why;
    std::string name = mutation.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    testing::Test::RecordProperty(name, (isStrict ? "checks: " : "result: ") + why);
  }
}

// Padding, a window that ends within steps, steps without an edge, several pages and groups, and rows that do not fill
// the last tile.
static AttentionCase promptCase() {
  AttentionCase attention;
  attention.sequences = {{0, 5}, {33, 2}};
  attention.newTokens = 70;
  attention.window = 60;
  attention.softcap = 5;
  attention.page = 16;
  attention.group = 32;
  attention.warps = 2;
  return attention;
}

static constexpr Mutation promptMutations[] = {
    // Masks and steps.
    {"the mask a token too far", "setp\\.lt\\.u32", 1, "lt", "le", Catcher::Result},
    {"no mask for a token", "selp\\.f32.*0fFF800000", 2, "(%r[0-9]+), 0fFF800000", "\\1, \\1", Catcher::Result},
    {"a masked token that weighs something", "selp\\.f32.*0fFF800000", 5, "0fFF800000", "0f00000000", Catcher::Result},
    {"a window a token too long", "add\\.s32.*, -59;", 3, "-59", "-60", Catcher::Result},
    {"steps beyond the window without a mask", "add\\.s32.*, -59;", 2, "-59", "-75", Catcher::Result},
    {"the diagonal without a mask", "add\\.s32.*, 1;", 2, " 1;", " 17;", Catcher::Result},
    {"padding that is attended to", "max\\.s32", 6, "(%r[0-9]+), (%r[0-9]+), (%r[0-9]+);", "\\1, \\3, \\3;",
     Catcher::Result},
    {"edges at the other end", "selp\\.b32.*, 0, %r", 2, "0, (%r[0-9]+)", "\\1, 0"},
    {"tokens read that nobody wrote", "min\\.s32", 23, "(%r[0-9]+), (%r[0-9]+), (%r[0-9]+);", "\\1, \\2, \\2;",
     Catcher::Result},
    // Places in the cache.
    {"pages of another sequence", "mul\\.wide\\.u32.*, 32;", 1, "32;", "16;"},
    {"values of another head", "mad\\.lo\\.s32.*, 3, %r", 2, ", 3,", ", 2,"},
    {"the head of another group", "mul\\.hi\\.u32", 1, "1431655766", "715827883", Catcher::Result},
    {"scales of another group", "ld\\.global\\.v2\\.b32.*\\+512\\]", 2, "\\{(%r[0-9]+), (%r[0-9]+)\\}", "{\\2, \\1}",
     Catcher::Result},
    {"the scale of another token", "ld\\.global\\.v4\\.b32.*\\+528\\]", 1, "\\+528", "+512", Catcher::Result},
    // Codes.
    {"a key without its zero", "prmt\\.b32.*16962", 1, "16962", "16448", Catcher::Result},
    {"a value without its zero", "prmt\\.b32.*30258", 1, "30258", "21520", Catcher::Result},
    {"the codes of another nibble", "lop3\\.b32", 1, "(%r[0-9]+), (%r[0-9]+), (%r[0-9]+), (%r[0-9]+), 234",
     "\\1, \\2, \\4, \\4, 234", Catcher::Result},
    {"values exchanged between tokens", "mma\\.sync", -1, "\\}, \\{(%r[0-9]+), (%r[0-9]+)\\}", "}, {\\2, \\1}",
     Catcher::Result},
    // Softmax.
    {"the wrong scale of scores", "mul\\.rn\\.f32.*0f3D93BB63", 1, "0f3D93BB63", "0f3D13BB63", Catcher::Result},
    {"the wrong cap", "fma\\.rn\\.f32.*0f40E6D4CA", 1, "0f40E6D4CA", "0f4166D4CA", Catcher::Result},
    {"a cap with the wrong slope", "fma\\.rn\\.f32.*0fC166D4CA", 2, "0fC166D4CA", "0fC0E6D4CA", Catcher::Result},
    {"nothing rescaled", "sub\\.rn\\.f32", 1, "(%r[0-9]+), (%r[0-9]+);", "\\2, \\2;", Catcher::Result},
    {"the greatest of half a quad", "shfl\\.sync\\.bfly", 3, ", 2, 31", ", 1, 31", Catcher::Result},
    {"the shift of half a quad", "shfl\\.sync\\.bfly", 1, ", 2, 31", ", 1, 31", Catcher::Result},
    {"the sum of half a quad", "shfl\\.sync\\.bfly", -1, ", 1, 31", ", 2, 31", Catcher::Result},
    {"weights beyond f16", "add\\.rn\\.f32.*0fCB00008D", 1, "0fCB00008D", "0fCB0000AD", Catcher::Result},
    {"weights exchanged between tokens", "cvt\\.rn\\.f16x2", 1, "(%r[0-9]+), (%r[0-9]+);", "\\2, \\1;",
     Catcher::Result},
    {"weights exchanged between rows", "mma\\.sync", -1,
     "\\}, \\{(%r[0-9]+), (%r[0-9]+), (%r[0-9]+), (%r[0-9]+)\\}, \\{(%r[0-9]+), (%r[0-9]+)\\}",
     "}, {\\2, \\1, \\3, \\4}, {\\5, \\6}", Catcher::Result},
    // Results.
    {"results left out", "st\\.global\\.v4", -1, "", "", Catcher::Strict},
    {"results in another place", "st\\.global\\.v4.*\\+16\\]", 1, "\\+16", "+32"},
};

TEST(AttentionMutations, OfPromptsAreNoticed) {
  expectCaught(promptCase(), /*isDecode=*/false, /*isCombine=*/false, promptMutations);
}

static AttentionCase tokenCase() {
  AttentionCase attention;
  attention.sequences = {{0, 0}, {37, 5}, {150, 0}};
  attention.window = 120;
  attention.page = 32;
  attention.splits = 2;
  return attention;
}

static constexpr Mutation tokenMutations[] = {
    // Parts of the context.
    {"parts that are too short", "and\\.b32.*, 2147483584;", 1, "2147483584", "2147483520", Catcher::Result},
    {"a part that ends late", "min\\.s32", 1, "(%r[0-9]+), (%r[0-9]+), (%r[0-9]+);", "\\1, \\3, \\3;", Catcher::Result},
    {"a part that begins early", "max\\.s32", 2, "(%r[0-9]+), (%r[0-9]+), (%r[0-9]+);", "\\1, \\2, \\2;",
     Catcher::Result},
    {"the newest token left out", "add\\.s32.*, 1;", 1, " 1;", " 0;", Catcher::Result},
    {"the same tokens in two warps", "and\\.b32.*, 96;", 1, "96", "64", Catcher::Result},
    {"the window a token too short", "add\\.s32.*, -119;", 1, "-119", "-118", Catcher::Result},
    {"pages of another sequence", "mul\\.wide\\.u32.*, 24;", 1, "24;", "20;"},
    // Sums of warps.
    {"no barrier before the sums of warps", "bar\\.sync", 1, "", "", Catcher::Strict},
    {"the barrier before they are written", "bar\\.sync", 1, "", "above 12", Catcher::Strict},
    {"the sums of a warp twice", "ld\\.shared\\.v4.*\\+6144\\]", 1, "6144", "4096", Catcher::Result},
    {"the greatest of another warp", "ld\\.shared\\.v2.*\\+8384\\]", 1, "8384", "8320", Catcher::Result},
    {"sums of a warp not rescaled", "sub\\.rn\\.f32", -1, "(%r[0-9]+), (%r[0-9]+);", "\\2, \\2;", Catcher::Result},
    {"sums written over others", "st\\.shared\\.v4.*\\+512\\]", 1, "512", "1024", Catcher::Strict},
    {"statistics written over sums", "st\\.shared\\.v2.*\\+8192\\]", 1, "8192", "8184"},
    // Results.
    {"heads beyond the group", "setp\\.gt\\.u32.*, 11;", 1, "11", "15"},
    {"parts of another size", "mul\\.wide\\.u32.*, 264;", 1, "264", "256", Catcher::Strict},
    {"elements in another place", "st\\.global\\.v2.*\\+16\\]", 1, "16", "12", Catcher::Strict},
};

TEST(AttentionMutations, OfTokensAreNoticed) {
  expectCaught(tokenCase(), /*isDecode=*/true, /*isCombine=*/false, tokenMutations);
}

static constexpr Mutation combineMutations[] = {
    {"parts not rescaled", "sub\\.rn\\.f32", 1, "(%r[0-9]+), (%r[0-9]+);", "\\1, \\1;", Catcher::Result},
    {"the first part twice", "mov\\.b64.*, 264;", -1, "264", "0", Catcher::Result},
    {"elements of another column", "and\\.b32.*, 248;", 1, "248", "120", Catcher::Result},
    {"parts of another head", "shr\\.u32.*, 6;", 1, "6;", "7;", Catcher::Result},
    {"a row that does not end", "setp\\.gt\\.s32.*, 575;", 1, "575", "639"},
    {"an empty part that counts", "max\\.f32.*0fF149F2CA", 1, "0fF149F2CA", "0fFF800000", Catcher::Result},
};

// The first sequence has an index to attend to in the first part alone; the last has none at all.
TEST(AttentionMutations, OfCombinedPartsAreNoticed) {
  AttentionCase attention = tokenCase();
  attention.sequences.push_back({20, 40});
  expectCaught(attention, /*isDecode=*/true, /*isCombine=*/true, combineMutations);
}
