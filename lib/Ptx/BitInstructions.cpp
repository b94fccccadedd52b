//===- BitInstructions.cpp - logic, shifts, bit fields, bytes ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Elementwise.h"
#include "FloatInstructions.h"

using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// Logic
//===----------------------------------------------------------------------------===//

namespace {

struct And {
  template <typename T> static T apply(T a, T b) { return a & b; }
};
struct Or {
  template <typename T> static T apply(T a, T b) { return a | b; }
};
struct Xor {
  template <typename T> static T apply(T a, T b) { return a ^ b; }
};
struct Not {
  template <typename T> static T apply(T a) { return ~a; }
};
struct LogicalNot {
  template <typename T> static T apply(T a) { return a == 0; }
};
struct ReverseBits {
  template <typename T> static T apply(T a) {
    std::make_unsigned_t<T> result = 0;
    for (unsigned i = 0; i < 8 * sizeof(T); ++i)
      result |= std::make_unsigned_t<T>(std::make_unsigned_t<T>(a) >> i & 1) << (8 * sizeof(T) - 1 - i);
    return T(result);
  }
};

} // namespace

static bool isLogic(ScalarType type) {
  return type == ScalarType::B16 || type == ScalarType::B32 || type == ScalarType::B64;
}

template <typename Operation> static void executePredicateBinary(Warp &warp, const Instruction &instruction) {
  warp.setPredicate(instruction.operands[0],
                    Operation::apply(warp.predicate(instruction.operands[1]), warp.predicate(instruction.operands[2])));
}

template <typename Operation> static void decodeLogic(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (type != ScalarType::Pred) {
    if (!isLogic(type))
      return decoder.fail("expected .b16, .b32, .b64 or .pred");
    return decodeBinary<Operation>(decoder, type);
  }
  decoder.execute(executePredicateBinary<Operation>);
  decoder.expectOperands(3);
  decoder.writePredicate(0);
  decoder.readPredicate(1);
  decoder.readPredicate(2);
}

static void decodeNot(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (type != ScalarType::Pred)
    return decodeUnary<Not>(decoder, type);
  decoder.execute([](Warp &warp, const Instruction &instruction) {
    warp.setPredicate(instruction.operands[0], ~warp.predicate(instruction.operands[1]));
  });
  decoder.expectOperands(2);
  decoder.writePredicate(0);
  decoder.readPredicate(1);
}

static void decodeCnot(InstructionDecoder &decoder) { decodeUnary<LogicalNot>(decoder, decoder.takeType()); }
static void decodeBrev(InstructionDecoder &decoder) { decodeUnary<ReverseBits>(decoder, decoder.takeType()); }

/// Shifts: the amount has 32 bits whatever the type.
template <typename T, bool Left> static void executeShift(Warp &warp, const Instruction &instruction) {
  constexpr uint32_t bits = 8 * sizeof(T);
  T *result = warp.destination<T>(instruction.operands[0]);
  const T *a = warp.source<T>(instruction.operands[1]);
  const uint32_t *amounts = warp.source<uint32_t>(instruction.operands[2]);
  forEachLane(warp.active, [=](unsigned lane) {
    uint32_t amount = amounts[lane], inside = amount < bits ? amount : bits - 1;
    if (Left)
      result[lane] = amount < bits ? T(std::make_unsigned_t<T>(a[lane]) << inside) : T(0);
    else
      result[lane] = amount < bits || std::is_signed_v<T> ? T(a[lane] >> inside) : T(0);
  });
}

template <bool Left> static void decodeShift(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  switch (type) {
  case ScalarType::B16:
  case ScalarType::U16:
    decoder.execute(executeShift<uint16_t, Left>);
    break;
  case ScalarType::S16:
    decoder.execute(executeShift<int16_t, Left>);
    break;
  case ScalarType::B32:
  case ScalarType::U32:
    decoder.execute(executeShift<uint32_t, Left>);
    break;
  case ScalarType::S32:
    decoder.execute(executeShift<int32_t, Left>);
    break;
  case ScalarType::B64:
  case ScalarType::U64:
    decoder.execute(executeShift<uint64_t, Left>);
    break;
  case ScalarType::S64:
    decoder.execute(executeShift<int64_t, Left>);
    break;
  default:
    return decoder.fail("the type is not one of this instruction");
  }
  decoder.expectOperands(3);
  decoder.write(0, bitsOf(type));
  decoder.read(1, bitsOf(type));
  decoder.read(2, 32);
}

