//===- MemoryInstructions.cpp - loads, stores, address conversions -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InstructionTable.h"
#include "MemoryAccess.h"
#include <cstring>

using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// ld and st. modifiers: 0 space, 1 bytes of an element, 2 elements, 3 sign-extends, 4 strong.
//===----------------------------------------------------------------------------===//

namespace {

/// A lane's vector: up to 8 elements, 32 bytes.
struct LaneBytes {
  alignas(16) uint8_t bytes[32];

  uint64_t element(unsigned i, unsigned size) const {
    uint64_t value = 0;
    std::memcpy(&value, bytes + i * size, size);
    return value;
  }
  void setElement(unsigned i, unsigned size, uint64_t value) { std::memcpy(bytes + i * size, &value, size); }
};

} // namespace

/// Elements of 128 bits are two words of 64.
static void putElement(Warp &warp, const Operand &operand, unsigned lane, const LaneBytes &data, unsigned i,
                       unsigned size, bool isSignExtended) {
  if (size == 16) {
    uint64_t *row = warp.destination<uint64_t>(operand);
    row[lane] = data.element(2 * i, 8);
    row[warpSize + lane] = data.element(2 * i + 1, 8);
    return;
  }
  uint64_t value = data.element(i, size);
  if (isSignExtended)
    value = uint64_t(int64_t(value << (64 - 8 * size)) >> (64 - 8 * size));
  warp.setValue(operand, lane, value);
}

static void takeElement(Warp &warp, const Operand &operand, unsigned lane, LaneBytes &data, unsigned i, unsigned size) {
  if (size != 16)
    return data.setElement(i, size, warp.value(operand, lane));
  const uint64_t *row = warp.source<uint64_t>(operand);
  data.setElement(2 * i, 8, row[lane]);
  data.setElement(2 * i + 1, 8, row[warpSize + lane]);
}

static void executeLoad(Warp &warp, const Instruction &instruction) {
  auto [space, size, count, isSignExtended, isStrong, unused] = instruction.modifiers;
  uint64_t addresses[warpSize];
  warp.addresses(instruction.address, addresses);
  unsigned bytes = size * count;
  LaneBytes data;
  // Strong reads see an atomic access whole.
  std::unique_lock<std::mutex> lock(warp.block.context.global.atomicMutex(), std::defer_lock);
  for (uint32_t lanes = warp.active; lanes; lanes &= lanes - 1) {
    unsigned lane = llvm::countr_zero(lanes);
    if (isStrong)
      lock.lock();
    bool isLoaded = loadLane(warp, StateSpace(space), lane, addresses[lane], bytes, data.bytes, isStrong);
    if (isStrong)
      lock.unlock();
    if (!isLoaded)
      return;
    for (unsigned i = 0; i < count; ++i)
      putElement(warp, instruction.operands[i], lane, data, i, size, isSignExtended);
  }
  countRequest(warp, instruction, StateSpace(space), addresses, bytes, false);
  // Whoever polls lets others run.
  warp.yields |= isStrong;
}

static void executeStore(Warp &warp, const Instruction &instruction) {
  auto [space, size, count, unused, isStrong, alsoUnused] = instruction.modifiers;
  uint64_t addresses[warpSize];
  warp.addresses(instruction.address, addresses);
  unsigned bytes = size * count;
  LaneBytes data;
  warp.block.shared.beginInstruction();
  for (uint32_t lanes = warp.active; lanes; lanes &= lanes - 1) {
    unsigned lane = llvm::countr_zero(lanes);
    for (unsigned i = 0; i < count; ++i)
      takeElement(warp, instruction.operands[i], lane, data, i, size);
    if (isStrong) {
      std::lock_guard<std::mutex> lock(warp.block.context.global.atomicMutex());
      uint8_t *place = atomicLane(warp, StateSpace(space), lane, addresses[lane], bytes, false);
      if (!place)
        return;
      std::memcpy(place, data.bytes, bytes);
    } else if (!storeLane(warp, StateSpace(space), lane, addresses[lane], bytes, data.bytes)) {
      return;
    }
  }
  countRequest(warp, instruction, StateSpace(space), addresses, bytes, true);
}

/// Modifiers that ld and st share; returns the elements.
static unsigned decodeAccess(InstructionDecoder &decoder) {
  StateSpace space = decoder.takeSpace();
  decoder.dropHints();
  bool isStrong = decoder.takeOneOf({"volatile", "relaxed", "acquire", "release"}) >= 0;
  decoder.takeOneOf({"cta", "cluster", "gpu", "sys"});
  int vector = decoder.takeOneOf({"v2", "v4", "v8"});
  unsigned count = 1u << (vector + 1);
  ScalarType type = decoder.takeType();
  unsigned size = bitsOf(type) / 8;
  if (type == ScalarType::Pred || isFloat(type) * (type == ScalarType::F16x2 || type == ScalarType::BF16x2))
    decoder.fail("memory holds no values of this type");
  if (size * count > 16 && (size * count > 32 || space != StateSpace::Global || decoder.target() < 100))
    decoder.fail("more than 16 bytes a thread");
  decoder.result.modifiers = {uint32_t(space), size, count, isSigned(type), isStrong, 0};
  decoder.access(space, std::max(size * count, 1u));
  return count;
}

