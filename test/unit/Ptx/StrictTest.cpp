//===- StrictTest.cpp - every fault that the interpreter promises to find ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RunKernel.h"

using namespace quantopt::ptx;

namespace {

/// Two kernels that differ by what is planted: one is refused, the other runs.
void expectFault(TestKernel kernel, const std::string &faulty, std::initializer_list<llvm::StringRef> texts,
                 const std::string &sound) {
  kernel.body = faulty;
  expectError(kernel, texts);
  kernel.body = sound;
  expectRuns(kernel);
}

TestKernel withShared(unsigned threads = 64, unsigned bytes = 1024) {
  TestKernel kernel;
  kernel.threads = threads;
  kernel.sharedBytes = bytes;
  kernel.in.assign(256, 7);
  return kernel;
}

/// The thread's word of shared memory in %d4, its neighbour's in %d5 (the next thread's, cyclic in 64), and that of the
/// other warp in %d6.
const std::string addresses = "mov.u64 %d10, dynamic; mad.wide.u32 %d4, %r0, 4, %d10;\n"
                              "add.u32 %r10, %r0, 1; and.b32 %r10, %r10, 63; mad.wide.u32 %d5, %r10, 4, %d10;\n"
                              "xor.b32 %r11, %r0, 32; mad.wide.u32 %d6, %r11, 4, %d10;\n";

} // namespace

//===----------------------------------------------------------------------------===//
// Uninitialised
//===----------------------------------------------------------------------------===//

TEST(StrictTest, UninitialisedRegister) {
  expectFault({}, "add.u32 %r20, %r21, 1;", {"test.ptx:", "'add.u32 %r20, %r21, 1'", "register '%r21'", "lanes 0-31"},
              "mov.u32 %r21, 5; add.u32 %r20, %r21, 1;");
}

TEST(StrictTest, RegisterThatSomeLanesWrote) {
  expectFault({}, "setp.lt.u32 %p1, %r0, 8; @%p1 mov.u32 %r20, 1; add.u32 %r21, %r20, 1;",
              {"register '%r20'", "lanes 8-31"},
              "setp.lt.u32 %p1, %r0, 8; @%p1 mov.u32 %r20, 1; @%p1 add.u32 %r21, %r20, 1;");
}

TEST(StrictTest, UninitialisedPredicate) {
  expectFault({}, "@%p1 mov.u32 %r20, 1;", {"predicate '%p1'"}, "setp.eq.u32 %p1, %r0, 0; @%p1 mov.u32 %r20, 1;");
}

TEST(StrictTest, UninitialisedShared) {
  expectFault(withShared(), addresses + "ld.shared.u32 %r20, [%d4];", {"never written", "'dynamic' + 0", "lane 0"},
              addresses + "st.shared.u32 [%d4], %r0; ld.shared.u32 %r20, [%d4];");
}

TEST(StrictTest, UninitialisedByteOfShared) {
  std::string threeBytes = addresses + "st.shared.u16 [%d4], %r0; st.shared.u8 [%d4+2], %r0;";
  expectFault(withShared(), threeBytes + "ld.shared.u32 %r20, [%d4];", {"never written", "'dynamic' + 3"},
              threeBytes + "st.shared.u8 [%d4+3], %r0; ld.shared.u32 %r20, [%d4];");
}

TEST(StrictTest, UninitialisedGlobal) {
  expectFault({}, "ld.global.u32 %r20, [%d3];", {"never written", "'out' + 0"},
              "st.global.u32 [%d3], %r0; ld.global.u32 %r20, [%d3];");
}

//===----------------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------------===//

TEST(StrictTest, OutOfGlobalBounds) {
  expectFault({}, "st.global.u32 [%d3+4], %r0;", {"outside of its 128 bytes", "'out' + 128", "lane 31"},
              "st.global.u32 [%d3], %r0;");
  expectError({"mov.u64 %d4, 0; st.global.u32 [%d4], %r0;"}, {"outside of every buffer"});
  // An address that lost its upper half.
  expectError({"cvt.u32.u64 %r20, %d3; cvt.u64.u32 %d4, %r20; st.global.u32 [%d4], %r0;"}, {"outside of every buffer"});
  expectError({"st.global.u32 [%d1+-4], %r0;"}, {"outside of"});
}