static void executeFunnelShift(Warp &warp, const Instruction &instruction) {
  bool left = instruction.modifiers[0], clamp = instruction.modifiers[1];
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const uint32_t *low = warp.source<uint32_t>(instruction.operands[1]),
                 *high = warp.source<uint32_t>(instruction.operands[2]),
                 *amount = warp.source<uint32_t>(instruction.operands[3]);
  forEachLane(warp.active,
              [=](unsigned lane) { result[lane] = funnelShift(left, clamp, low[lane], high[lane], amount[lane]); });
}

static void decodeFunnelShift(InstructionDecoder &decoder) {
  int direction = decoder.takeOneOf({"r", "l"}), mode = decoder.takeOneOf({"wrap", "clamp"});
  if (direction < 0 || mode < 0 || !decoder.take("b32"))
    return decoder.fail("expected .l or .r, .wrap or .clamp, and .b32");
  decoder.result.modifiers[0] = direction;
  decoder.result.modifiers[1] = mode;
  decoder.execute(executeFunnelShift);
  decodeRows(decoder, 3, 32);
}

static void executeLop3(Warp &warp, const Instruction &instruction) {
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const uint32_t *a = warp.source<uint32_t>(instruction.operands[1]),
                 *b = warp.source<uint32_t>(instruction.operands[2]),
                 *c = warp.source<uint32_t>(instruction.operands[3]);
  unsigned table = instruction.modifiers[0];
  // The minterms of the table, as masks: no branches in the loop.
  uint32_t terms[8];
  for (unsigned row = 0; row < 8; ++row)
    terms[row] = table >> row & 1 ? ~0u : 0;
  forEachLane(warp.active, [=](unsigned lane) {
    uint32_t x = a[lane], y = b[lane], z = c[lane];
    uint32_t low = (~y & ((~z & terms[0]) | (z & terms[1]))) | (y & ((~z & terms[2]) | (z & terms[3])));
    uint32_t high = (~y & ((~z & terms[4]) | (z & terms[5]))) | (y & ((~z & terms[6]) | (z & terms[7])));
    result[lane] = (~x & low) | (x & high);
  });
}

static void decodeLop3(InstructionDecoder &decoder) {
  if (!decoder.take("b32"))
    return decoder.fail("expected .b32");
  decoder.expectOperands(5);
  decoder.write(0, 32);
  for (unsigned i = 1; i <= 3; ++i)
    decoder.read(i, 32);
  decoder.result.modifiers[0] = decoder.readImmediate(4);
  decoder.execute(executeLop3);
}

//===----------------------------------------------------------------------------===//
// Bit fields, bytes, counting
//===----------------------------------------------------------------------------===//

static void executeBfe(Warp &warp, const Instruction &instruction) {
  IntegerFormat format = {instruction.modifiers[0], instruction.modifiers[1] != 0};
  const uint32_t *position = warp.source<uint32_t>(instruction.operands[2]),
                 *length = warp.source<uint32_t>(instruction.operands[3]);
  forEachLane(warp.active, [&](unsigned lane) {
    warp.setValue(instruction.operands[0], lane,
                  extractBits(format, warp.value(instruction.operands[1], lane), position[lane], length[lane]));
  });
}

static void decodeBfe(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  unsigned bits = bitsOf(type);
  decoder.result.modifiers[0] = bits;
  decoder.result.modifiers[1] = isSigned(type);
  decoder.execute(executeBfe);
  decoder.expectOperands(4);
  decoder.write(0, bits);
  decoder.read(1, bits);
  decoder.read(2, 32);
  decoder.read(3, 32);
}

static void executeBfi(Warp &warp, const Instruction &instruction) {
  const uint32_t *position = warp.source<uint32_t>(instruction.operands[3]),
                 *length = warp.source<uint32_t>(instruction.operands[4]);
  forEachLane(warp.active, [&](unsigned lane) {
    warp.setValue(instruction.operands[0], lane,
                  insertBits(instruction.modifiers[0], warp.value(instruction.operands[1], lane),
                             warp.value(instruction.operands[2], lane), position[lane], length[lane]));
  });
}

