//===- WarpInstructions.cpp - exchanges between lanes --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InstructionTable.h"
#include "Warp.h"

using namespace quantopt::ptx;

/// Checks a member mask: every lane named by an active lane takes part here, and every active lane is in its mask.
/// Lanes that have exited do not count.
static bool checkMembers(Warp &warp, const Operand &operand) {
  const uint32_t *masks = warp.source<uint32_t>(operand);
  uint32_t missing = 0, outside = 0;
  forEachLane(warp.active, [&](unsigned lane) {
    missing |= masks[lane] & ~warp.active;
    outside |= uint32_t(!(masks[lane] >> lane & 1)) << lane;
  });
  if (missing)
    warp.fail(missing, "the member mask names lanes that are not here");
  else if (outside)
    warp.fail(outside, "lanes are here that the member mask does not name");
  return !missing && !outside;
}

//===----------------------------------------------------------------------------===//
// shfl. Operands: result, predicate, value, lane or offset, clamp and segment, members. modifiers[0]: the mode.
//===----------------------------------------------------------------------------===//

static void executeShuffle(Warp &warp, const Instruction &instruction) {
  enum Mode : uint32_t { Up, Down, Butterfly, Index };
  if (!checkMembers(warp, instruction.operands[5]))
    return;
  const uint32_t *values = warp.source<uint32_t>(instruction.operands[2]),
                 *offsets = warp.source<uint32_t>(instruction.operands[3]),
                 *clamps = warp.source<uint32_t>(instruction.operands[4]);
  uint32_t results[warpSize], inRange = 0;
  uint32_t unread = 0;
  forEachLane(warp.active, [&](unsigned lane) {
    int offset = offsets[lane] & 31, clamp = clamps[lane] & 31, segment = clamps[lane] >> 8 & 31;
    int most = (int(lane) & segment) | (clamp & ~segment), least = int(lane) & segment;
    int from = 0;
    bool isInRange = false;
    switch (instruction.modifiers[0]) {
    case Up:
      from = int(lane) - offset;
      isInRange = from >= most;
      break;
    case Down:
      from = int(lane) + offset;
      isInRange = from <= most;
      break;
    case Butterfly:
      from = int(lane) ^ offset;
      isInRange = from <= most;
      break;
    case Index:
      from = least | (offset & ~segment);
      isInRange = from <= most;
      break;
    }
    if (!isInRange)
      from = lane;
    unread |= uint32_t(!(warp.active >> from & 1)) << from;
    results[lane] = values[from];
    inRange |= uint32_t(isInRange) << lane;
  });
  if (unread)
    return warp.fail(unread, "a lane's value is asked for that does not take part");
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = results[lane]; });
  warp.setPredicate(instruction.operands[1], inRange);
}

static void decodeShuffle(InstructionDecoder &decoder) {
  int mode = decoder.takeOneOf({"up", "down", "bfly", "idx"});
  if (mode < 0 || !decoder.take("b32"))
    return decoder.fail("expected .up, .down, .bfly or .idx, and .b32");
  decoder.result.modifiers[0] = mode;
  decoder.expectOperands(5);
  decoder.writeWithPredicate(0, 32);
  for (unsigned i = 1; i <= 4; ++i)
    decoder.read(i, 32);
  decoder.execute(executeShuffle);
}

//===----------------------------------------------------------------------------===//
// vote, match, redux, activemask, elect
//===----------------------------------------------------------------------------===//

static void executeVote(Warp &warp, const Instruction &instruction) {
  enum Mode : uint32_t { All, Any, Uniform, Ballot };
  if (!checkMembers(warp, instruction.operands[2]))
    return;
  uint32_t holding = warp.predicate(instruction.operands[1]) & warp.active;
  uint32_t mode = instruction.modifiers[0];
  if (mode == Ballot) {
    // Lanes of different masks vote apart.
    const uint32_t *masks = warp.source<uint32_t>(instruction.operands[2]);
    uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
    return forEachLane(warp.active, [&](unsigned lane) { result[lane] = holding & masks[lane]; });
  }
  const uint32_t *masks = warp.source<uint32_t>(instruction.operands[2]);
  uint32_t result = 0;
  forEachLane(warp.active, [&](unsigned lane) {
    uint32_t members = masks[lane], votes = holding & members;
    bool holds = mode == All ? votes == members : mode == Any ? votes != 0 : votes == members || votes == 0;
    result |= uint32_t(holds) << lane;
  });
  warp.setPredicate(instruction.operands[0], result);
}

static void decodeVote(InstructionDecoder &decoder) {
  int mode = decoder.takeOneOf({"all", "any", "uni", "ballot"});
  bool isBallot = mode == 3;
  if (mode < 0 || !decoder.take(isBallot ? "b32" : "pred"))
    return decoder.fail("expected .all, .any or .uni with .pred, or .ballot.b32");
  decoder.result.modifiers[0] = mode;
  decoder.expectOperands(3);
  if (isBallot)
    decoder.write(0, 32);
  else
    decoder.writePredicate(0);
  decoder.readPredicate(1);
  decoder.read(2, 32);
  decoder.execute(executeVote);
}