TEST(StrictTest, OutOfSharedBounds) {
  expectFault(withShared(64, 256), addresses + "st.shared.u32 [%d4+4], %r0;", {"outside of shared memory", "lane 31"},
              addresses + "st.shared.u32 [%d4], %r0;");
}

TEST(StrictTest, RunningFromOneVariableIntoTheNext) {
  TestKernel kernel;
  kernel.globals = ".shared .align 4 .b8 a[128]; .shared .align 4 .b8 b[128];\n";
  std::string base = "mov.u64 %d4, a; mad.wide.u32 %d4, %r0, 4, %d4;";
  expectFault(kernel, base + "st.shared.u32 [%d4+4], %r0;", {"outside of shared memory", "'a' + 128"},
              base + "st.shared.u32 [%d4], %r0;");
}

TEST(StrictTest, Misaligned) {
  expectFault(withShared(), addresses + "st.shared.v2.u32 [%d4], {%r0, %r0};", {"not a multiple of 8", "lane 1"},
              addresses + "mul.wide.u32 %d7, %r0, 8; add.u64 %d7, %d7, %d10; st.shared.v2.u32 [%d7], {%r0, %r0};");
  expectError({"st.global.u32 [%d3+2], %r0;"}, {"not a multiple of 4"});
  TestKernel kernel = withShared();
  kernel.body = addresses + "mov.u32 %r20, 0; cp.async.cg.shared.global [%d10], [%d0+8], 16;";
  expectError(kernel, {"not aligned to 16"});
}

//===----------------------------------------------------------------------------===//
// Races in shared memory
//===----------------------------------------------------------------------------===//

TEST(StrictTest, ReadAfterWriteOfAnotherWarp) {
  std::string write = addresses + "st.shared.u32 [%d4], %r0;";
  expectFault(withShared(), write + "ld.shared.u32 %r20, [%d6];", {"never written"},
              write + "bar.sync 0; ld.shared.u32 %r20, [%d6];");
  // The first warp has run ahead: the second reads what it wrote.
  expectFault(withShared(), write + "setp.gt.u32 %p1, %r0, 31; @%p1 ld.shared.u32 %r20, [%d6];",
              {"race", "written at line", "by warp 0", "warp 1, lane 0"},
              write + "bar.sync 0; setp.gt.u32 %p1, %r0, 31; @%p1 ld.shared.u32 %r20, [%d6];");
}

TEST(StrictTest, WriteAfterReadOfAnotherWarp) {
  std::string exchange = addresses + "st.shared.u32 [%d4], %r0; bar.sync 0; ld.shared.u32 %r20, [%d6];";
  expectFault(withShared(), exchange + "st.shared.u32 [%d4], %r20;", {"race", "warp 0"},
              exchange + "bar.sync 0; st.shared.u32 [%d4], %r20;");
}

// The last warp to reach a barrier runs on first.
TEST(StrictTest, WriteAfterReadsNamesTheReaders) {
  std::string read = addresses + "setp.gt.u32 %p1, %r0, 31; st.shared.u32 [%d4], %r0; bar.sync 0;"
                                 "@%p1 ld.shared.u32 %r20, [%d6];";
  expectFault(withShared(), read + "@!%p1 st.shared.u32 [%d4], %r0;",
              {"race: no barrier came between reads by warp 1, lane 0", "warp 0, lane 0"},
              read + "bar.sync 0; @!%p1 st.shared.u32 [%d4], %r0;");
}

TEST(StrictTest, WriteAfterWriteOfAnotherWarp) {
  std::string write = addresses + "st.shared.u32 [%d4], %r0;";
  expectFault(withShared(), write + "st.shared.u32 [%d6], %r0;", {"race", "written at line"},
              write + "bar.sync 0; st.shared.u32 [%d6], %r0;");
}

