//===- MbarrierTest.cpp - mbarriers and bulk copies, and faults in their use -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HopperKernel.h"
#include "llvm/Support/Endian.h"

using namespace quantopt::ptx;

namespace {

const std::string init = "@%p0 mbarrier.init.shared.b64 [bars], 1;\n"
                         "@%p0 fence.mbarrier_init.release.cluster;\n"
                         "bar.sync 0;\n";
const std::string copy = "@%p0 mbarrier.arrive.expect_tx.shared.b64 _, [bars], 256;\n"
                         "@%p0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%d3], [%d0], 256, "
                         "[bars];\n";
const std::string use = "mad.wide.u32 %d10, %r0, 4, %d3;\nld.shared.u32 %r10, [%d10];\n"
                        "mad.wide.u32 %d11, %r0, 4, %d1;\nst.global.u32 [%d11], %r10;\n";
const std::string waiting = waitFor("bars", "0");
const std::string sound = init + copy + waiting + use;

HopperKernel kernelOf(const std::string &body) {
  HopperKernel kernel;
  kernel.body = body;
  for (unsigned i = 0; i < kernel.in.size(); ++i)
    kernel.in[i] = uint8_t(i * 7);
  return kernel;
}

void expectFault(const std::string &faulty, llvm::StringRef text) { expectError(kernelOf(faulty), text); }

} // namespace

TEST(BulkCopyTest, CopiesBytes) {
  HopperKernel kernel = kernelOf(sound);
  std::vector<uint32_t> out = expectRuns(kernel);
  for (unsigned i = 0; i < 64; ++i)
    ASSERT_EQ(out[i], llvm::support::endian::read32le(&kernel.in[4 * i]));
}

TEST(BulkCopyTest, IsCounted) {
  HopperResult result = run(kernelOf(sound));
  EXPECT_EQ(result.counters.globalLoads.bytes, 256u);
  EXPECT_EQ(result.counters.globalLoads.sectors, 8u);
  EXPECT_EQ(result.counters.globalLoads.requests, 1u);
}

TEST(BulkCopyTest, ExpectingAfterTheCopyIsTheSame) {
  expectRuns(kernelOf(init +
                      "@%p0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%d3], [%d0], 256, "
                      "[bars];\n@%p0 mbarrier.arrive.expect_tx.shared.b64 _, [bars], 256;\n" +
                      waiting + use));
}

TEST(BulkCopyTest, EitherFenceShowsTheBarrier) {
  expectRuns(kernelOf(planted(sound, "fence.mbarrier_init.release.cluster", "fence.proxy.async.shared::cta")));
}

TEST(BulkCopyTest, BarrierNotShownToTheProxy) {
  expectFault(planted(sound, "@%p0 fence.mbarrier_init.release.cluster;\n", ""), "no fence.mbarrier_init");
}

TEST(BulkCopyTest, InitialisationNotOrdered) {
  expectFault(planted(sound, "bar.sync 0;\n", ""), "race: no barrier came between the initialisation");
}

TEST(BulkCopyTest, ReadWithoutWait) {
  expectFault(init + copy + "bar.sync 0;\n" + use,
              "no wait for the copy's mbarrier came before this read of 'dynamic' + 0, written by "
              "the bulk copy at line");
}

TEST(BulkCopyTest, ReadWithoutWaitInOneWarp) {
  expectFault(planted(sound, waiting, "bar.sync 0;\nsetp.ge.u32 %p1, %r0, 32;\n@%p1 bra LATE;\n" + waiting + "LATE:\n"),
              "no wait for the copy's mbarrier");
}

TEST(BulkCopyTest, AnotherWarpsWaitServesAfterABarrier) {
  expectRuns(kernelOf(
      planted(sound, waiting, "setp.ge.u32 %p1, %r0, 32;\n@%p1 bra LATE;\n" + waiting + "LATE:\nbar.sync 0;\n")));
}

TEST(BulkCopyTest, WrongNumberOfBytes) {
  expectFault(planted(sound, "[bars], 256", "[bars], 240"), "waits for ever for mbarrier 'bars' + 0 (phase 0: 0 of 1 "
                                                            "arrivals and -16 bytes are missing)");
  expectFault(planted(sound, "[bars], 256", "[bars], 272"), "16 bytes are missing");
}

TEST(BulkCopyTest, Misaligned) {
  expectFault(planted(sound, "[%d0], 256", "[%d0], 250"), "must be multiples of 16");
  expectFault(planted(sound, "[%d3], [%d0]", "[%d3+8], [%d0]"), "must be multiples of 16");
  expectFault(planted(sound, "[%d0], 256", "[%d0+4], 256"), "must be multiples of 16");
}

