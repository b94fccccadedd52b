//===- ConversionInstructions.cpp - mov and cvt --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatInstructions.h"
#include "Warp.h"

using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// cvt. modifiers: 0 the mode, 1 and 2 the types, 3 rounds to an integer.
//===----------------------------------------------------------------------------===//

static uint64_t convert(ScalarType to, ScalarType from, uint64_t bits, const FloatMode &mode, bool toIntegral) {
  std::optional<FloatFormat> toFloat = floatFormat(to), fromFloat = floatFormat(from);
  if (toFloat && fromFloat)
    return convertFloat(*toFloat, *fromFloat, bits, mode, toIntegral);
  if (toFloat)
    return convertFromInteger(*toFloat, *integerFormat(from), bits, mode);
  if (fromFloat)
    return convertToInteger(*integerFormat(to), *fromFloat, bits, mode);
  return convertInteger(*integerFormat(to), *integerFormat(from), bits, mode.saturate);
}

static void executeCvt(Warp &warp, const Instruction &instruction) {
  FloatMode mode = floatMode(instruction);
  ScalarType to = ScalarType(instruction.modifiers[1]), from = ScalarType(instruction.modifiers[2]);
  forEachLane(warp.active, [&](unsigned lane) {
    warp.setValue(instruction.operands[0], lane,
                  convert(to, from, warp.value(instruction.operands[1], lane), mode, instruction.modifiers[3]));
  });
}

/// The frequent ones, without looking at types in the loop.
template <typename To, typename From> static void executeWiden(Warp &warp, const Instruction &instruction) {
  To *result = warp.destination<To>(instruction.operands[0]);
  const From *a = warp.source<From>(instruction.operands[1]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = To(a[lane]); });
}

static void executeIntegerToSingle(Warp &warp, const Instruction &instruction) {
  float *result = warp.destination<float>(instruction.operands[0]);
  const int32_t *a = warp.source<int32_t>(instruction.operands[1]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = float(a[lane]); });
}

static Execute findFastConversion(const Instruction &instruction, ScalarType to, ScalarType from) {
  bool isExact = instruction.operands[0].bits == bitsOf(to) && instruction.operands[1].bits == bitsOf(from);
  if (!isExact || instruction.modifiers[0] != 0)
    return nullptr;
  using T = ScalarType;
  if (to == T::F32 && from == T::S32)
    return executeIntegerToSingle;
  if ((to == T::U64 || to == T::S64) && from == T::U32)
    return executeWiden<uint64_t, uint32_t>;
  if ((to == T::U64 || to == T::S64) && from == T::S32)
    return executeWiden<int64_t, int32_t>;
  if ((to == T::U32 || to == T::S32) && (from == T::U64 || from == T::S64))
    return executeWiden<uint32_t, uint64_t>;
  if ((to == T::U32 || to == T::S32) && from == T::U16)
    return executeWiden<uint32_t, uint16_t>;
  if ((to == T::U32 || to == T::S32) && from == T::S16)
    return executeWiden<int32_t, int16_t>;
  if ((to == T::U16 || to == T::S16) && (from == T::U32 || from == T::S32))
    return executeWiden<uint16_t, uint32_t>;
  return nullptr;
}

static void executePair(Warp &warp, const Instruction &instruction) {
  FloatMode mode = floatMode(instruction);
  FloatFormat to = FloatFormat(instruction.modifiers[1]);
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const uint32_t *high = warp.source<uint32_t>(instruction.operands[1]),
                 *low = warp.source<uint32_t>(instruction.operands[2]);
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = convertPair(to, high[lane], low[lane], mode); });
}

static void decodePair(InstructionDecoder &decoder, ScalarType to) {
  decoder.require(80);
  if (decoder.takeType() != ScalarType::F32)
    return decoder.fail("expected a conversion from .f32");
  decoder.result.modifiers[1] = unsigned(*floatFormat(to));
  decoder.execute(executePair);
  decoder.expectOperands(3);
  decoder.write(0, 32);
  decoder.read(1, 32);
  decoder.read(2, 32);
}