TEST(StrictTest, LanesOfOneWarp) {
  TestKernel kernel = withShared(32);
  std::string write = addresses + "xor.b32 %r12, %r0, 1; mad.wide.u32 %d7, %r12, 4, %d10; st.shared.u32 [%d4], %r0;";
  expectFault(kernel, write + "ld.shared.u32 %r20, [%d7];", {"race", "by warp 0, lane 1", "lane 0"},
              write + "bar.warp.sync -1; ld.shared.u32 %r20, [%d7];");
  std::string read = write + "bar.warp.sync -1; ld.shared.u32 %r20, [%d7];";
  expectFault(kernel, read + "st.shared.u32 [%d4], %r20;", {"race", "reads by warp 0, lane 1"},
              read + "bar.warp.sync -1; st.shared.u32 [%d4], %r20;");
  // Program order is enough for one lane.
  kernel.body = addresses + "st.shared.u32 [%d4], %r0; ld.shared.u32 %r20, [%d4]; st.shared.u32 [%d4], %r20;";
  expectRuns(kernel);
}

TEST(StrictTest, WarpSyncOfHalfAWarpOrdersThatHalf) {
  TestKernel kernel = withShared(32);
  // Halves sync apart; %d7 is in the same half, %d8 in the other.
  std::string halves = addresses +
                       "xor.b32 %r12, %r0, 1; mad.wide.u32 %d7, %r12, 4, %d10;"
                       "xor.b32 %r13, %r0, 16; mad.wide.u32 %d8, %r13, 4, %d10;"
                       "setp.lt.u32 %p1, %r0, 16; st.shared.u32 [%d4], %r0;"
                       "@%p1 bra LOW; bar.warp.sync 0xffff0000; bra.uni END; LOW: bar.warp.sync 0xffff; END: ";
  expectFault(kernel, halves + "ld.shared.u32 %r20, [%d8];", {"race"}, halves + "ld.shared.u32 %r20, [%d7];");
}

TEST(StrictTest, LanesThatWriteOnePlace) {
  TestKernel kernel = withShared(32);
  std::string base = "mov.u64 %d10, dynamic; mov.u32 %r20, 9;";
  expectFault(kernel, base + "st.shared.u32 [%d10], %r0;", {"lanes write different values", "lane 1"},
              base + "st.shared.u32 [%d10], %r20;");
}

TEST(StrictTest, NeighbouringBytesDoNotRace) {
  TestKernel kernel = withShared();
  kernel.body = "mov.u64 %d10, dynamic; cvt.u64.u32 %d11, %r0; add.u64 %d11, %d11, %d10;"
                "st.shared.u8 [%d11], %r0; ld.shared.u8 %r20, [%d11]; st.global.u32 [%d3], %r20;";
  std::vector<uint32_t> out = expectRuns(kernel);
  for (unsigned i = 0; i < 64; ++i)
    EXPECT_EQ(out[i], i);
}

TEST(StrictTest, AtomicsDoNotRace) {
  TestKernel kernel = withShared();
  std::string zero = "mov.u64 %d10, dynamic; setp.eq.u32 %p1, %r0, 0; mov.u32 %r20, 0;"
                     "@%p1 st.shared.u32 [%d10], %r20; bar.sync 0; red.shared.add.u32 [%d10], %r0;";
  expectFault(kernel, zero + "@%p1 ld.shared.u32 %r21, [%d10];", {"race"},
              zero + "bar.sync 0; ld.shared.u32 %r21, [%d10]; st.global.u32 [%d3], %r21;");
  kernel.body = zero + "bar.sync 0; ld.shared.u32 %r21, [%d10]; st.global.u32 [%d3], %r21;";
  EXPECT_EQ(expectRuns(kernel)[63], 63u * 64 / 2);
}

//===----------------------------------------------------------------------------===//
// Asynchronous copies
//===----------------------------------------------------------------------------===//

namespace {

/// Each of 64 threads copies 16 bytes to its own place (%d7); the ones of the other warp are at %d8.
const std::string copy = "mov.u64 %d10, dynamic; mad.wide.u32 %d7, %r0, 16, %d10; mad.wide.u32 %d9, %r0, 16, %d0;"
                         "xor.b32 %r11, %r0, 32; mad.wide.u32 %d8, %r11, 16, %d10;"
                         "cp.async.cg.shared.global [%d7], [%d9], 16;";

} // namespace

TEST(StrictTest, MissingWait) {
  expectFault(withShared(), copy + "cp.async.commit_group; bar.sync 0; ld.shared.u32 %r20, [%d7];",
              {"no wait_group", "written at line"},
              copy + "cp.async.commit_group; cp.async.wait_group 0; bar.sync 0; ld.shared.u32 %r20, [%d7];");
}

