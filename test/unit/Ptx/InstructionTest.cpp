//===- InstructionTest.cpp - instructions as PTX text --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RunKernel.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <functional>
#include <random>

using namespace quantopt::ptx;

namespace {

/// Words that meet corners: small ones, powers of two, all ones, random.
std::vector<uint32_t> sampleWords(unsigned count, unsigned seed) {
  std::mt19937 generator(seed);
  const uint32_t corners[] = {0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0xffffffff, 0xff, 0x8000, 0x3f800000};
  std::vector<uint32_t> words;
  for (unsigned i = 0; i < count; ++i)
    words.push_back(generator() % 3 ? generator() : corners[generator() % std::size(corners)]);
  return words;
}

using Ternary = std::function<uint32_t(uint32_t, uint32_t, uint32_t)>;

/// Runs an instruction on words a (%r10), b (%r11) and c (%r12) of 32 lanes; the result is %r20. Once with all lanes
/// and once with every third, whose others keep their value.
void checkLanes(const std::string &instruction, const Ternary &expected, unsigned target = 80) {
  TestKernel kernel;
  kernel.target = target;
  kernel.in = sampleWords(96, std::hash<std::string>()(instruction));
  std::string load = "ld.global.u32 %r10, [%d2]; ld.global.u32 %r11, [%d2+128]; ld.global.u32 %r12, [%d2+256];"
                     "cvt.u64.u32 %d10, %r10; cvt.u64.u32 %d11, %r11; mov.b64 %d12, {%r10, %r12};"
                     "mov.b32 {%h10, %h11}, %r10; mov.b32 {%h12, %h13}, %r11;"
                     "mov.b32 %f10, %r10; mov.b32 %f11, %r11; mov.b32 %f12, %r12;"
                     "mov.u32 %r20, 0x5eed; rem.u32 %r13, %r0, 3; setp.eq.u32 %p2, %r13, 0;";
  for (bool isPartial : {false, true}) {
    kernel.body = load + (isPartial ? "@!%p2 bra END; " : "") + instruction + " END: st.global.u32 [%d3], %r20;";
    std::vector<uint32_t> out = expectRuns(kernel);
    for (unsigned lane = 0; lane < 32; ++lane) {
      uint32_t a = kernel.in[lane], b = kernel.in[32 + lane], c = kernel.in[64 + lane];
      uint32_t wanted = isPartial && lane % 3 ? 0x5eed : expected(a, b, c);
      ASSERT_EQ(out[lane], wanted) << instruction << " of " << a << ", " << b << ", " << c;
    }
  }
}

float asFloat(uint32_t bits) { return llvm::bit_cast<float>(bits); }
uint32_t asBits(float value) { return std::isnan(value) ? 0x7fffffff : llvm::bit_cast<uint32_t>(value); }

} // namespace