static void decodeBfi(InstructionDecoder &decoder) {
  unsigned bits = bitsOf(decoder.takeType());
  decoder.result.modifiers[0] = bits;
  decoder.execute(executeBfi);
  decoder.expectOperands(5);
  decoder.write(0, bits);
  decoder.read(1, bits);
  decoder.read(2, bits);
  decoder.read(3, 32);
  decoder.read(4, 32);
}

static void executePrmt(Warp &warp, const Instruction &instruction) {
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const uint32_t *a = warp.source<uint32_t>(instruction.operands[1]),
                 *b = warp.source<uint32_t>(instruction.operands[2]),
                 *selector = warp.source<uint32_t>(instruction.operands[3]);
  PermuteMode mode = PermuteMode(instruction.modifiers[0]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = permuteBytes(mode, a[lane], b[lane], selector[lane]); });
}

static void decodePrmt(InstructionDecoder &decoder) {
  if (!decoder.take("b32"))
    return decoder.fail("expected .b32");
  // PermuteMode, after Index.
  decoder.result.modifiers[0] = decoder.takeOneOf({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}) + 1;
  decoder.execute(executePrmt);
  decodeRows(decoder, 3, 32);
}

static void executePopc(Warp &warp, const Instruction &instruction) {
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  forEachLane(warp.active,
              [&](unsigned lane) { result[lane] = llvm::popcount(warp.value(instruction.operands[1], lane)); });
}

static void executeClz(Warp &warp, const Instruction &instruction) {
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  unsigned bits = instruction.operands[1].bits;
  forEachLane(warp.active, [&](unsigned lane) {
    result[lane] = llvm::countl_zero(warp.value(instruction.operands[1], lane)) - (64 - bits);
  });
}

template <Execute Function> static void decodeCount(InstructionDecoder &decoder) {
  decoder.execute(Function);
  decoder.expectOperands(2);
  decoder.write(0, 32);
  decoder.read(1, bitsOf(decoder.takeType()));
}

static void executeBfind(Warp &warp, const Instruction &instruction) {
  IntegerFormat format = {instruction.operands[1].bits, instruction.modifiers[0] != 0};
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  forEachLane(warp.active, [&](unsigned lane) {
    result[lane] = findHighestBit(format, warp.value(instruction.operands[1], lane), instruction.modifiers[1]);
  });
}

static void decodeBfind(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  decoder.result.modifiers[0] = isSigned(type);
  decoder.result.modifiers[1] = decoder.take("shiftamt");
  decoder.execute(executeBfind);
  decoder.expectOperands(2);
  decoder.write(0, 32);
  decoder.read(1, bitsOf(type));
}

static void executeFns(Warp &warp, const Instruction &instruction) {
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const uint32_t *mask = warp.source<uint32_t>(instruction.operands[1]),
                 *base = warp.source<uint32_t>(instruction.operands[2]),
                 *offset = warp.source<uint32_t>(instruction.operands[3]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = findNthSet(mask[lane], base[lane], offset[lane]); });
}

static void decodeFns(InstructionDecoder &decoder) {
  if (!decoder.take("b32"))
    return decoder.fail("expected .b32");
  decoder.execute(executeFns);
  decodeRows(decoder, 3, 32);
}

void quantopt::ptx::addBitInstructions(InstructionTable &table) {
  table.add("and", decodeLogic<And>);
  table.add("or", decodeLogic<Or>);
  table.add("xor", decodeLogic<Xor>);
  table.add("not", decodeNot);
  table.add("cnot", decodeCnot);
  table.add("brev", decodeBrev);
  table.add("shl", decodeShift<true>);
  table.add("shr", decodeShift<false>);
  table.add("shf", decodeFunnelShift);
  table.add("lop3", decodeLop3);
  table.add("bfe", decodeBfe);
  table.add("bfi", decodeBfi);
  table.add("prmt", decodePrmt);
  table.add("popc", decodeCount<executePopc>);
  table.add("clz", decodeCount<executeClz>);
  table.add("bfind", decodeBfind);
  table.add("fns", decodeFns);
}