TEST(BulkCopyTest, OutOfBounds) {
  expectFault(planted(sound, "[%d0], 256", "[%d0+3968], 256"), "'in'");
  expectFault(planted(sound, "[%d3], [%d0]", "[%d3+4000], [%d0]"), "outside of shared memory");
}

TEST(BulkCopyTest, NobodyWaits) { expectFault(init + copy, "nothing waited for mbarrier 'bars' + 0"); }

TEST(BulkCopyTest, OverwritesWhatThreadsWroteWithoutAFence) {
  std::string write = "mad.wide.u32 %d10, %r0, 4, %d3;\nst.shared.u32 [%d10], %r0;\n";
  expectFault(write + sound, "no fence.proxy.async came before this asynchronous write of 'dynamic' + 0");
  expectRuns(kernelOf(write + "fence.proxy.async;\n" + sound));
}

TEST(BulkCopyTest, FenceAfterTheBarrierServes) {
  std::string write = "mad.wide.u32 %d10, %r0, 4, %d3;\nst.shared.u32 [%d10], %r0;\n";
  expectRuns(kernelOf(write + init + "fence.proxy.async;\n" + copy + waiting + use));
}

TEST(BulkCopyTest, OverwritesWhatIsStillRead) {
  std::string again = copy + waitFor("bars", "1") + use;
  expectFault(sound + again, "race: no barrier came between reads by warp");
  expectRuns(kernelOf(sound + "bar.sync 0;\n" + again));
}

TEST(BulkCopyTest, CopiesRaceWithEachOther) {
  std::string both = planted(copy, "[bars], 256;\n", "[bars], 512;\n") +
                     "@%p0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%d3], [%d0], 256, "
                     "[bars];\n";
  expectFault(init + both + waiting + use,
              "race: no barrier came before this write of 'dynamic' + 0, written by the bulk");
}

namespace {

/// Threads write 256 bytes, thread 0 copies them out, and the bytes are written again.
const std::string storing = "mad.wide.u32 %d10, %r0, 4, %d3;\nadd.u32 %r10, %r0, 5;\nst.shared.u32 [%d10], %r10;\n"
                            "fence.proxy.async.shared::cta;\nbar.sync 0;\n"
                            "@%p0 cp.async.bulk.global.shared::cta.bulk_group [%d1], [%d3], 256;\n"
                            "@%p0 cp.async.bulk.commit_group;\n@%p0 cp.async.bulk.wait_group.read 0;\n"
                            "bar.sync 0;\nst.shared.u32 [%d10], %r10;\n";

} // namespace

TEST(BulkStoreTest, CopiesBytes) {
  HopperResult result = run(kernelOf(storing));
  EXPECT_EQ(result.error, "");
  for (unsigned i = 0; i < 64; ++i)
    ASSERT_EQ(result.out[i], i + 5);
  EXPECT_EQ(result.counters.globalStores.bytes, 256u);
}

TEST(BulkStoreTest, Faults) {
  expectFault(planted(storing, "fence.proxy.async.shared::cta;\n", ""),
              "no fence.proxy.async came before this asynchronous read of 'dynamic' + 0");
  expectFault(planted(storing, "bar.sync 0;\n", ""), "'dynamic' + ");
  expectFault(planted(storing, "@%p0 cp.async.bulk.wait_group.read 0;\n", ""),
              "race: no wait and barrier came between");
  expectFault(planted(storing, "group.read 0", "group.read 1"), "race: no wait and barrier came between");
  expectFault(planted(storing, "@%p0 cp.async.bulk.commit_group;\n", ""), "race: no wait and barrier came between");
  expectFault(planted(storing, "bar.sync 0;\nst.shared", "st.shared"), "race: no barrier came before this read");
  std::string ends = storing.substr(0, storing.find("@%p0 cp.async.bulk.wait_group"));
  expectFault(ends, "may still read shared memory");
}

