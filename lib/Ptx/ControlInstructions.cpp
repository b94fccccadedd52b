//===- ControlInstructions.cpp - branches, exits, barriers ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InstructionTable.h"
#include "MemoryAccess.h"

using namespace quantopt::ptx;

using Flow = Instruction::Flow;

static void decodeBranch(InstructionDecoder &decoder) {
  decoder.take("uni");
  decoder.expectOperands(1);
  decoder.readLabel(0);
  decoder.result.flow = Flow::Branch;
  decoder.execute([](Warp &warp, const Instruction &instruction) {
    warp.branch(warp.active, instruction.target, instruction.reconvergence);
  });
}

static void decodeExit(InstructionDecoder &decoder) {
  decoder.take("uni");
  decoder.expectOperands(0);
  decoder.result.flow = Flow::Exit;
  decoder.execute([](Warp &warp, const Instruction &) { warp.exit(warp.active); });
}

/// Somebody else may run meanwhile.
static void decodeNanosleep(InstructionDecoder &decoder) {
  decoder.require(70);
  decoder.take("u32");
  decoder.expectOperands(1);
  decoder.read(0, 32);
  decoder.execute([](Warp &warp, const Instruction &) { warp.yields = true; });
}

static void decodeTrap(InstructionDecoder &decoder) {
  decoder.expectOperands(0);
  decoder.result.flow = Flow::Exit;
  decoder.execute([](Warp &warp, const Instruction &) { warp.fail(warp.active, "trap"); });
}

//===----------------------------------------------------------------------------===//
// Barriers of CTAs. modifiers: 0 the reduction (1 popc, 2 and, 3 or), 1 waits, 2 has a number of threads.
//===----------------------------------------------------------------------------===//

/// A value that all active lanes must share.
static bool uniformValue(Warp &warp, const Operand &operand, uint32_t &value) {
  const uint32_t *row = warp.source<uint32_t>(operand);
  value = row[llvm::countr_zero(warp.active)];
  uint32_t different = 0;
  forEachLane(warp.active, [&](unsigned lane) { different |= uint32_t(row[lane] != value) << lane; });
  if (different)
    warp.fail(different, "lanes disagree about the barrier");
  return !different;
}

static void executeBarrier(Warp &warp, const Instruction &instruction) {
  unsigned reduction = instruction.modifiers[0], first = reduction ? 1 : 0;
  uint32_t number, threads = 0;
  if (warp.active != warp.alive())
    return warp.fail(warp.alive() & ~warp.active,
                     "only a part of the warp reaches the barrier; the lanes named do not");
  if (!uniformValue(warp, instruction.operands[first], number) ||
      (instruction.modifiers[2] && !uniformValue(warp, instruction.operands[first + 1], threads)))
    return;
  if (reduction)
    return warp.block.reduceAtBarrier(warp, number, threads, warp.predicate(instruction.operands.back()));
  warp.block.arriveAtBarrier(warp, number, threads, instruction.modifiers[1]);
}

/// bar{.cta} and barrier{.cta}: the first is always aligned.
static void decodeBarrier(InstructionDecoder &decoder) {
  decoder.take("cta");
  decoder.take("aligned");
  int kind = decoder.takeOneOf({"sync", "arrive", "red"});
  if (kind < 0)
    return decoder.fail("expected .sync, .arrive or .red");
  decoder.result.modifiers[1] = kind != 1;
  decoder.execute(executeBarrier);
  unsigned i = 0;
  if (kind == 2) {
    int reduction = decoder.takeOneOf({"popc", "and", "or"});
    ScalarType type = decoder.takeType();
    if (reduction < 0 || type != (reduction == 0 ? ScalarType::U32 : ScalarType::Pred))
      return decoder.fail("expected .popc.u32, .and.pred or .or.pred");
    decoder.result.modifiers[0] = reduction + 1;
    if (reduction == 0)
      decoder.write(i++, 32);
    else
      decoder.writePredicate(i++);
  }
  unsigned last = decoder.numOperands() - (kind == 2);
  decoder.read(i++, 32);
  if (i < last) {
    decoder.result.modifiers[2] = 1;
    decoder.read(i++, 32);
  } else if (kind == 1) {
    return decoder.fail("expected the number of threads");
  }
  if (kind == 2)
    decoder.readPredicate(i++);
  decoder.expectOperands(i);
}

//===----------------------------------------------------------------------------===//
// Barriers of warps
//===----------------------------------------------------------------------------===//

static void executeWarpSync(Warp &warp, const Instruction &instruction) {
  const uint32_t *masks = warp.source<uint32_t>(instruction.operands[0]);
  uint32_t missing = 0, mask = 0;
  forEachLane(warp.active, [&](unsigned lane) {
    mask |= masks[lane];
    missing |= masks[lane] & warp.alive() & ~warp.active;
    missing |= uint32_t(!(masks[lane] >> lane & 1)) << lane;
  });
  if (missing)
    return warp.fail(missing, "the lanes named are in the mask but elsewhere, or here but not in their mask");
  warp.syncLanes(mask & warp.active);
}

static void decodeWarpSync(InstructionDecoder &decoder) {
  decoder.expectOperands(1);
  decoder.read(0, 32);
  decoder.execute(executeWarpSync);
}

void quantopt::ptx::addControlInstructions(InstructionTable &table) {
  table.add("bra", decodeBranch);
  table.add("ret", decodeExit);
  table.add("exit", decodeExit);
  table.add("trap", decodeTrap);
  table.add("nanosleep", decodeNanosleep);
  table.add("bar", decodeBarrier);
  table.add("barrier", decodeBarrier);
  table.add("bar.warp.sync", decodeWarpSync);
}
