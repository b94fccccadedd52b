//===- CountersTest.cpp - bank conflicts, sectors, instruction mix -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RunKernel.h"

using namespace quantopt::ptx;

namespace {

/// Counters of one warp that stores `words` words a lane at `stride` bytes from each other.
Counters sharedStores(unsigned words, unsigned stride) {
  TestKernel kernel;
  kernel.sharedBytes = 32 * 256;
  kernel.counters = true;
  std::string vector = words == 1   ? "u32 [%d5], %r0"
                       : words == 2 ? "v2.u32 [%d5], {%r0, %r0}"
                                    : "v4.u32 [%d5], {%r0, %r0, %r0, %r0}";
  kernel.body =
      "mov.u64 %d4, dynamic; mad.wide.u32 %d5, %r0, " + std::to_string(stride) + ", %d4; st.shared." + vector + ";";
  TestResult result = run(kernel);
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.counters.sharedRequests, 1u);
  EXPECT_EQ(result.counters.sharedCycles - result.counters.sharedConflicts, words);
  return result.counters;
}

Counters globalLoads(const std::string &address, const std::string &type = "u32 %r20") {
  TestKernel kernel;
  kernel.counters = true;
  kernel.in.assign(4096, 1);
  kernel.body = address + " ld.global." + type + ", [%d4];";
  TestResult result = run(kernel);
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.counters.globalLoads.requests, 1u);
  return result.counters;
}

} // namespace

TEST(CountersTest, BankConflicts) {
  EXPECT_EQ(sharedStores(1, 4).sharedConflicts, 0u);
  EXPECT_EQ(sharedStores(1, 8).sharedConflicts, 1u);
  EXPECT_EQ(sharedStores(1, 128).sharedConflicts, 31u);
  EXPECT_EQ(sharedStores(1, 132).sharedConflicts, 0u);
  // Half-warps of 8 bytes, quarter-warps of 16.
  EXPECT_EQ(sharedStores(2, 8).sharedConflicts, 0u);
  EXPECT_EQ(sharedStores(2, 16).sharedConflicts, 2u);
  EXPECT_EQ(sharedStores(4, 16).sharedConflicts, 0u);
  EXPECT_EQ(sharedStores(4, 32).sharedConflicts, 4u);
  EXPECT_EQ(sharedStores(4, 128).sharedConflicts, 4 * 7u);
}

TEST(CountersTest, LanesThatShareAWordDoNotConflict) {
  TestKernel kernel;
  kernel.sharedBytes = 4096;
  kernel.counters = true;
  kernel.body = "mov.u64 %d4, dynamic; mad.wide.u32 %d5, %r0, 128, %d4; st.shared.u32 [%d5], %r0; bar.warp.sync -1;"
                "ld.shared.u32 %r20, [dynamic];";
  EXPECT_EQ(run(kernel).counters.sharedConflicts, 31u);
}

TEST(CountersTest, MatrixConflicts) {
  auto conflicts = [](const std::string &address) {
    TestKernel kernel;
    kernel.sharedBytes = 4096;
    kernel.counters = true;
    // Fill, then load four matrices whose rows are 128 bytes apart.
    kernel.body = "mov.u64 %d4, dynamic; mov.u32 %r20, 0; mad.wide.u32 %d6, %r0, 4, %d4; mov.u32 %r21, 0;"
                  "LOOP: st.shared.u32 [%d6], %r20; add.u64 %d6, %d6, 128; add.u32 %r21, %r21, 1;"
                  "setp.lt.u32 %p1, %r21, 32; @%p1 bra LOOP; bar.warp.sync -1;" +
                  address + "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r24, %r25, %r26, %r27}, [%d5];";
    TestResult result = run(kernel);
    EXPECT_EQ(result.error, "");
    return result.counters.sharedConflicts;
  };
  EXPECT_EQ(conflicts("mad.wide.u32 %d5, %r0, 128, %d4;"), 4 * 7u);
  EXPECT_EQ(conflicts("and.b32 %r22, %r0, 7; shl.b32 %r22, %r22, 4; mad.lo.u32 %r22, %r0, 128, %r22;"
                      "cvt.u64.u32 %d5, %r22; add.u64 %d5, %d5, %d4;"),
            0u);
}

TEST(CountersTest, Sectors) {
  Counters dense = globalLoads("mad.wide.u32 %d4, %r0, 4, %d0;");
  EXPECT_EQ(dense.globalLoads.sectors, 4u);
  EXPECT_EQ(dense.globalLoads.bytes, 128u);
  Counters strided = globalLoads("mad.wide.u32 %d4, %r0, 32, %d0;");
  EXPECT_EQ(strided.globalLoads.sectors, 32u);
  EXPECT_EQ(strided.globalLoads.bytes, 128u);
  Counters shared = globalLoads("mov.u64 %d4, %d0;");
  EXPECT_EQ(shared.globalLoads.sectors, 1u);
  EXPECT_EQ(shared.globalLoads.bytes, 4u);
  Counters wide = globalLoads("mad.wide.u32 %d4, %r0, 16, %d0;", "v4.u32 {%r20, %r21, %r22, %r23}");
  EXPECT_EQ(wide.globalLoads.sectors, 16u);
  EXPECT_EQ(wide.globalLoads.bytes, 512u);
  Counters shifted = globalLoads("mad.wide.u32 %d4, %r0, 4, %d0; add.u64 %d4, %d4, 4;");
  EXPECT_EQ(shifted.globalLoads.sectors, 5u);
}

TEST(CountersTest, SameForAnyNumberOfThreads) {
  TestKernel kernel;
  kernel.ctas = 37;
  kernel.threads = 96;
  kernel.sharedBytes = 4096;
  kernel.counters = true;
  kernel.body = "mov.u64 %d4, dynamic; mad.wide.u32 %d5, %r0, 8, %d4; st.shared.u32 [%d5], %r1; bar.sync 0;"
                "ld.shared.u32 %r20, [%d5]; setp.lt.u32 %p1, %r1, 1000; @%p1 bra A; add.u32 %r20, %r20, 1;"
                "A: st.global.u32 [%d3], %r20;";
  std::string one, four;
  llvm::raw_string_ostream(one) << run(kernel).counters.toJson();
  kernel.hostThreads = 4;
  llvm::raw_string_ostream(four) << run(kernel).counters.toJson();
  EXPECT_EQ(one, four);
  Counters sum = run(kernel).counters, single = sum;
  sum.merge(single);
  EXPECT_EQ(sum.warpInstructions, 2 * single.warpInstructions);
  EXPECT_EQ(sum.instructions.at("bar.sync"), 2 * 37u * 3);
  EXPECT_EQ(sum.lines.size(), single.lines.size());
}
