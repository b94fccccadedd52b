//===- MbarrierInstructions.cpp - mbarrier.* and the fences of its proxy ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Block.h"
#include "SharedAddress.h"

using namespace quantopt::ptx;

// modifiers[0] is the space of the address.

/// Calls function(lane, offset) for the active lanes in order, while it returns true.
template <typename Function> static void forEachBarrier(Warp &warp, const Instruction &instruction, Function function) {
  uint64_t addresses[warpSize];
  warp.addresses(instruction.address, addresses);
  for (uint32_t mask = warp.active; mask; mask &= mask - 1) {
    unsigned lane = llvm::countr_zero(mask);
    uint64_t offset = addresses[lane];
    if (!toSharedOffset(warp, lane, StateSpace(instruction.modifiers[0]), offset) || !function(lane, offset))
      return;
  }
}

static void decodeBarrier(InstructionDecoder &decoder, unsigned addressOperand) {
  decoder.require(80);
  decoder.result.modifiers[0] = unsigned(takeSharedSpace(decoder));
  if (decoder.takeType() != ScalarType::B64)
    decoder.fail("expected .b64");
  decoder.readAddress(addressOperand);
  decoder.access(StateSpace::Shared, 8);
  decoder.useAsyncProxy();
}

/// .acquire, .release or .relaxed, and the scope; whether it orders anything.
static bool takeOrder(InstructionDecoder &decoder) {
  decoder.take("acquire");
  decoder.take("release");
  bool isRelaxed = decoder.take("relaxed");
  decoder.takeOneOf({"cta", "cluster"});
  return !isRelaxed;
}

//===----------------------------------------------------------------------------===//
// Arriving
//===----------------------------------------------------------------------------===//

static void executeInit(Warp &warp, const Instruction &instruction) {
  warp.block.shared.beginInstruction();
  forEachBarrier(warp, instruction, [&](unsigned lane, uint64_t offset) {
    return warp.block.mbarriers.init(warp, lane, offset, warp.value(instruction.operands[0], lane));
  });
}

static void decodeInit(InstructionDecoder &decoder) {
  decoder.expectOperands(2);
  decodeBarrier(decoder, 0);
  decoder.read(1, 32);
  decoder.execute(executeInit);
}

static void executeInval(Warp &warp, const Instruction &instruction) {
  forEachBarrier(warp, instruction,
                 [&](unsigned lane, uint64_t offset) { return warp.block.mbarriers.invalidate(warp, lane, offset); });
}

static void decodeInval(InstructionDecoder &decoder) {
  decoder.expectOperands(1);
  decodeBarrier(decoder, 0);
  decoder.execute(executeInval);
}

static void executeExpect(Warp &warp, const Instruction &instruction) {
  forEachBarrier(warp, instruction, [&](unsigned lane, uint64_t offset) {
    return warp.block.mbarriers.expectBytes(warp, lane, offset, warp.value(instruction.operands[0], lane));
  });
}

static void decodeExpect(InstructionDecoder &decoder) {
  decoder.require(90);
  takeOrder(decoder);
  decoder.expectOperands(2);
  decodeBarrier(decoder, 0);
  decoder.read(1, 32);
  decoder.execute(executeExpect);
}

// modifiers[1]: whether operand 1 are bytes to expect; modifiers[2]: releases; modifiers[3]: drops.
static void executeArrive(Warp &warp, const Instruction &instruction) {
  bool expects = instruction.modifiers[1];
  forEachBarrier(warp, instruction, [&](unsigned lane, uint64_t offset) {
    uint32_t number = instruction.operands.size() > 1 ? warp.value(instruction.operands[1], lane) : 1;
    uint64_t state = 0;
    bool arrived = warp.block.mbarriers.arrive(warp, lane, offset, expects ? 1 : number, expects ? number : 0,
                                               instruction.modifiers[2], instruction.modifiers[3], state);
    warp.setValue(instruction.operands[0], lane, state);
    return arrived;
  });
}

template <bool drops> static void decodeArrive(InstructionDecoder &decoder) {
  bool expects = decoder.take("expect_tx");
  decoder.result.modifiers[1] = expects;
  decoder.result.modifiers[2] = takeOrder(decoder);
  decoder.result.modifiers[3] = drops;
  if (expects)
    decoder.require(90);
  decoder.expectOperands(expects ? 3 : 2, 3);
  decoder.write(0, 64);
  decodeBarrier(decoder, 1);
  if (decoder.numOperands() == 3)
    decoder.read(2, 32);
  decoder.execute(executeArrive);
}

/// cp.async.mbarrier.arrive: arrives when the thread's copies so far are complete, which they are taken to be; without
/// .noinc the arrival is one more than the barrier was told to expect. To other threads the copies are visible after
/// the barrier.
static void executeCopyArrive(Warp &warp, const Instruction &instruction) {
  warp.copies.waitAll(warp, warp.active);
  forEachBarrier(warp, instruction, [&](unsigned lane, uint64_t offset) {
    uint64_t state;
    return warp.block.mbarriers.arrive(warp, lane, offset, instruction.modifiers[1], 0, true, false, state);
  });
}