TEST(StrictTest, MissingBarrierAfterWait) {
  std::string waited = copy + "cp.async.commit_group; cp.async.wait_group 0;";
  std::string read = "setp.gt.u32 %p1, %r0, 31; @%p1 ld.shared.u32 %r20, [%d8];";
  expectFault(withShared(), waited + read, {"race", "by warp 0, lane 0"}, waited + "bar.sync 0;" + read);
  // What the thread itself copied it may read at once.
  TestKernel kernel = withShared();
  kernel.body = waited + "ld.shared.u32 %r20, [%d7]; st.global.u32 [%d3], %r20;";
  EXPECT_EQ(expectRuns(kernel)[5], 7u);
}

TEST(StrictTest, BarrierBeforeWait) {
  std::string read = "setp.gt.u32 %p1, %r0, 31; @%p1 ld.shared.u32 %r20, [%d8];";
  expectFault(withShared(), copy + "cp.async.commit_group; bar.sync 0; cp.async.wait_group 0;" + read,
              {"no wait_group"}, copy + "cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;" + read);
}

TEST(StrictTest, WaitForTooFewGroups) {
  std::string two = copy + "cp.async.commit_group; cp.async.cg.shared.global [%d7+1024], [%d9], 16;"
                           "cp.async.commit_group;";
  TestKernel kernel = withShared(64, 2048);
  expectFault(kernel, two + "cp.async.wait_group 1; ld.shared.u32 %r20, [%d7+1024];", {"no wait_group"},
              two + "cp.async.wait_group 1; ld.shared.u32 %r20, [%d7];");
  expectFault(kernel, two + "cp.async.wait_group 2; ld.shared.u32 %r20, [%d7];", {"no wait_group"},
              two + "cp.async.wait_all; ld.shared.u32 %r20, [%d7+1024];");
}

TEST(StrictTest, WaitGroupDoesNotCoverWhatWasNotCommitted) {
  expectFault(withShared(), copy + "cp.async.wait_group 0; ld.shared.u32 %r20, [%d7];", {"no wait_group"},
              copy + "cp.async.wait_all; ld.shared.u32 %r20, [%d7];");
}

TEST(StrictTest, CopyOverCopy) {
  std::string again = "cp.async.cg.shared.global [%d7], [%d9], 16;";
  expectFault(withShared(), copy + again, {"no wait_group came between a cp.async and this write"},
              copy + "cp.async.wait_all;" + again);
}

TEST(StrictTest, CopyIntoWhatOthersStillRead) {
  std::string first = copy + "cp.async.wait_all; bar.sync 0; ld.shared.u32 %r20, [%d8];";
  std::string next = "cp.async.cg.shared.global [%d7], [%d9], 16; cp.async.wait_all;";
  expectFault(withShared(), first + next, {"race", "warp 0"}, first + "bar.sync 0;" + next);
}

TEST(StrictTest, SourceSizeFillsWithZeros) {
  TestKernel kernel = withShared();
  kernel.in.assign(256, 0x01020304);
  kernel.body = "mov.u64 %d10, dynamic; mad.wide.u32 %d7, %r0, 16, %d10; mad.wide.u32 %d9, %r0, 16, %d0;"
                "mov.u32 %r20, 6; cp.async.cg.shared.global [%d7], [%d9], 16, %r20; cp.async.wait_all;"
                "ld.shared.u32 %r21, [%d7+4]; st.global.u32 [%d3], %r21;";
  EXPECT_EQ(expectRuns(kernel)[9], 0x0304u);
  // Nothing is read with size 0, not even outside of the buffer.
  kernel.body = "mov.u64 %d10, dynamic; mad.wide.u32 %d7, %r0, 16, %d10; mov.u64 %d9, 0;"
                "mov.u32 %r20, 0; cp.async.cg.shared.global [%d7], [%d9], 16, %r20; cp.async.wait_all;"
                "ld.shared.u32 %r21, [%d7]; st.global.u32 [%d3], %r21;";
  EXPECT_EQ(expectRuns(kernel)[9], 0u);
  kernel.body = copy + "mov.u32 %r20, 17; cp.async.wait_all; cp.async.cg.shared.global [%d7], [%d9], 16, %r20;";
  expectError(kernel, {"the source size 17 is more than 16"});
}