static void executeTf32(Warp &warp, const Instruction &instruction) {
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const uint32_t *a = warp.source<uint32_t>(instruction.operands[1]);
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = convertToTf32(a[lane]); });
}

static void decodeCvt(InstructionDecoder &decoder) {
  int integral = decoder.takeOneOf({"rni", "rzi", "rmi", "rpi"});
  if (decoder.take("rna")) {
    if (!decoder.take("tf32") || !decoder.take("f32"))
      return decoder.fail("expected .rna.tf32.f32");
    decoder.execute(executeTf32);
    decoder.expectOperands(2);
    decoder.write(0, 32);
    decoder.read(1, 32);
    return;
  }
  bool isRounded = llvm::any_of(decoder.remaining(), [](llvm::StringRef modifier) {
    return modifier == "rn" || modifier == "rz" || modifier == "rm" || modifier == "rp";
  });
  takeFloatMode(decoder);
  if (integral >= 0)
    decoder.result.modifiers[0] |= integral;
  ScalarType to = decoder.takeType();
  if (isPacked(to))
    return decodePair(decoder, to);
  ScalarType from = decoder.takeType();
  if (to == ScalarType::Pred || from == ScalarType::Pred || isPacked(from) || to == ScalarType::B128 ||
      from == ScalarType::B128)
    return decoder.fail("there is no such conversion");
  // ptxas insists on these too.
  bool narrows = isFloat(to) && (!isFloat(from) || bitsOf(to) < bitsOf(from));
  if (narrows && !isRounded && integral < 0)
    return decoder.fail("expected a rounding: .rn, .rz, .rm or .rp");
  if (!isFloat(to) && isFloat(from) && integral < 0)
    return decoder.fail("expected a rounding: .rni, .rzi, .rmi or .rpi");
  decoder.result.modifiers[1] = unsigned(to);
  decoder.result.modifiers[2] = unsigned(from);
  decoder.result.modifiers[3] = integral >= 0;
  decoder.expectOperands(2);
  decoder.write(0, bitsOf(to), true);
  decoder.read(1, bitsOf(from), true);
  if (decoder.failed())
    return;
  Execute fast = findFastConversion(decoder.result, to, from);
  decoder.execute(fast ? fast : executeCvt);
}

static void executePack(Warp &warp, const Instruction &instruction) {
  IntegerFormat to = {instruction.modifiers[0], instruction.modifiers[1] != 0};
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const int32_t *a = warp.source<int32_t>(instruction.operands[1]), *b = warp.source<int32_t>(instruction.operands[2]);
  const uint32_t *c = instruction.operands.size() > 3 ? warp.source<uint32_t>(instruction.operands[3]) : nullptr;
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = convertPack(to, a[lane], b[lane], c ? c[lane] : 0); });
}

static void decodePack(InstructionDecoder &decoder) {
  static constexpr llvm::StringLiteral types[] = {"s4", "u4", "s2", "u2"};
  static constexpr unsigned widths[] = {4, 4, 2, 2};
  bool isFound = false;
  for (unsigned i = 0; i < std::size(types) && !isFound; ++i)
    if ((isFound = decoder.take(types[i]))) {
      decoder.result.modifiers[0] = widths[i];
      decoder.result.modifiers[1] = types[i][0] == 's';
      decoder.require(75);
    }
  if (!isFound) {
    ScalarType to = decoder.takeType();
    decoder.result.modifiers[0] = bitsOf(to);
    decoder.result.modifiers[1] = isSigned(to);
    if (bitsOf(to) > 16 || isFloat(to))
      return decoder.fail("expected fields of 2, 4, 8 or 16 bits");
  }
  bool hasThird = decoder.result.modifiers[0] < 16;
  if (!decoder.take("sat") || !decoder.take("s32") || (hasThird && !decoder.take("b32")))
    return decoder.fail("expected cvt.pack.sat.TYPE.s32" + llvm::Twine(hasThird ? ".b32" : ""));
  decoder.require(72);
  decoder.execute(executePack);
  decoder.expectOperands(hasThird ? 4 : 3);
  decoder.write(0, 32);
  for (unsigned i = 1; i < decoder.numOperands(); ++i)
    decoder.read(i, 32);
}