static void decodeLoad(InstructionDecoder &decoder) {
  unsigned count = decodeAccess(decoder), bits = 8 * decoder.result.modifiers[1];
  decoder.expectOperands(2);
  decoder.writeVector(0, count, bits, true);
  decoder.readAddress(1);
  decoder.execute(executeLoad);
}

static void decodeStore(InstructionDecoder &decoder) {
  unsigned count = decodeAccess(decoder), bits = 8 * decoder.result.modifiers[1];
  StateSpace space = StateSpace(decoder.result.modifiers[0]);
  if (space == StateSpace::Const || space == StateSpace::Param)
    return decoder.fail("this space cannot be written");
  decoder.expectOperands(2);
  decoder.readAddress(0);
  decoder.readVector(1, count, bits, true);
  decoder.execute(executeStore);
}

//===----------------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------------===//

static uint64_t windowOf(StateSpace space) {
  switch (space) {
  case StateSpace::Shared:
    return sharedWindow;
  case StateSpace::Param:
    return paramWindow;
  default:
    return 0;
  }
}

/// cvta: modifiers[0] and [1] are the two halves of what is added.
static void executeCvta(Warp &warp, const Instruction &instruction) {
  uint64_t offset = uint64_t(instruction.modifiers[1]) << 32 | instruction.modifiers[0];
  forEachLane(warp.active, [&](unsigned lane) {
    warp.setValue(instruction.operands[0], lane, warp.value(instruction.operands[1], lane) + offset);
  });
}

static void decodeCvta(InstructionDecoder &decoder) {
  bool isToSpace = decoder.take("to");
  StateSpace space = decoder.takeSpace();
  if (space == StateSpace::Generic)
    return decoder.fail("expected a state space");
  unsigned bits = bitsOf(decoder.takeType());
  if (bits != 64)
    return decoder.fail("addresses have 64 bits");
  uint64_t offset = isToSpace ? -windowOf(space) : windowOf(space);
  decoder.result.modifiers[0] = uint32_t(offset);
  decoder.result.modifiers[1] = offset >> 32;
  decoder.expectOperands(2);
  decoder.write(0, bits);
  decoder.read(1, bits);
  decoder.execute(executeCvta);
}

static void executeIsspacep(Warp &warp, const Instruction &instruction) {
  StateSpace wanted = StateSpace(instruction.modifiers[0]);
  uint32_t mask = 0;
  forEachLane(warp.active, [&](unsigned lane) {
    uint64_t address = warp.value(instruction.operands[1], lane);
    mask |= uint32_t(resolve(StateSpace::Generic, address) == wanted) << lane;
  });
  warp.setPredicate(instruction.operands[0], mask);
}

static void decodeIsspacep(InstructionDecoder &decoder) {
  decoder.result.modifiers[0] = uint32_t(decoder.takeSpace());
  decoder.expectOperands(2);
  decoder.writePredicate(0);
  decoder.read(1, 64);
  decoder.execute(executeIsspacep);
}

/// Hints for caches: nothing happens.
static void decodePrefetch(InstructionDecoder &decoder) {
  decoder.takeSpace();
  decoder.takeOneOf({"L1", "L2"});
  decoder.dropHints();
  decoder.expectOperands(1);
  decoder.readAddress(0);
  decoder.execute([](Warp &, const Instruction &) {});
}

/// Policies of caches: any value will do.
static void decodeCreatepolicy(InstructionDecoder &decoder) {
  decoder.require(80);
  decoder.dropHints();
  if (!decoder.take("b64"))
    return decoder.fail("expected .b64");
  decoder.expectOperands(1, 2);
  decoder.write(0, 64);
  if (decoder.numOperands() == 2)
    decoder.read(1, 32);
  decoder.execute([](Warp &warp, const Instruction &instruction) {
    forEachLane(warp.active, [&](unsigned lane) { warp.setValue(instruction.operands[0], lane, 0); });
  });
}

void quantopt::ptx::addMemoryInstructions(InstructionTable &table) {
  table.add("ld", decodeLoad);
  table.add("ldu", decodeLoad);
  table.add("st", decodeStore);
  table.add("cvta", decodeCvta);
  table.add("isspacep", decodeIsspacep);
  table.add("prefetch", decodePrefetch);
  table.add("createpolicy.fractional", decodeCreatepolicy);
  table.add("prefetchu", decodePrefetch);
}