/// match.any: which members hold my value; match.all: all members if they agree, else none, and whether they do.
static void executeMatch(Warp &warp, const Instruction &instruction) {
  if (!checkMembers(warp, instruction.operands[3]))
    return;
  const uint32_t *masks = warp.source<uint32_t>(instruction.operands[3]);
  uint32_t results[warpSize], agree = 0;
  forEachLane(warp.active, [&](unsigned lane) {
    uint32_t same = 0;
    uint64_t own = warp.value(instruction.operands[2], lane);
    forEachLane(masks[lane],
                [&](unsigned other) { same |= uint32_t(warp.value(instruction.operands[2], other) == own) << other; });
    bool all = same == masks[lane];
    results[lane] = instruction.modifiers[0] && !all ? 0 : same;
    agree |= uint32_t(all) << lane;
  });
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = results[lane]; });
  warp.setPredicate(instruction.operands[1], agree);
}

static void decodeMatch(InstructionDecoder &decoder) {
  int mode = decoder.takeOneOf({"any", "all"});
  if (mode < 0)
    return decoder.fail("expected .any or .all");
  decoder.result.modifiers[0] = mode;
  decoder.expectOperands(3);
  decoder.writeWithPredicate(0, 32);
  decoder.read(1, bitsOf(decoder.takeType()));
  decoder.read(2, 32);
  decoder.execute(executeMatch);
}

static uint32_t reduce(unsigned operation, bool isSignedType, uint32_t a, uint32_t b) {
  enum Operation : unsigned { AddUp, Minimum, Maximum, And, Or, Xor };
  switch (operation) {
  case AddUp:
    return a + b;
  case Minimum:
    return isSignedType ? uint32_t(std::min(int32_t(a), int32_t(b))) : std::min(a, b);
  case Maximum:
    return isSignedType ? uint32_t(std::max(int32_t(a), int32_t(b))) : std::max(a, b);
  case And:
    return a & b;
  case Or:
    return a | b;
  default:
    return a ^ b;
  }
}

static void executeRedux(Warp &warp, const Instruction &instruction) {
  if (!checkMembers(warp, instruction.operands[2]))
    return;
  const uint32_t *values = warp.source<uint32_t>(instruction.operands[1]),
                 *masks = warp.source<uint32_t>(instruction.operands[2]);
  uint32_t results[warpSize];
  forEachLane(warp.active, [&](unsigned lane) {
    uint32_t members = masks[lane];
    uint32_t sum = values[llvm::countr_zero(members)];
    forEachLane(members & (members - 1), [&](unsigned other) {
      sum = reduce(instruction.modifiers[0], instruction.modifiers[1], sum, values[other]);
    });
    results[lane] = sum;
  });
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = results[lane]; });
}

static void decodeRedux(InstructionDecoder &decoder) {
  decoder.require(80);
  int operation = decoder.takeOneOf({"add", "min", "max", "and", "or", "xor"});
  ScalarType type = decoder.takeType();
  if (operation < 0 || bitsOf(type) != 32 || isFloat(type))
    return decoder.fail("expected an operation and a 32-bit integer type");
  decoder.result.modifiers[0] = operation;
  decoder.result.modifiers[1] = isSigned(type);
  decoder.expectOperands(3);
  decoder.write(0, 32);
  decoder.read(1, 32);
  decoder.read(2, 32);
  decoder.execute(executeRedux);
}

static void decodeActivemask(InstructionDecoder &decoder) {
  decoder.take("b32");
  decoder.expectOperands(1);
  decoder.write(0, 32);
  decoder.execute([](Warp &warp, const Instruction &instruction) {
    uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
    forEachLane(warp.active, [&](unsigned lane) { result[lane] = warp.active; });
  });
}

/// The lowest member is elected.
static void decodeElect(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.expectOperands(2);
  decoder.writeWithPredicate(0, 32);
  decoder.read(1, 32);
  decoder.execute([](Warp &warp, const Instruction &instruction) {
    if (!checkMembers(warp, instruction.operands[2]))
      return;
    uint32_t leader = llvm::countr_zero(warp.active);
    uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
    forEachLane(warp.active, [&](unsigned lane) { result[lane] = leader; });
    warp.setPredicate(instruction.operands[1], 1u << leader);
  });
}

void quantopt::ptx::addWarpInstructions(InstructionTable &table) {
  table.add("shfl.sync", decodeShuffle);
  table.add("vote.sync", decodeVote);
  table.add("match", decodeMatch);
  table.add("redux.sync", decodeRedux);
  table.add("activemask", decodeActivemask);
  table.add("elect.sync", decodeElect);
}
