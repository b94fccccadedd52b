//===- AsyncInstructions.cpp - cp.async ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InstructionTable.h"
#include "MemoryAccess.h"

using namespace quantopt::ptx;

// modifiers: 0 bytes, 1 whether there is a source size, 2 an ignore-src predicate.
static void executeCopy(Warp &warp, const Instruction &instruction) {
  unsigned bytes = instruction.modifiers[0];
  uint64_t to[warpSize], from[warpSize];
  warp.addresses(instruction.address, to);
  warp.addresses(instruction.secondAddress, from);
  const uint32_t *sizes = instruction.modifiers[1] ? warp.source<uint32_t>(instruction.operands[0]) : nullptr;
  uint32_t ignored = instruction.modifiers[2] ? warp.predicate(instruction.operands[0]) : 0;
  uint32_t index = &instruction - warp.block.context.kernel.instructions.data();
  warp.block.shared.beginInstruction();
  uint32_t reading = 0;
  for (uint32_t lanes = warp.active; lanes; lanes &= lanes - 1) {
    unsigned lane = llvm::countr_zero(lanes);
    unsigned size = ignored >> lane & 1 ? 0 : sizes ? sizes[lane] : bytes;
    if (size > bytes)
      return warp.fail(1u << lane, "the source size " + llvm::Twine(size) + " is more than " + llvm::Twine(bytes));
    alignas(16) uint8_t data[16] = {};
    // The address must be aligned to the whole copy even if less is read.
    if (size && from[lane] % bytes)
      return warp.fail(1u << lane, "the source is not aligned to " + llvm::Twine(bytes) + " bytes");
    for (unsigned at = 0; at < size;) {
      // Whole words where the size allows: pieces are powers of two.
      unsigned piece = llvm::bit_floor(size - at);
      if (!loadLane(warp, StateSpace::Global, lane, from[lane] + at, piece, data + at))
        return;
      at += piece;
    }
    reading |= uint32_t(size > 0) << lane;
    if (!warp.block.shared.copy(warp, lane, to[lane], bytes, data))
      return;
    warp.copies.add(lane, to[lane], bytes, index);
  }
  countRequest(warp, instruction, StateSpace::Shared, to, bytes, true);
  uint32_t active = warp.active;
  warp.active = reading;
  countRequest(warp, instruction, StateSpace::Global, from, bytes, false);
  warp.active = active;
}

static void decodeCopy(InstructionDecoder &decoder) {
  decoder.require(80);
  int level = decoder.takeOneOf({"ca", "cg"});
  bool isShared = decoder.take("shared") || decoder.take("shared::cta");
  if (level < 0 || !isShared || !decoder.take("global"))
    return decoder.fail("expected .ca or .cg, .shared and .global");
  decoder.dropHints();
  decoder.expectOperands(3, 4);
  decoder.readAddress(0);
  decoder.readAddress(1, 1);
  uint64_t bytes = decoder.readImmediate(2);
  if (bytes != 16 && (level == 1 || (bytes != 4 && bytes != 8)))
    return decoder.fail("copies have 16 bytes, with .ca also 4 or 8");
  decoder.result.modifiers[0] = bytes;
  if (decoder.numOperands() == 4) {
    bool isPredicate = decoder.isPredicate(3);
    decoder.result.modifiers[isPredicate ? 2 : 1] = 1;
    if (isPredicate)
      decoder.readPredicate(3);
    else
      decoder.read(3, 32);
  }
  decoder.access(StateSpace::Shared, bytes);
  // Less may be read, where there is a source size: GlobalMemory rounds that up to whole pieces.
  decoder.access(StateSpace::Global, bytes);
  decoder.execute(executeCopy);
}

static void decodeCommit(InstructionDecoder &decoder) {
  decoder.require(80);
  decoder.expectOperands(0);
  decoder.execute([](Warp &warp, const Instruction &) { warp.copies.commit(warp.active); });
}

static void decodeWait(InstructionDecoder &decoder) {
  decoder.require(80);
  decoder.expectOperands(1);
  decoder.result.modifiers[0] = decoder.readImmediate(0);
  decoder.execute([](Warp &warp, const Instruction &instruction) {
    warp.copies.wait(warp, warp.active, instruction.modifiers[0]);
  });
}

static void decodeWaitAll(InstructionDecoder &decoder) {
  decoder.require(80);
  decoder.expectOperands(0);
  decoder.execute([](Warp &warp, const Instruction &) { warp.copies.waitAll(warp, warp.active); });
}

void quantopt::ptx::addAsyncInstructions(InstructionTable &table) {
  table.add("cp.async", decodeCopy);
  table.add("cp.async.commit_group", decodeCommit);
  table.add("cp.async.wait_group", decodeWait);
  table.add("cp.async.wait_all", decodeWaitAll);
}