//===----------------------------------------------------------------------------===//
// Races in global memory
//===----------------------------------------------------------------------------===//

TEST(StrictTest, CtasWriteOnePlace) {
  TestKernel kernel;
  kernel.ctas = 2;
  expectFault(kernel, "mad.wide.u32 %d4, %r0, 4, %d1; st.global.u32 [%d4], %r1;",
              {"race", "write with the write of 'out' + 0", "CTA 0, thread 0", "cta (1,0,0)"},
              "st.global.u32 [%d3], %r1;");
}

TEST(StrictTest, CtaReadsWhatAnotherWrites) {
  TestKernel kernel;
  kernel.ctas = 2;
  kernel.in.assign(64, 1);
  std::string other = "xor.b32 %r10, %r1, 32; mad.wide.u32 %d4, %r10, 4, %d0;";
  expectFault(kernel, other + "ld.global.u32 %r20, [%d4]; st.global.u32 [%d2], %r20;", {"race"},
              other + "ld.global.u32 %r20, [%d2]; st.global.u32 [%d2], %r20;");
  expectError({other + "st.global.u32 [%d2], %r1; ld.global.u32 %r20, [%d4];", 32, 2, 80, 0, "", "",
               std::vector<uint32_t>(64, 1)},
              {"race", "write with the read"});
}

TEST(StrictTest, ThreadsOfACtaExchangeGlobally) {
  TestKernel kernel;
  kernel.threads = 64;
  std::string write = "xor.b32 %r10, %r1, 32; mad.wide.u32 %d4, %r10, 4, %d1; st.global.u32 [%d3], %r1;";
  std::string read = "setp.gt.u32 %p1, %r0, 31; @%p1 ld.global.u32 %r20, [%d4];";
  expectFault(kernel, write + read, {"race", "CTA 0, thread 0"}, write + "bar.sync 0;" + read);
  std::string exchange = write + "bar.sync 0; ld.global.u32 %r20, [%d4];";
  expectFault(kernel, exchange + "st.global.u32 [%d3], %r20;", {"race"},
              exchange + "bar.sync 0; st.global.u32 [%d3], %r20;");
}

TEST(StrictTest, ManyReadersThenAWriter) {
  TestKernel kernel;
  kernel.threads = 64;
  kernel.in.assign(64, 1);
  std::string read = "ld.global.u32 %r20, [%d0]; setp.eq.u32 %p1, %r0, 0;";
  expectFault(kernel, read + "@%p1 st.global.u32 [%d0], %r20;", {"race"},
              read + "bar.sync 0; @%p1 st.global.u32 [%d0], %r20;");
}

TEST(StrictTest, GlobalAtomics) {
  TestKernel kernel;
  kernel.ctas = 4;
  kernel.in.assign(1, 0);
  kernel.hostThreads = 4;
  kernel.body = "red.global.add.u32 [%d0], 1;";
  expectRuns(kernel);
  kernel.body = "red.global.add.u32 [%d0], 1; ld.global.u32 %r20, [%d0];";
  expectError(kernel, {"race"});
}

TEST(StrictTest, StrongReadsSeeAtomics) {
  TestKernel kernel;
  kernel.ctas = 4;
  kernel.in.assign(1, 0);
  kernel.hostThreads = 2;
  kernel.instructionLimit = 1'000'000'000;
  // The first CTA waits until the others have been there.
  std::string count = "setp.eq.u32 %p1, %r2, 0; setp.eq.u32 %p2, %r0, 0; @%p1 bra WAIT;"
                      "@%p2 red.release.gpu.global.add.u32 [%d0], 1; bra END;";
  std::string poll = "setp.lt.u32 %p3, %r20, 3; @%p3 bra WAIT; END: st.global.u32 [%d3], %r1;";
  expectFault(kernel, count + "WAIT: ld.global.u32 %r20, [%d0];" + poll, {"race"},
              count + "WAIT: ld.acquire.gpu.global.u32 %r20, [%d0];" + poll);
  kernel.body = "ld.volatile.global.u32 %r20, [%d0]; ld.global.u32 %r21, [%d0]; st.global.u32 [%d3], %r21;";
  expectRuns(kernel);
}

