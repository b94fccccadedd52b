//===- ClusterTest.cpp - clusters of one CTA, elected lanes, registers --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HopperKernel.h"

using namespace quantopt::ptx;

namespace {

const std::string store = "mad.wide.u32 %d11, %r0, 4, %d1;\nst.global.u32 [%d11], %r10;\n";

HopperKernel kernelOf(const std::string &body, unsigned threads = 64) {
  HopperKernel kernel;
  kernel.body = body;
  kernel.threads = threads;
  return kernel;
}

const std::string exchange = "mad.wide.u32 %d10, %r0, 4, %d3;\nst.shared.u32 [%d10], %r0;\n"
                             "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n"
                             "xor.b32 %r11, %r0, 63;\nmad.wide.u32 %d12, %r11, 4, %d3;\n"
                             "ld.shared.u32 %r10, [%d12];\n" +
                             store;

} // namespace

TEST(ClusterTest, BarrierOrders) {
  EXPECT_EQ(expectRuns(kernelOf(exchange))[3], 60u);
  expectError(kernelOf(planted(exchange, "barrier.cluster.wait.aligned;\n", "")), "'dynamic' + ");
  expectError(kernelOf(planted(exchange, "barrier.cluster.arrive.aligned;\n", "")), "without having arrived");
  expectError(kernelOf(planted(exchange, "barrier.cluster.wait.aligned;\n", "barrier.cluster.arrive.aligned;\n")),
              "arrives again at the cluster's barrier");
  expectError(kernelOf("setp.lt.u32 %p1, %r0, 32;\n@%p1 barrier.cluster.arrive.aligned;\n"
                       "@%p1 barrier.cluster.wait.aligned;\n@!%p1 bar.sync 1, 64;\n"),
              "waits for ever for");
}

TEST(ClusterTest, AddressesStayTheSame) {
  EXPECT_EQ(expectRuns(kernelOf("mapa.shared::cluster.u32 %r12, %r3, 0;\nsub.u32 %r10, %r12, %r3;\n" + store))[1], 0u);
  EXPECT_EQ(expectRuns(kernelOf("getctarank.shared::cluster.u32 %r10, %r3;\n" + store))[1], 0u);
  EXPECT_EQ(expectRuns(kernelOf("mov.u32 %r10, %cluster_nctarank;\n" + store))[1], 1u);
  expectError(kernelOf("mapa.shared::cluster.u32 %r12, %r3, 1;\n"), "no CTA 1 in a cluster of one");
}

TEST(ClusterTest, ElectsOneLane) {
  std::vector<uint32_t> out =
      expectRuns(kernelOf("elect.sync _|%p1, 0xffffffff;\nselp.u32 %r10, 1, 0, %p1;\n" + store));
  EXPECT_EQ(std::count(out.begin(), out.end(), 1u), 2);
  out = expectRuns(kernelOf("elect.sync %r10|%p1, 0xffffffff;\n" + store));
  EXPECT_EQ(out[40], 0u);
  expectError(kernelOf("@%p0 elect.sync _|%p1, 0xffffffff;\n"), "the member mask names lanes that are not here");
}

TEST(ClusterTest, Registers) {
  expectRuns(kernelOf("setmaxnreg.dec.sync.aligned.u32 40;\n", 128));
  expectError(kernelOf("setmaxnreg.inc.sync.aligned.u32 232;\n", 512), "registers; there are 65536");
  expectError(kernelOf("setmaxnreg.inc.sync.aligned.u32 100;\n"), "expected a multiple of 8");
}

TEST(ClusterTest, DependenciesBetweenGridsAreNone) {
  expectRuns(kernelOf("griddepcontrol.wait;\ngriddepcontrol.launch_dependents;\n"));
}
