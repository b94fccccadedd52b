//===- MutationsRopeAppendTest.cpp - bugs planted into rope_append ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Mutation.h"
#include "RopeAppendCase.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

// Half of a head is turned. One sequence begins within its padding, one ends behind its last page, and the last one has
// no page for its last tokens.
static constexpr Mutation ropeAppendMutations[] = {
    // Which token, and which head.
    {"the state of another sequence", "mul\\.wide\\.u32.*, 16;", 1, "16;", "32;"},
    {"positions that count padding", "sub\\.s32", 2, "sub\\.s32(.*), %r[0-9]+;", "mov.b32\\1;", Catcher::Result},
    {"positions before the first", "max\\.s32.*, 0;", 1, "max\\.s32(.*), 0;", "mov.b32\\1;", Catcher::Strict},
    {"positions behind the last", "min\\.s32.*, 63;", 1, "min\\.s32(.*), 63;", "mov.b32\\1;", Catcher::Strict},
    {"rows of angles too close", "mul\\.wide\\.u32.*, 64;", 1, "64;", "32;", Catcher::Result},
    {"queries of another head", "selp\\.b32.*, 3, 9,", 1, "3, 9", "9, 3"},
    {"a head too many", "min\\.s32.*, 14;", 1, "min\\.s32(.*), 14;", "mov.b32\\1;", Catcher::Strict},
    {"a vector read misaligned", "ld\\.global\\.v4.*\\+16", 1, "\\+16", "+8", Catcher::Strict},
    // RoPE.
    {"a sine of the other sign", "neg\\.f32", 1, "neg\\.f32", "mov.b32", Catcher::Result},
    {"halves exchanged", "selp\\.f32", 1, "(%r[0-9]+), (%r[0-9]+), %p", "\\2, \\1, %p", Catcher::Result},
    {"cosines for sines", "ld\\.param.*_param_4", 1, "param_4", "param_3", Catcher::Result},
    {"more turned than the halves", "setp\\.lt\\.u32.*, 4;", 1, " 4;", " 5;", Catcher::Result},
    {"a half too wide", "setp\\.lt\\.u32.*, 2;", 1, " 2;", " 3;", Catcher::Result},
    {"half a warp in an exchange", "shfl\\.sync\\.idx", 1, "-1;", "65535;", Catcher::Strict},
    // Transform.
    {"a sign less", "and\\.b32.*, -2147483648;", 2, "-2147483648", "0", Catcher::Result},
    {"a difference added", "sub\\.rn\\.f32", 3, "sub", "add", Catcher::Result},
    {"a step of the transform twice", "shfl\\.sync\\.bfly.*, 4, 31,", 1, " 4,", " 2,", Catcher::Result},
    {"a butterfly without its sign", "selp\\.f32.*0fBF800000", 2, "0fBF800000", "0f3F800000", Catcher::Result},
    {"another factor", "mul\\.rn\\.f32.*0f3E000000", 1, "0f3E000000", "0f3E800000", Catcher::Result},
    {"values transformed", "selp\\.f32.*, %p4;", 1, "selp\\.f32(.*), %r[0-9]+, %p4;", "mov.b32\\1;", Catcher::Result},
    // Scales.
    {"no clip", "mul\\.rn\\.f32.*0f3F733333", 1, "0f3F733333", "0f3F800000", Catcher::Result},
    {"the greatest of half a group", "shfl\\.sync\\.bfly.*, 2, 31,", 9, " 2,", " 1,", Catcher::Result},
    {"the least for the greatest", "max\\.s32", -1, "max", "min", Catcher::Result},
    {"a scale rounded toward zero", "cvt\\.rn\\.f16\\.f32", 1, "rn", "rz", Catcher::Result},
    {"a zero too small", "min\\.s32.*, 15;", 1, "15", "3", Catcher::Result},
    // Codes.
    {"codes rounded toward zero", "cvt\\.rni\\.s32", 2, "rni", "rzi", Catcher::Result},
    {"codes that do not end", "min\\.s32", -1, "min\\.s32(.*), %r[0-9]+;", "mov.b32\\1;", Catcher::Result},
    {"codes without their zero", "mad\\.lo\\.s32.*, 286331153,", 1, "286331153", "0", Catcher::Result},
    {"a code in the place of another", "shl\\.b32.*, 4;", -1, "4;", "8;", Catcher::Result},
    // Places.
    {"tokens behind the context", "setp\\.lt\\.u32.*, 64;", 1, "64", "66", Catcher::Result},
    {"a page that is missing", "setp\\.lt\\.s32.*, 0;", 1, " 0;", " -9;", Catcher::Strict},
    {"the page of another token", "shr\\.u32.*, 2;", 1, "2;", "3;", Catcher::Result},
    {"blocks of pages too close", "mul\\.wide\\.u32.*, 640;", 1, "640", "320"},
    {"a head less for each page", "mad\\.lo\\.s32.*, 3,", 1, ", 3,", ", 2,"},
    {"keys for values", "selp\\.b64", -1, "(%rd[0-9]+), (%rd[0-9]+), %p", "\\2, \\1, %p", Catcher::Result},
    {"tokens of a page too close", "mul\\.wide\\.u32.*, 32;", 2, "32;", "16;"},
    {"scales of tokens too close", "mul\\.wide\\.u32.*, 8;", 1, "8;", "4;"},
    {"scales among codes", "st\\.global\\.b32.*\\+512", 1, "\\+512", "+256"},
    {"scales by more lanes than one", "and\\.b32.*, 3;", -1, "3;", "1;", Catcher::Strict},
    {"keys among queries", "@%p3 bra", 1, "", ""},
    {"queries stored misaligned", "st\\.global\\.v4", 1, "\\]", "+8]", Catcher::Strict},
};

TEST(Mutations, OfRopeAppendAreNoticed) {
  RopeAppendCase rope;
  rope.rotary = 32;
  rope.hadamard = "#rot.hadamard<64, seed = 3>";
  rope.group = 32;
  rope.isPaged = true;
  rope.page = 16;
  rope.sequences = {{14, 0}, {7, 9}, {63, 0}, {60, 3}};
  rope.tokens = 3;
  auto kernel = Kernel::build(rope.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  expectCaught(**kernel, rope.operands(), rope.rows(), ropeAppendMutations);
}