//===----------------------------------------------------------------------------===//
// Barriers and warp-wide instructions
//===----------------------------------------------------------------------------===//

TEST(StrictTest, DivergentBarrier) {
  expectFault(withShared(), "setp.lt.u32 %p1, %r0, 8; @%p1 bar.sync 0;", {"only a part of the warp", "lanes 8-31"},
              "bar.sync 0;");
  expectError({"setp.lt.u32 %p1, %r0, 8; @%p1 bra SKIP; bar.sync 0; SKIP:"}, {"only a part of the warp", "lanes 0-7"});
}

TEST(StrictTest, BarrierThatAWarpMisses) {
  expectFault(withShared(), "setp.lt.u32 %p1, %r0, 32; @%p1 bar.sync 0;",
              {"waits for ever for barrier 0, where 32 of 64 threads are", "warp 1 has exited"}, "bar.sync 0;");
  // Threads that left cannot arrive.
  expectError({"setp.lt.u32 %p1, %r0, 8; @%p1 ret; bar.sync 0;"}, {"waits for ever", "24 of 32"});
}

TEST(StrictTest, WarpsAtDifferentBarriers) {
  expectError({"setp.lt.u32 %p1, %r0, 32; @%p1 bra A; bar.sync 1; bra END; A: bar.sync 2; END:", 64},
              {"waits for ever", "warp 1 waits at line"});
}

TEST(StrictTest, NamedBarriersOrderProducerAndConsumer) {
  TestKernel kernel = withShared();
  std::string base = addresses + "setp.lt.u32 %p1, %r0, 32; @%p1 bra PRODUCER;";
  std::string consume = "ld.shared.u32 %r20, [%d6]; st.global.u32 [%d3], %r20; ret;";
  std::string produce = "PRODUCER: st.shared.u32 [%d4], %r0;";
  kernel.body = base + "bar.sync 1, 64;" + consume + produce + "bar.arrive 1, 64;";
  std::vector<uint32_t> out = expectRuns(kernel);
  EXPECT_EQ(out[40], 8u);
  // The producer goes on writing: nobody has said that the consumer is done.
  kernel.body = base + "bar.sync 1, 64;" + consume + produce + "bar.arrive 1, 64; st.shared.u32 [%d4], %r0;";
  expectError(kernel, {"race"});
  kernel.body = base + "bar.sync 1, 64; bar.arrive 2, 64;" + consume + produce +
                "bar.arrive 1, 64; bar.sync 2, 64; st.shared.u32 [%d4], %r0;";
  expectError(kernel, {"race"});
  kernel.body = base + "bar.sync 1, 64; ld.shared.u32 %r20, [%d6]; bar.arrive 2, 64; ret;" + produce +
                "bar.arrive 1, 64; bar.sync 2, 64; st.shared.u32 [%d4], %r0;";
  expectRuns(kernel);
}

TEST(StrictTest, BarrierCounts) {
  expectError({"setp.lt.u32 %p1, %r0, 32; @%p1 bra A; bar.sync 1, 96; bra END; A: bar.sync 1, 64; END:", 96},
              {"expects 64 threads since line"});
  expectError({"bar.sync 1, 40;", 64}, {"not a multiple of 32"});
  expectError({"bar.sync 16;", 64}, {"does not exist"});
}

TEST(StrictTest, InactiveLanes) {
  std::string half = "mov.u64 %d10, dynamic; setp.lt.u32 %p1, %r0, 16; mov.u32 %r20, 0;";
  expectError({half + "@%p1 shfl.sync.bfly.b32 %r21, %r20, 1, 31, -1;"}, {"member mask names lanes", "lanes 16-31"});
  expectError({half + "@%p1 shfl.sync.bfly.b32 %r21, %r20, 1, 31, 0xff;"}, {"does not name", "lanes 8-15"});
  expectError({half + "@%p1 shfl.sync.bfly.b32 %r21, %r20, 16, 31, 0xffff;"}, {"does not take part"});
  expectRuns({half + "@%p1 shfl.sync.bfly.b32 %r21, %r20, 1, 31, 0xffff;"});
  expectError({half + "@%p1 redux.sync.add.s32 %r21, %r20, -1;"}, {"member mask"});
  expectError({half + "@%p1 vote.sync.ballot.b32 %r21, %p1, -1;"}, {"member mask"});
  expectError({half + "@%p1 bar.warp.sync -1;"}, {"in the mask but elsewhere", "lanes 16-31"});
  expectError({half + "@%p1 ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r21}, [%d10];", 32, 1, 80, 512},
              {"all 32 lanes of a warp must execute this together", "lanes 16-31"});
  expectError({half + "@%p1 mma.sync.aligned.m8n8k32.row.col.s32.s4.s4.s32 {%r21,%r22}, {%r20}, {%r20}, {%r20,%r20};"},
              {"all 32 lanes of a warp must execute this together"});
}