TEST(MbarrierTest, ThreadsCopiesArrive) {
  std::string body = "@%p0 mbarrier.init.shared.b64 [bars], 64;\nbar.sync 0;\n"
                     "mad.wide.u32 %d10, %r0, 16, %d3;\nmad.wide.u32 %d11, %r0, 16, %d0;\n"
                     "cp.async.cg.shared.global [%d10], [%d11], 16;\n"
                     "cp.async.mbarrier.arrive.noinc.shared.b64 [bars];\n" +
                     waiting +
                     "xor.b32 %r11, %r0, 63;\nmad.wide.u32 %d12, %r11, 16, %d3;\nld.shared.u32 %r10, [%d12];\n"
                     "mad.wide.u32 %d13, %r0, 4, %d1;\nst.global.u32 [%d13], %r10;\n";
  HopperKernel kernel = kernelOf(body);
  EXPECT_EQ(expectRuns(kernel)[1], llvm::support::endian::read32le(&kernel.in[62 * 16]));
  expectFault(planted(body, "cp.async.mbarrier.arrive.noinc.shared.b64 [bars]", "mbarrier.arrive.shared.b64 _, [bars]"),
              "no wait_group came between a cp.async and this read");
  expectFault(planted(body, ".noinc", ""), "waits for ever");
}

TEST(MbarrierTest, WarpsTakeTurnsOverStages) {
  // Warp 1 copies lines of 128 bytes into two stages; warp 0 adds them up.
  std::string body = R"(
@%p0 mbarrier.init.shared.b64 [bars], 1;
@%p0 mbarrier.init.shared.b64 [bars+8], 1;
@%p0 mbarrier.init.shared.b64 [bars+16], 32;
@%p0 mbarrier.init.shared.b64 [bars+24], 32;
@%p0 fence.mbarrier_init.release.cluster;
bar.sync 0;
mov.u32 %r10, 0; mov.u32 %r11, 0; mov.u32 %r12, 0; mov.u32 %r13, 0;
mov.u32 %r20, bars;
setp.lt.u32 %p1, %r0, 32;
@%p1 bra CONSUME;
setp.ne.u32 %p2, %r0, 32;
@%p2 bra END;
mov.u32 %r12, 1;
PRODUCE:
shl.b32 %r14, %r11, 3; add.u32 %r15, %r20, %r14; add.u32 %r16, %r15, 16;
)" + waitFor("%r16", "%r12") +
                     R"(
mbarrier.arrive.expect_tx.shared.b64 _, [%r15], 128;
shl.b32 %r17, %r11, 7; add.u32 %r18, %r3, %r17;
mad.wide.u32 %d10, %r10, 128, %d0;
cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r18], [%d10], 128, [%r15];
xor.b32 %r11, %r11, 1; setp.eq.u32 %p3, %r11, 0; @%p3 xor.b32 %r12, %r12, 1;
add.u32 %r10, %r10, 1; setp.lt.u32 %p4, %r10, 9; @%p4 bra PRODUCE;
bra END;
CONSUME:
shl.b32 %r14, %r11, 3; add.u32 %r15, %r20, %r14; add.u32 %r16, %r15, 16;
)" + waitFor("%r15", "%r12") +
                     R"(
shl.b32 %r17, %r11, 7; shl.b32 %r18, %r0, 2; add.u32 %r18, %r18, %r17; add.u32 %r18, %r18, %r3;
ld.shared.u32 %r19, [%r18];
add.u32 %r13, %r13, %r19;
mbarrier.arrive.shared.b64 _, [%r16];
xor.b32 %r11, %r11, 1; setp.eq.u32 %p3, %r11, 0; @%p3 xor.b32 %r12, %r12, 1;
add.u32 %r10, %r10, 1; setp.lt.u32 %p4, %r10, 9; @%p4 bra CONSUME;
mad.wide.u32 %d11, %r0, 4, %d1; st.global.u32 [%d11], %r13;
END:
)";
  HopperKernel kernel = kernelOf(body);
  std::vector<uint32_t> out = expectRuns(kernel);
  for (unsigned lane = 0; lane < 32; ++lane) {
    uint32_t sum = 0;
    for (unsigned i = 0; i < 9; ++i)
      sum += llvm::support::endian::read32le(&kernel.in[128 * i + 4 * lane]);
    ASSERT_EQ(out[lane], sum);
  }
  // The producer does not wait for the stage to be empty.
  expectFault(planted(body, waitFor("%r16", "%r12"), ""), "race: no barrier came before this write of 'dynamic' + 0");
  // Its first wait is for a phase that is not there yet.
  expectFault(planted(body, "mov.u32 %r12, 1;\nPRODUCE", "PRODUCE"), "waits for ever for mbarrier 'bars' + 0");
  // The consumer frees the stage before it has read it.
  std::string free = "mbarrier.arrive.shared.b64 _, [%r16];\n";
  expectFault(planted(planted(body, free, ""), "ld.shared.u32 %r19", free + "ld.shared.u32 %r19"),
              "race: no barrier came between reads by warp 0");
  // One lane too few frees it.
  expectFault(planted(body, "[bars+24], 32", "[bars+24], 33"), "waits for ever for mbarrier 'bars' + 8");
  expectFault(planted(body, "[bars+16], 32", "[bars+16], 16"), "waits for ever");
}

