//===- AtomicInstructions.cpp - atom and red, fences ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatInstructions.h"
#include "MemoryAccess.h"
#include <cstring>

using namespace quantopt::ptx;

namespace {

enum class AtomicOperation { And, Or, Xor, Exchange, CompareAndSwap, Add, Increment, Decrement, Minimum, Maximum };

} // namespace

static uint64_t combine(AtomicOperation operation, ScalarType type, uint64_t old, uint64_t b, uint64_t c) {
  using Op = AtomicOperation;
  uint32_t old32 = old, b32 = b;
  switch (operation) {
  case Op::And:
    return old & b;
  case Op::Or:
    return old | b;
  case Op::Xor:
    return old ^ b;
  case Op::Exchange:
    return b;
  case Op::CompareAndSwap:
    return old == b ? c : old;
  case Op::Increment:
    return old32 >= b32 ? 0 : old32 + 1;
  case Op::Decrement:
    return old32 == 0 || old32 > b32 ? b32 : old32 - 1;
  default:
    break;
  }
  if (std::optional<FloatFormat> format = floatFormat(type)) {
    auto compute = [&](uint64_t x, uint64_t y) {
      return operation == Op::Add       ? addFloats(*format, x, y, FloatMode())
             : operation == Op::Minimum ? minimumFloat(*format, x, y, FloatMode())
                                        : maximumFloat(*format, x, y, FloatMode());
    };
    return isPacked(type) ? onHalves(old, b, compute) : compute(old, b);
  }
  if (operation == Op::Add)
    return old + b;
  bool isLess = compareIntegers(Comparison::Lt, *integerFormat(type), old, b);
  return isLess == (operation == Op::Minimum) ? old : b;
}

// modifiers: 0 space, 1 operation, 2 type, 3 whether there is a result.
static void executeAtomic(Warp &warp, const Instruction &instruction) {
  StateSpace space = StateSpace(instruction.modifiers[0]);
  AtomicOperation operation = AtomicOperation(instruction.modifiers[1]);
  ScalarType type = ScalarType(instruction.modifiers[2]);
  unsigned bytes = bitsOf(type) / 8, first = instruction.modifiers[3];
  uint64_t addresses[warpSize];
  warp.addresses(instruction.address, addresses);
  warp.block.shared.beginInstruction();
  for (uint32_t lanes = warp.active; lanes; lanes &= lanes - 1) {
    unsigned lane = llvm::countr_zero(lanes);
    std::lock_guard<std::mutex> lock(warp.block.context.global.atomicMutex());
    uint8_t *place = atomicLane(warp, space, lane, addresses[lane], bytes);
    if (!place)
      return;
    uint64_t old = 0, b = warp.value(instruction.operands[first], lane);
    uint64_t c = operation == AtomicOperation::CompareAndSwap ? warp.value(instruction.operands[first + 1], lane) : 0;
    std::memcpy(&old, place, bytes);
    uint64_t result = combine(operation, type, old, b, c);
    std::memcpy(place, &result, bytes);
    if (first)
      warp.setValue(instruction.operands[0], lane, old);
  }
  countRequest(warp, instruction, space, addresses, bytes, true);
  warp.yields = true;
}

/// atom returns the old value, red does not.
template <bool HasResult> static void decodeAtomic(InstructionDecoder &decoder) {
  StateSpace space = decoder.takeSpace();
  decoder.takeOneOf({"relaxed", "acquire", "release", "acq_rel"});
  decoder.takeOneOf({"cta", "cluster", "gpu", "sys"});
  decoder.dropHints();
  decoder.take("noftz");
  int operation = decoder.takeOneOf({"and", "or", "xor", "exch", "cas", "add", "inc", "dec", "min", "max"});
  ScalarType type = decoder.takeType();
  if (operation < 0 || bitsOf(type) < 16 || bitsOf(type) > 64)
    return decoder.fail("expected an operation, and a type of 16 to 64 bits");
  bool isSwap = AtomicOperation(operation) == AtomicOperation::CompareAndSwap;
  decoder.result.modifiers = {uint32_t(space), uint32_t(operation), uint32_t(type), HasResult, 0, 0};
  decoder.access(space, bitsOf(type) / 8);
  unsigned i = 0;
  decoder.expectOperands(2 + HasResult + isSwap);
  if (HasResult)
    decoder.write(i++, bitsOf(type));
  decoder.readAddress(i++);
  decoder.read(i++, bitsOf(type));
  if (isSwap)
    decoder.read(i, bitsOf(type));
  decoder.execute(executeAtomic);
}

/// Fences order nothing by themselves here: barriers do, and CTAs of a launch stay unordered.
static void decodeFence(InstructionDecoder &decoder) {
  decoder.takeOneOf({"sc", "acq_rel", "acquire", "release"});
  decoder.takeOneOf({"cta", "cluster", "gpu", "gl", "sys"});
  decoder.expectOperands(0);
  decoder.execute([](Warp &, const Instruction &) {});
}

void quantopt::ptx::addAtomicInstructions(InstructionTable &table) {
  table.add("atom", decodeAtomic<true>);
  table.add("red", decodeAtomic<false>);
  table.add("fence", decodeFence);
  table.add("membar", decodeFence);
}