//===----------------------------------------------------------------------------===//
// mov
//===----------------------------------------------------------------------------===//

template <typename T> static void executeMove(Warp &warp, const Instruction &instruction) {
  T *result = warp.destination<T>(instruction.operands[0]);
  const T *a = warp.source<T>(instruction.operands[1]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = a[lane]; });
}

static void executeMoveWide(Warp &warp, const Instruction &instruction) {
  uint64_t *result = warp.destination<uint64_t>(instruction.operands[0]);
  const uint64_t *a = warp.source<uint64_t>(instruction.operands[1]);
  forEachLane(warp.active, [=](unsigned lane) {
    result[lane] = a[lane];
    result[warpSize + lane] = a[warpSize + lane];
  });
}

/// A row as words of up to 64 bits: a vector's elements, or the halves of 128 bits.
static uint64_t readWord(Warp &warp, const Operand &operand, unsigned word, unsigned lane) {
  return operand.bits == 128 ? warp.source<uint64_t>(operand)[word * warpSize + lane] : warp.value(operand, lane);
}

/// Elements to one register: the first is lowest.
static void executePackElements(Warp &warp, const Instruction &instruction) {
  const Operand &result = instruction.operands[0];
  unsigned count = instruction.operands.size() - 1, bits = result.bits / count;
  uint64_t mask = bits < 64 ? (uint64_t(1) << bits) - 1 : ~uint64_t(0);
  forEachLane(warp.active, [&](unsigned lane) {
    uint64_t words[2] = {};
    for (unsigned i = 0; i < count; ++i)
      words[i * bits / 64] |= (warp.value(instruction.operands[1 + i], lane) & mask) << (i * bits % 64);
    if (result.bits == 128) {
      warp.destination<uint64_t>(result)[lane] = words[0];
      warp.destination<uint64_t>(result)[warpSize + lane] = words[1];
    } else {
      warp.setValue(result, lane, words[0]);
    }
  });
}

static void executeUnpackElements(Warp &warp, const Instruction &instruction) {
  const Operand &source = instruction.operands.back();
  unsigned count = instruction.operands.size() - 1, bits = source.bits / count;
  forEachLane(warp.active, [&](unsigned lane) {
    uint64_t words[2] = {readWord(warp, source, 0, lane), source.bits == 128 ? readWord(warp, source, 1, lane) : 0};
    for (unsigned i = 0; i < count; ++i)
      warp.setValue(instruction.operands[i], lane, words[i * bits / 64] >> (i * bits % 64));
  });
}

static void decodeMov(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  unsigned bits = bitsOf(type);
  decoder.expectOperands(2);
  if (type == ScalarType::Pred) {
    decoder.writePredicate(0);
    decoder.readPredicate(1);
    return decoder.execute([](Warp &warp, const Instruction &instruction) {
      warp.setPredicate(instruction.operands[0], warp.predicate(instruction.operands[1]));
    });
  }
  if (decoder.isVector(0) || decoder.isVector(1)) {
    unsigned vector = decoder.isVector(0) ? 0 : 1, count = decoder.numElements(vector);
    if ((count != 2 && count != 4) || bits / count < 8)
      return decoder.fail("expected a vector of 2 or 4 elements that fill the other operand");
    if (bits / count == 8)
      return decoder.fail("elements of 8 bits are not supported");
    if (vector == 0) {
      decoder.writeVector(0, count, bits / count);
      decoder.read(1, bits);
      return decoder.execute(executeUnpackElements);
    }
    decoder.write(0, bits);
    decoder.readVector(1, count, bits / count);
    return decoder.execute(executePackElements);
  }
  decoder.write(0, bits);
  decoder.read(1, bits);
  decoder.execute(bits <= 16   ? executeMove<uint16_t>
                  : bits == 32 ? executeMove<uint32_t>
                  : bits == 64 ? executeMove<uint64_t>
                               : executeMoveWide);
}

void quantopt::ptx::addConversionInstructions(InstructionTable &table) {
  table.add("mov", decodeMov);
  table.add("cvt", decodeCvt);
  table.add("cvt.pack", decodePack);
}