static void decodeCopyArrive(InstructionDecoder &decoder) {
  decoder.result.modifiers[1] = decoder.take("noinc");
  decoder.expectOperands(1);
  decodeBarrier(decoder, 0);
  decoder.execute(executeCopyArrive);
}

//===----------------------------------------------------------------------------===//
// Waiting
//===----------------------------------------------------------------------------===//

// modifiers[1]: by parity; modifiers[2]: acquires.
//
// A warp whose phase is not complete waits, for test_wait as for try_wait: how long they take is not defined. Where
// nothing else in the CTA can run they fail instead, as try_wait does after its time limit.
static void executeWait(Warp &warp, const Instruction &instruction) {
  Mbarriers &mbarriers = warp.block.mbarriers;
  uint32_t complete = 0;
  uint64_t pendingOffset = 0;
  forEachBarrier(warp, instruction, [&](unsigned lane, uint64_t offset) {
    uint64_t operand = warp.value(instruction.operands[1], lane);
    bool acquires = instruction.modifiers[2];
    Mbarriers::Test test = instruction.modifiers[1] ? mbarriers.testParity(warp, lane, offset, operand & 1, acquires)
                                                    : mbarriers.testState(warp, lane, offset, operand, acquires);
    if (test == Mbarriers::Test::Complete)
      complete |= 1u << lane;
    else
      pendingOffset = offset;
    return test != Mbarriers::Test::Failed;
  });
  if (warp.failed())
    return;
  if (complete != warp.active && !warp.takeTimeout())
    return warp.waitFor(Mbarriers::wakeKey(pendingOffset), mbarriers.describe(pendingOffset));
  warp.setPredicate(instruction.operands[0], complete);
}

static void decodeWait(InstructionDecoder &decoder) {
  bool isParity = decoder.take("parity");
  decoder.result.modifiers[1] = isParity;
  decoder.result.modifiers[2] = takeOrder(decoder);
  decoder.expectOperands(3, 4);
  decoder.writePredicate(0);
  decodeBarrier(decoder, 1);
  decoder.read(2, isParity ? 32 : 64);
  if (decoder.numOperands() == 4)
    decoder.read(3, 32);
  decoder.execute(executeWait);
}

static void decodeTryWait(InstructionDecoder &decoder) {
  decoder.require(90);
  decodeWait(decoder);
}

static void executePendingCount(Warp &warp, const Instruction &instruction) {
  forEachLane(warp.active, [&](unsigned lane) {
    warp.setValue(instruction.operands[0], lane, Mbarriers::pendingCount(warp.value(instruction.operands[1], lane)));
  });
}

static void decodePendingCount(InstructionDecoder &decoder) {
  decoder.takeType();
  decoder.expectOperands(2);
  decoder.write(0, 32);
  decoder.read(1, 64);
  decoder.execute(executePendingCount);
}

//===----------------------------------------------------------------------------===//
// Fences
//===----------------------------------------------------------------------------===//

static void executeProxyFence(Warp &warp, const Instruction &) {
  warp.block.fenceProxy(warp);
  warp.block.mbarriers.fenceInits(warp);
}

static void decodeProxyFence(InstructionDecoder &decoder) {
  decoder.require(90);
  if (!decoder.take("global"))
    takeSharedSpace(decoder);
  decoder.expectOperands(0);
  decoder.useAsyncProxy();
  decoder.execute(executeProxyFence);
}

static void executeInitFence(Warp &warp, const Instruction &) { warp.block.mbarriers.fenceInits(warp); }

static void decodeInitFence(InstructionDecoder &decoder) {
  decoder.require(90);
  if (!decoder.take("release") || !decoder.take("cluster"))
    decoder.fail("expected .release.cluster");
  decoder.expectOperands(0);
  decoder.useAsyncProxy();
  decoder.execute(executeInitFence);
}

void quantopt::ptx::addMbarrierInstructions(InstructionTable &table) {
  table.add("mbarrier.init", decodeInit);
  table.add("mbarrier.inval", decodeInval);
  table.add("mbarrier.expect_tx", decodeExpect);
  table.add("mbarrier.arrive", decodeArrive<false>);
  table.add("mbarrier.arrive_drop", decodeArrive<true>);
  table.add("cp.async.mbarrier.arrive", decodeCopyArrive);
  table.add("mbarrier.test_wait", decodeWait);
  table.add("mbarrier.try_wait", decodeTryWait);
  table.add("mbarrier.pending_count", decodePendingCount);
  table.add("fence.proxy.async", decodeProxyFence);
  table.add("fence.mbarrier_init", decodeInitFence);
}
