//===- ClusterInstructions.cpp - clusters of one CTA, and warp groups ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Block.h"
#include "SharedAddress.h"

using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// barrier.cluster
//===----------------------------------------------------------------------------===//

static void executeClusterArrive(Warp &warp, const Instruction &) { warp.block.clusterBarrier->arrive(warp); }
static void executeClusterWait(Warp &warp, const Instruction &) { warp.block.clusterBarrier->wait(warp); }

template <Execute execute> static void decodeClusterBarrier(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.takeOneOf({"release", "relaxed", "acquire"});
  decoder.result.isAligned = decoder.take("aligned");
  decoder.expectOperands(0);
  decoder.execute(execute);
}

//===----------------------------------------------------------------------------===//
// Addresses in the cluster
//===----------------------------------------------------------------------------===//

template <typename T> static void executeMapa(Warp &warp, const Instruction &instruction) {
  const uint32_t *rank = warp.source<uint32_t>(instruction.operands[2]);
  const T *address = warp.source<T>(instruction.operands[1]);
  T *result = warp.destination<T>(instruction.operands[0]);
  forEachLane(warp.active, [&](unsigned lane) {
    if (rank[lane] != 0)
      warp.fail(1u << lane, "there is no CTA " + llvm::Twine(rank[lane]) + " in a cluster of one");
    result[lane] = address[lane];
  });
}

static void decodeMapa(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.take("shared::cluster");
  unsigned bits = bitsOf(decoder.takeType());
  decoder.expectOperands(3);
  decoder.write(0, bits);
  decoder.read(1, bits);
  decoder.read(2, 32);
  decoder.execute(bits == 32 ? executeMapa<uint32_t> : executeMapa<uint64_t>);
}

static void executeRank(Warp &warp, const Instruction &instruction) {
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = 0; });
}

static void decodeRank(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.take("shared::cluster");
  unsigned bits = bitsOf(decoder.takeType());
  decoder.expectOperands(2);
  decoder.write(0, 32);
  decoder.read(1, bits);
  decoder.execute(executeRank);
}

//===----------------------------------------------------------------------------===//
// Warps
//===----------------------------------------------------------------------------===//

static void executeSetMaximumRegisters(Warp &warp, const Instruction &instruction) {
  warp.block.setMaximumRegisters(warp, instruction.modifiers[0]);
}

static void decodeSetMaximumRegisters(InstructionDecoder &decoder) {
  decoder.require(90);
  if (decoder.targetSuffix() != 'a' && decoder.targetSuffix() != 'f')
    decoder.fail("setmaxnreg needs a target of one architecture, like sm_90a");
  if (decoder.takeOneOf({"inc", "dec"}) < 0 || !decoder.take("sync") || !decoder.take("aligned"))
    decoder.fail("expected .inc or .dec, and .sync.aligned");
  decoder.takeType();
  decoder.expectOperands(1);
  uint64_t count = decoder.readImmediate(0);
  if (count < 24 || count > 256 || count % 8 != 0)
    decoder.fail("expected a multiple of 8 between 24 and 256 registers");
  decoder.result.modifiers[0] = count;
  decoder.result.isAligned = true;
  decoder.execute(executeSetMaximumRegisters);
}

static void executeNothing(Warp &, const Instruction &) {}

/// griddepcontrol: grids of the interpreter never overlap.
static void decodeGridDependency(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.expectOperands(0);
  decoder.execute(executeNothing);
}

void quantopt::ptx::addClusterInstructions(InstructionTable &table) {
  table.add("barrier.cluster.arrive", decodeClusterBarrier<executeClusterArrive>);
  table.add("barrier.cluster.wait", decodeClusterBarrier<executeClusterWait>);
  table.add("mapa", decodeMapa);
  table.add("getctarank", decodeRank);
  table.add("setmaxnreg", decodeSetMaximumRegisters);
  table.add("griddepcontrol.launch_dependents", decodeGridDependency);
  table.add("griddepcontrol.wait", decodeGridDependency);
}