TEST(MbarrierTest, StatesAndDroppedArrivals) {
  std::string body = R"(
@%p0 mbarrier.init.shared.b64 [bars], 64;
bar.sync 0;
mbarrier.arrive.shared.b64 %d10, [bars];
mbarrier.test_wait.shared.b64 %p1, [bars], %d10;
selp.u32 %r10, 1, 0, %p1;
setp.ge.u32 %p2, %r0, 32;
@%p2 mbarrier.arrive_drop.shared.b64 _, [bars];
@!%p2 mbarrier.arrive.shared.b64 _, [bars];
)" + waitFor("bars", "1") +
                     R"(
@!%p2 mbarrier.arrive.shared.b64 _, [bars];
@!%p2 bra WAIT2;
bra STORE;
WAIT2:
)" + waitFor("bars", "0") +
                     "STORE: mad.wide.u32 %d11, %r0, 4, %d1; st.global.u32 [%d11], %r10;";
  std::vector<uint32_t> out = expectRuns(kernelOf(body));
  EXPECT_EQ(std::count(out.begin(), out.end(), 1u), 64);
}

TEST(MbarrierTest, Misuse) {
  auto alone = [](const std::string &body) { return "@!%p0 bra END;\n" + body + "END:\n"; };
  const std::string make = "mbarrier.init.shared.b64 [bars], 1;\n", arrive = "mbarrier.arrive.shared.b64 _, [bars];\n";
  expectRuns(kernelOf(alone(make + arrive + waiting)));
  expectFault(alone(arrive), "there is no mbarrier at 'bars' + 0");
  expectFault(alone(make + make), "is initialised already");
  expectFault(alone("mbarrier.init.shared.b64 [bars], 0;\n"), "expects 1 to 1048575 arrivals");
  expectFault(alone("mbarrier.init.shared.b64 [bars+4], 1;\n"), "not a multiple of 8");
  expectFault(alone("mbarrier.inval.shared.b64 [bars];\n"), "there is no mbarrier");
  expectFault(alone(make + "mbarrier.inval.shared.b64 [bars];\n" + arrive), "there is no mbarrier");
  expectFault(alone(make + "mbarrier.arrive.shared.b64 _, [bars], 2;\n"), "arrives 2 times at mbarrier");
  expectFault(alone(make + "ld.shared.u64 %d10, [bars];\n"), "only mbarrier instructions may read 'bars' + 0");
  expectFault(alone(make + "st.shared.u64 [bars], %d1;\n"), "only mbarrier instructions may write 'bars' + 0");
  expectFault(alone(make + waiting), "waits for ever for mbarrier 'bars' + 0 (phase 0: 1 of 1 arrivals");
  expectFault(alone(make + "mbarrier.expect_tx.relaxed.cta.shared.b64 [bars], 1048576;\n"), "counts more than 1048575");
  expectFault(alone(make + arrive + waiting + arrive + arrive + waiting), "phase 1 of mbarrier 'bars' + 0");
}

TEST(MbarrierTest, OrdersWhatThreadsDo) {
  std::string body = "@%p0 mbarrier.init.shared.b64 [bars], 64;\nbar.sync 0;\n"
                     "mad.wide.u32 %d10, %r0, 4, %d3;\nst.shared.u32 [%d10], %r0;\n"
                     "mbarrier.arrive.shared.b64 _, [bars];\n" +
                     waiting +
                     "xor.b32 %r11, %r0, 63;\nmad.wide.u32 %d12, %r11, 4, %d3;\nld.shared.u32 %r10, [%d12];\n"
                     "mad.wide.u32 %d11, %r0, 4, %d1;\nst.global.u32 [%d11], %r10;\n";
  EXPECT_EQ(expectRuns(kernelOf(body))[5], 58u);
  expectFault(planted(body, waiting, ""), "'dynamic' + ");
  expectFault(planted(body, "mbarrier.arrive.shared", "mbarrier.arrive.relaxed.cta.shared"), "race: no barrier");
  // Arriving before the write does not cover it.
  std::string arrive = "mbarrier.arrive.shared.b64 _, [bars];\n";
  expectFault(planted(planted(body, arrive, ""), "st.shared", arrive + "st.shared"), "race: no barrier");
}