TEST(StrictTest, MatricesTakeWholeWarps) {
  std::string product = "mov.u32 %r20, 0; mma.sync.aligned.m8n8k32.row.col.s32.s4.s4.s32 {%r21,%r22}, {%r20}, {%r20}, "
                        "{%r20,%r20};";
  expectFault({"", 48}, product, {"all 32 lanes of a warp", "warp 1, lanes 16-31"},
              "setp.lt.u32 %p1, %r0, 32; @%p1 bra A; ret; A:" + product);
}

TEST(StrictTest, EndlessLoop) { expectError({"LOOP: bra.uni LOOP;"}, {"loop for ever", "'bra.uni LOOP'"}); }

//===----------------------------------------------------------------------------===//
// What is refused before anything runs
//===----------------------------------------------------------------------------===//

TEST(StrictTest, RefusedText) {
  expectError({".local .align 4 .b8 depot[16];"}, {"test.ptx:12:", "local memory"});
  expectError({"ld.local.u32 %r20, [%d0];"}, {"local memory"});
  expectError({"call.uni helper, ();"}, {"calls are not supported"});
  TestKernel kernel;
  kernel.globals = ".extern .func helper;\n";
  expectError(kernel, {"test.ptx:5:", "functions other than kernels"});
  kernel.globals = ".extern .global .b32 elsewhere;\n";
  expectError(kernel, {"no linker"});
}

TEST(StrictTest, RefusedInstructions) {
  expectError({"frobnicate.b32 %r1, %r2;"}, {"test.ptx:12: unknown instruction 'frobnicate.b32'"});
  expectError({"add.u32.magic %r1, %r2, %r3;"}, {"test.ptx:12:", "modifier '.magic' is not supported"});
  expectError({"add.u32 %r1, %r99, %r3;"}, {"unknown name '%r99'"});
  expectError({"add.u32 %d1, %r2, %r3;"}, {"expected a register of 32 bits, '%d1' is a register of 64 bits"});
  expectError({"add.u32 %r1, %r2;"}, {"expected 3 operands, found 2"});
  expectError({"bra NOWHERE;"}, {"unknown label 'NOWHERE'"});
  expectError({"@%r1 mov.u32 %r2, 0;"}, {"'%r1' is not a predicate"});
}

TEST(StrictTest, RefusedForTheTarget) {
  TestKernel kernel = {"mov.u32 %r20, 0; mma.sync.aligned.m8n8k32.row.col.s32.s4.s4.s32 {%r21,%r22}, {%r20}, {%r20}, "
                       "{%r20,%r20};"};
  expectRuns(kernel);
  kernel.target = 90;
  expectError(kernel, {"no 4-bit tensor cores"});
  expectError({"redux.sync.add.s32 %r21, %r0, -1;", 32, 1, 75}, {"requires sm_80"});
  expectError({"cp.async.wait_all;", 32, 1, 75}, {"requires sm_80"});
}

TEST(StrictTest, RefusedLaunches) {
  TestKernel kernel;
  kernel.directives = "\n.reqntid 64, 1, 1";
  expectError(kernel, {"requires blocks of (64,1,1)"});
  kernel.directives = "\n.maxntid 16";
  expectError(kernel, {"allows blocks of 16 threads"});
  kernel.directives = "";
  kernel.sharedBytes = 163 * 1024 + 1;
  expectError(kernel, {"more than the 166912 of sm_80"});
  kernel.sharedBytes = 163 * 1024;
  expectRuns(kernel);
  kernel.threads = 1056;
  expectError(kernel, {"more than 1024 threads"});
}