TEST(InstructionTest, Integers) {
  checkLanes("add.s32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return a + b; });
  checkLanes("add.u32 %r20, %r10, -3;", [](auto a, auto, auto) { return a - 3; });
  checkLanes("sub.u32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return a - b; });
  checkLanes("mul.lo.s32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return a * b; });
  checkLanes("mul.hi.u32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return uint64_t(a) * b >> 32; });
  checkLanes("mul.hi.s32 %r20, %r10, %r11;",
             [](auto a, auto b, auto) { return uint64_t(int64_t(int32_t(a)) * int32_t(b)) >> 32; });
  checkLanes("mul.wide.s32 %d20, %r10, %r11; shr.u64 %d20, %d20, 20; cvt.u32.u64 %r20, %d20;",
             [](auto a, auto b, auto) { return uint64_t(int64_t(int32_t(a)) * int32_t(b)) >> 20; });
  checkLanes("mad.wide.u32 %d20, %r10, %r11, %d12; shr.u64 %d20, %d20, 20; cvt.u32.u64 %r20, %d20;",
             [](auto a, auto b, auto c) { return (uint64_t(a) * b + (uint64_t(c) << 32 | a)) >> 20; });
  checkLanes("mad.lo.s32 %r20, %r10, %r11, %r12;", [](auto a, auto b, auto c) { return a * b + c; });
  checkLanes("div.u32 %r20, %r10, 7;", [](auto a, auto, auto) { return a / 7; });
  checkLanes("div.s32 %r20, %r10, -7;", [](auto a, auto, auto) { return uint32_t(int32_t(a) / -7); });
  checkLanes("rem.s32 %r20, %r10, 7;", [](auto a, auto, auto) { return uint32_t(int32_t(a) % 7); });
  checkLanes("min.s32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return int32_t(a) < int32_t(b) ? a : b; });
  checkLanes("max.u32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return std::max(a, b); });
  checkLanes(
      "max.relu.s32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return std::max({int32_t(a), int32_t(b), 0}); }, 90);
  checkLanes(
      "min.relu.s32 %r20, %r10, %r11;",
      [](auto a, auto b, auto) { return std::max(std::min(int32_t(a), int32_t(b)), 0); }, 90);
  checkLanes("abs.s32 %r20, %r10;", [](auto a, auto, auto) { return int32_t(a) < 0 ? -a : a; });
  checkLanes("neg.s32 %r20, %r10;", [](auto a, auto, auto) { return -a; });
  checkLanes("add.u64 %d20, %d12, %d11; shr.u64 %d20, %d20, 32; cvt.u32.u64 %r20, %d20;",
             [](auto a, auto b, auto c) { return uint32_t(((uint64_t(c) << 32 | a) + b) >> 32); });
  checkLanes("add.u16 %h14, %h10, %h12; cvt.u32.u16 %r20, %h14;",
             [](auto a, auto b, auto) { return (a + b) & 0xffff; });
  checkLanes("mul.lo.u16 %h14, %h11, %h13; cvt.s32.s16 %r20, %h14;",
             [](auto a, auto b, auto) { return uint32_t(int16_t((a >> 16) * (b >> 16))); });
}

TEST(InstructionTest, Bits) {
  checkLanes("and.b32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return a & b; });
  checkLanes("xor.b32 %r20, %r10, 255;", [](auto a, auto, auto) { return a ^ 255; });
  checkLanes("not.b32 %r20, %r10;", [](auto a, auto, auto) { return ~a; });
  checkLanes("shl.b32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return b > 31 ? 0 : a << b; });
  checkLanes("shr.u32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return b > 31 ? 0 : a >> b; });
  checkLanes("shr.s32 %r20, %r10, %r11;",
             [](auto a, auto b, auto) { return uint32_t(int32_t(a) >> (b > 31 ? 31 : b)); });
  checkLanes("lop3.b32 %r20, %r10, %r11, %r12, 0xea;", [](auto a, auto b, auto c) { return (a & b) | c; });
  checkLanes("lop3.b32 %r20, %r10, %r11, %r12, 0x96;", [](auto a, auto b, auto c) { return a ^ b ^ c; });
  checkLanes("bfe.u32 %r20, %r10, 5, 9;", [](auto a, auto, auto) { return a >> 5 & 511; });
  checkLanes("bfe.s32 %r20, %r10, 5, 9;", [](auto a, auto, auto) { return uint32_t(int32_t(a << 18) >> 23); });
  checkLanes("bfi.b32 %r20, %r10, %r11, 4, 8;", [](auto a, auto b, auto) { return (b & ~0xff0u) | (a & 255) << 4; });
  checkLanes("prmt.b32 %r20, %r10, %r11, 0x7102;", [](auto a, auto b, auto) {
    return (a >> 16 & 255) | (a & 255) << 8 | (a >> 8 & 255) << 16 | b >> 24 << 24;
  });
  checkLanes("popc.b32 %r20, %r10;", [](auto a, auto, auto) { return llvm::popcount(a); });
  checkLanes("clz.b32 %r20, %r10;", [](auto a, auto, auto) { return llvm::countl_zero(a); });
  checkLanes("brev.b32 %r20, %r10; brev.b32 %r20, %r20;", [](auto a, auto, auto) { return a; });
  checkLanes("shf.l.wrap.b32 %r20, %r10, %r11, 8;", [](auto a, auto b, auto) { return b << 8 | a >> 24; });
  checkLanes("dp4a.s32.s32 %r20, %r10, %r11, %r12;", [](auto a, auto b, auto c) {
    for (unsigned i = 0; i < 32; i += 8)
      c += int8_t(a >> i) * int8_t(b >> i);
    return c;
  });
}

TEST(InstructionTest, Selection) {
  checkLanes("setp.lt.s32 %p3, %r10, %r11; selp.b32 %r20, %r10, %r11, %p3;",
             [](auto a, auto b, auto) { return int32_t(a) < int32_t(b) ? a : b; });
  checkLanes("setp.lo.u32 %p3|%p4, %r10, %r11; selp.b32 %r20, 1, 0, %p4;", [](auto a, auto b, auto) { return a >= b; });
  checkLanes("setp.gt.u32 %p3, %r10, 5; setp.ne.and.u32 %p4, %r11, 0, %p3; selp.u32 %r20, 1, 0, %p4;",
             [](auto a, auto b, auto) { return a > 5 && b != 0; });
  checkLanes("setp.gt.f32 %p3, %f10, %f11; setp.gtu.f32 %p4, %f10, %f11; xor.pred %p5, %p3, %p4;"
             "selp.u32 %r20, 1, 0, %p5;",
             [](auto a, auto b, auto) { return std::isnan(asFloat(a)) || std::isnan(asFloat(b)); });
  checkLanes("setp.eq.u32 %p3, %r10, %r10; not.pred %p4, %p3; selp.u32 %r20, 7, 9, !%p4;",
             [](auto, auto, auto) { return 7; });
}

TEST(InstructionTest, Floats) {
  checkLanes("add.rn.f32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return asBits(asFloat(a) + asFloat(b)); });
  checkLanes("mul.f32 %f9, %f10, %f11; mov.b32 %r20, %f9;",
             [](auto a, auto b, auto) { return asBits(asFloat(a) * asFloat(b)); });
  checkLanes("fma.rn.f32 %r20, %r10, %r11, %r12;",
             [](auto a, auto b, auto c) { return asBits(std::fma(asFloat(a), asFloat(b), asFloat(c))); });
  checkLanes("div.rn.f32 %r20, %r10, %r11;", [](auto a, auto b, auto) { return asBits(asFloat(a) / asFloat(b)); });
  checkLanes("sqrt.rn.f32 %r20, %r10;", [](auto a, auto, auto) { return asBits(std::sqrt(asFloat(a))); });
  checkLanes("rcp.rn.f32 %r20, %r10;", [](auto a, auto, auto) { return asBits(1.0f / asFloat(a)); });
  checkLanes("neg.f32 %r20, %r10;", [](auto a, auto, auto) { return a ^ 0x80000000; });
  checkLanes("abs.f32 %r20, %r10;", [](auto a, auto, auto) { return a & 0x7fffffff; });
  checkLanes("add.f32 %r20, %r10, 0f3F800000;", [](auto a, auto, auto) { return asBits(asFloat(a) + 1.0f); });
  checkLanes("add.f16x2 %r20, %r10, %r10; sub.f16x2 %r20, %r10, %r10; and.b32 %r20, %r20, 0x80008000;",
             [](auto, auto, auto) { return 0; });
}

TEST(InstructionTest, FloatsOfBlackwell) {
  checkLanes(
      "add.rn.f32.bf16 %r20, %h10, %r12;", [](auto a, auto, auto c) { return asBits(asFloat(a << 16) + asFloat(c)); },
      100);
  checkLanes(
      "sub.rn.f32.bf16 %r20, %h10, %r12;", [](auto a, auto, auto c) { return asBits(asFloat(a << 16) - asFloat(c)); },
      100);
  checkLanes(
      "fma.rn.f32.bf16 %r20, %h10, %h12, %r12;",
      [](auto a, auto b, auto c) { return asBits(std::fma(asFloat(a << 16), asFloat(b << 16), asFloat(c))); }, 100);
  checkLanes(
      "mov.b16 %h14, 0x3c00; add.rn.f32.f16 %r20, %h14, 0f40000000;", [](auto, auto, auto) { return asBits(3.0f); },
      100);
  checkLanes(
      "mov.b64 %d13, {%r11, %r10}; add.rn.f32x2 %d20, %d12, %d13; cvt.u32.u64 %r20, %d20;",
      [](auto a, auto b, auto) { return asBits(asFloat(a) + asFloat(b)); }, 100);
  checkLanes(
      "mov.b64 %d13, {%r11, %r10}; fma.rn.f32x2 %d20, %d12, %d13, %d13; shr.u64 %d20, %d20, 32; cvt.u32.u64 %r20, "
      "%d20;",
      [](auto a, auto, auto c) { return asBits(std::fma(asFloat(c), asFloat(a), asFloat(a))); }, 100);
  TestKernel kernel;
  kernel.body = "mov.b64 %d12, {%r0, %r0}; mul.rn.f32x2 %d20, %d12, %d12;";
  expectError(kernel, {"requires sm_100"});
}

TEST(InstructionTest, Conversions) {
  checkLanes("cvt.rn.f32.s32 %r20, %r10;", [](auto a, auto, auto) { return asBits(float(int32_t(a))); });
  checkLanes("cvt.rn.f32.u32 %r20, %r10;", [](auto a, auto, auto) { return asBits(float(a)); });
  checkLanes("cvt.u32.u8 %r20, %r10;", [](auto a, auto, auto) { return a & 255; });
  checkLanes("cvt.s32.s8 %r20, %r10;", [](auto a, auto, auto) { return uint32_t(int8_t(a)); });
  checkLanes("cvt.sat.s8.s32 %r20, %r10;",
             [](auto a, auto, auto) { return uint32_t(std::clamp<int32_t>(int32_t(a), -128, 127)); });
  checkLanes("cvt.rn.f16x2.f32 %r20, 0f3F800000, 0f40000000;", [](auto, auto, auto) { return 0x3c004000; });
  checkLanes("cvt.pack.sat.s8.s32.b32 %r20, %r10, %r11, %r12;", [](auto a, auto b, auto c) {
    auto clamp = [](uint32_t x) { return uint32_t(uint8_t(std::clamp<int32_t>(int32_t(x), -128, 127))); };
    return clamp(b) | clamp(a) << 8 | c << 16;
  });
  checkLanes("cvt.f32.f16 %r20, %h10; cvt.rn.f16.f32 %h14, %r20; mov.b32 %r20, {%h14, %h11};",
             [](auto a, auto, auto) { return (a & 0x7c00) == 0x7c00 && (a & 0x3ff) ? (a & 0xffff0000) | 0x7fff : a; });
}

TEST(InstructionTest, Moves) {
  checkLanes("mov.b32 {%h1, %h2}, %r10; mov.b32 %r20, {%h2, %h1};",
             [](auto a, auto, auto) { return a << 16 | a >> 16; });
  checkLanes("mov.b64 %d20, {%r10, %r11}; mov.b64 {_, %r20}, %d20;", [](auto, auto b, auto) { return b; });
  checkLanes("{ .reg .b32 %r10; mov.u32 %r10, 4; } mov.u32 %r20, %r10;", [](auto a, auto, auto) { return a; });
}

//===----------------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------------===//

TEST(InstructionTest, LoopsOfDifferentLengths) {
  TestKernel kernel;
  kernel.body = "mov.u32 %r20, 0; mov.u32 %r21, 0;"
                "LOOP: add.u32 %r20, %r20, %r21; add.u32 %r21, %r21, 1; setp.le.u32 %p1, %r21, %r0; @%p1 bra LOOP;"
                // All lanes are here again.
                "shfl.sync.bfly.b32 %r22, %r20, 1, 31, -1; st.global.u32 [%d3], %r22;";
  std::vector<uint32_t> out = expectRuns(kernel);
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], (lane ^ 1) * ((lane ^ 1) + 1) / 2);
}

TEST(InstructionTest, BlocksOutOfLineMeetAgain) {
  TestKernel kernel;
  // The meeting point comes before one of the sides.
  kernel.body = "setp.lt.u32 %p1, %r0, 5; @%p1 bra FAR; mov.u32 %r20, 1;"
                "MEET: redux.sync.add.s32 %r21, %r20, -1; st.global.u32 [%d3], %r21; ret;"
                "FAR: setp.lt.u32 %p2, %r0, 2; @%p2 bra FARTHER; mov.u32 %r20, 100; bra.uni MEET;"
                "FARTHER: mov.u32 %r20, 10000; bra.uni MEET;";
  EXPECT_EQ(expectRuns(kernel)[31], 20327u);
}

TEST(InstructionTest, EarlyExitOfSomeLanes) {
  TestKernel kernel;
  kernel.body = "setp.lt.u32 %p1, %r0, 5; @%p1 bra OUT; mov.u32 %r20, 1;"
                "redux.sync.add.s32 %r21, %r20, 0xffffffe0; st.global.u32 [%d3], %r21; OUT: ret;";
  EXPECT_EQ(expectRuns(kernel)[31], 27u);
}

TEST(InstructionTest, BreakOutOfALoop) {
  TestKernel kernel;
  // Lanes leave the loop at two places.
  kernel.body = "mov.u32 %r20, 0; LOOP: setp.eq.u32 %p1, %r20, %r0; @%p1 bra FOUND; add.u32 %r20, %r20, 1;"
                "setp.lt.u32 %p2, %r20, 16; @%p2 bra LOOP; mov.u32 %r20, 99; bra.uni MEET;"
                "FOUND: add.u32 %r20, %r20, 1000; MEET: shfl.sync.idx.b32 %r21, %r20, 20, 31, -1;"
                "add.u32 %r20, %r20, %r21; st.global.u32 [%d3], %r20;";
  std::vector<uint32_t> out = expectRuns(kernel);
  EXPECT_EQ(out[3], 1003u + 99);
  EXPECT_EQ(out[31], 99u + 99);
}

TEST(InstructionTest, LabelsAreLocalToScopes) {
  TestKernel kernel;
  std::string loop = "{ .reg .pred %q; L: add.u32 %r20, %r20, 1; setp.lt.u32 %q, %r20, 10; @%q bra L; }";
  kernel.body = "mov.u32 %r20, 0; " + loop + " sub.u32 %r20, %r20, 5; " + loop + " st.global.u32 [%d3], %r20;";
  EXPECT_EQ(expectRuns(kernel)[0], 10u);
}

//===----------------------------------------------------------------------------===//
// Lanes and threads together
//===----------------------------------------------------------------------------===//

TEST(InstructionTest, Shuffles) {
  auto shuffle = [](const std::string &instruction) {
    TestKernel kernel;
    kernel.body = instruction + " selp.u32 %r21, 256, 0, %p1; add.u32 %r20, %r20, %r21; st.global.u32 [%d3], %r20;";
    return expectRuns(kernel);
  };
  std::vector<uint32_t> up = shuffle("shfl.sync.up.b32 %r20|%p1, %r0, 3, 0, -1;");
  std::vector<uint32_t> down = shuffle("shfl.sync.down.b32 %r20|%p1, %r0, 3, 31, -1;");
  std::vector<uint32_t> butterfly = shuffle("shfl.sync.bfly.b32 %r20|%p1, %r0, 9, 31, -1;");
  // Segments of 8 lanes.
  std::vector<uint32_t> index = shuffle("shfl.sync.idx.b32 %r20|%p1, %r0, 2, 0x181f, -1;");
  for (unsigned lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(up[lane], lane < 3 ? lane : lane - 3 + 256);
    EXPECT_EQ(down[lane], lane > 28 ? lane : lane + 3 + 256);
    EXPECT_EQ(butterfly[lane], (lane ^ 9) + 256);
    EXPECT_EQ(index[lane], (lane & ~7u) + 2 + 256);
  }
}

TEST(InstructionTest, Votes) {
  TestKernel kernel;
  kernel.body = "setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r20, %p1, -1; vote.sync.any.pred %p2, %p1, -1;"
                "vote.sync.all.pred %p3, !%p1, -1; selp.u32 %r21, 0x100, 0, %p2; selp.u32 %r22, 0x200, 0, %p3;"
                "or.b32 %r20, %r20, %r21; or.b32 %r20, %r20, %r22; activemask.b32 %r23; not.b32 %r23, %r23;"
                "or.b32 %r20, %r20, %r23; st.global.u32 [%d3], %r20;";
  EXPECT_EQ(expectRuns(kernel)[7], 0x11fu);
}

TEST(InstructionTest, BarrierReductions) {
  TestKernel kernel;
  kernel.threads = 96;
  kernel.body = "setp.lt.u32 %p1, %r0, 40; bar.red.popc.u32 %r20, 0, %p1; bar.red.and.pred %p2, 0, %p1;"
                "bar.red.or.pred %p3, 0, %p1; selp.u32 %r21, 100, 0, %p2; selp.u32 %r22, 1000, 0, %p3;"
                "add.u32 %r20, %r20, %r21; add.u32 %r20, %r20, %r22; st.global.u32 [%d3], %r20;";
  EXPECT_EQ(expectRuns(kernel)[95], 1040u);
}

TEST(InstructionTest, Atomics) {
  TestKernel kernel;
  kernel.ctas = 8;
  kernel.hostThreads = 4;
  kernel.in = {0, 100, 0, 5};
  kernel.body = "atom.global.add.u32 %r20, [%d0], 1; red.global.max.u32 [%d0+8], %r1; red.global.min.s32 [%d0+4], %r1;"
                "st.global.u32 [%d3], %r20;";
  std::vector<uint32_t> out = expectRuns(kernel);
  llvm::sort(out);
  for (unsigned i = 0; i < 256; ++i)
    EXPECT_EQ(out[i], i);
}

TEST(InstructionTest, ModuleVariables) {
  TestKernel kernel;
  kernel.globals = ".const .align 4 .u32 table[4] = {10, 20, 30, 40};\n.global .align 4 .u32 count = 3;\n"
                   ".global .align 4 .f32 half = 0.5;\n";
  kernel.body = "mov.u64 %d4, table; and.b32 %r20, %r0, 3; mad.wide.u32 %d4, %r20, 4, %d4; ld.const.u32 %r21, [%d4];"
                "ld.global.u32 %r22, [count]; add.u32 %r21, %r21, %r22; ld.global.f32 %f1, [half];"
                "cvt.rpi.u32.f32 %r23, %f1; add.u32 %r21, %r21, %r23; st.global.u32 [%d3], %r21;";
  std::vector<uint32_t> out = expectRuns(kernel);
  EXPECT_EQ(out[2], 34u);
  kernel.body = "ld.const.u32 %r21, [table+16];";
  expectError(kernel, {"outside of every buffer"});
}

TEST(InstructionTest, GenericAddresses) {
  TestKernel kernel;
  kernel.sharedBytes = 256;
  kernel.body = "mov.u64 %d4, dynamic; cvta.shared.u64 %d5, %d4; mad.wide.u32 %d5, %r0, 4, %d5; st.u32 [%d5], %r0;"
                "ld.u32 %r20, [%d5]; cvta.to.shared.u64 %d6, %d5; ld.shared.u32 %r21, [%d6]; add.u32 %r20, %r20, %r21;"
                "cvta.to.global.u64 %d7, %d3; st.global.u32 [%d7], %r20; isspacep.shared %p1, %d5;"
                "isspacep.global %p2, %d5; @!%p1 trap; @%p2 trap;";
  EXPECT_EQ(expectRuns(kernel)[9], 18u);
}

TEST(InstructionTest, VectorsAndBytes) {
  TestKernel kernel;
  kernel.in.resize(128);
  for (unsigned i = 0; i < 128; ++i)
    kernel.in[i] = i * 0x01010101;
  kernel.outWords = 128;
  kernel.body = "mad.wide.u32 %d4, %r0, 16, %d0; mad.wide.u32 %d5, %r0, 16, %d1;"
                "ld.global.nc.L1::no_allocate.v4.u32 {%r20, %r21, %r22, %r23}, [%d4]; ld.global.s8 %r24, [%d4+12];"
                "ld.global.v2.u16 {%h1, %h2}, [%d4+4]; mov.b32 %r21, {%h1, %h2};"
                "st.global.v4.u32 [%d5], {%r21, %r20, %r24, %r22};";
  std::vector<uint32_t> out = expectRuns(kernel);
  for (unsigned lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(out[4 * lane], (4 * lane + 1) * 0x01010101);
    EXPECT_EQ(out[4 * lane + 1], 4 * lane * 0x01010101);
    EXPECT_EQ(out[4 * lane + 2], 4 * lane + 3);
  }
}

TEST(InstructionTest, CachePolicies) {
  TestKernel kernel;
  kernel.sharedBytes = 512;
  kernel.in.assign(128, 6);
  kernel.body = "createpolicy.fractional.L2::evict_first.b64 %d9, 1.0; mov.u64 %d4, dynamic;"
                "ld.global.L1::no_allocate.L2::cache_hint.u32 %r20, [%d2], %d9;"
                "mad.wide.u32 %d5, %r0, 16, %d4; mad.wide.u32 %d6, %r0, 16, %d0;"
                "cp.async.cg.shared.global.L2::cache_hint [%d5], [%d6], 16, %d9; cp.async.wait_all;"
                "ld.shared.u32 %r21, [%d5]; add.u32 %r20, %r20, %r21; st.global.L2::cache_hint.u32 [%d3], %r20, %d9;";
  EXPECT_EQ(expectRuns(kernel)[3], 12u);
}

TEST(InstructionTest, MatricesThroughSharedMemory) {
  TestKernel kernel;
  kernel.sharedBytes = 512;
  // Row l of a matrix holds words 4l .. 4l+3; lane l gets word l of each matrix.
  kernel.body = "mov.u64 %d4, dynamic; mad.wide.u32 %d5, %r0, 16, %d4; mul.lo.u32 %r20, %r0, 4; add.u32 %r21, %r20, 1;"
                "add.u32 %r22, %r20, 2; add.u32 %r23, %r20, 3; st.shared.v4.u32 [%d5], {%r20, %r21, %r22, %r23};"
                "bar.warp.sync -1;"
                "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r24, %r25, %r26, %r27}, [%d5];"
                "shl.b32 %r25, %r25, 8; or.b32 %r24, %r24, %r25; shl.b32 %r27, %r27, 16; or.b32 %r24, %r24, %r27;"
                "st.global.u32 [%d3], %r24;";
  std::vector<uint32_t> out = expectRuns(kernel);
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], lane | (lane + 32) << 8 | (lane + 96) << 16);
}
