//===- IntegerInstructions.cpp - integer arithmetic, logic, comparison, selection ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Elementwise.h"
#include "FloatInstructions.h"

using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// Arithmetic. Values wrap around; computing in unsigned types keeps that defined.
//===----------------------------------------------------------------------------===//

namespace {

template <typename T> using Unsigned = std::make_unsigned_t<T>;

struct Add {
  template <typename T> static T apply(T a, T b) { return T(Unsigned<T>(a) + Unsigned<T>(b)); }
};
struct Subtract {
  template <typename T> static T apply(T a, T b) { return T(Unsigned<T>(a) - Unsigned<T>(b)); }
};
struct MultiplyLow {
  // 16-bit factors would be promoted to int.
  template <typename T> static T apply(T a, T b) { return T(uint64_t(a) * uint64_t(b)); }
};
struct MultiplyAddLow {
  template <typename T> static T apply(T a, T b, T c) { return T(uint64_t(a) * uint64_t(b) + uint64_t(c)); }
};
struct MultiplyHigh {
  template <typename T> static T apply(T a, T b) {
    return T(multiplyHigh({unsigned(8 * sizeof(T)), std::is_signed_v<T>}, a, b));
  }
};
struct MultiplyAddHigh {
  template <typename T> static T apply(T a, T b, T c) { return Add::apply(MultiplyHigh::apply(a, b), c); }
};
struct Minimum {
  template <typename T> static T apply(T a, T b) { return a < b ? a : b; }
};
struct Maximum {
  template <typename T> static T apply(T a, T b) { return a < b ? b : a; }
};
struct Negate {
  template <typename T> static T apply(T a) { return T(Unsigned<T>(0) - Unsigned<T>(a)); }
};
struct Absolute {
  template <typename T> static T apply(T a) { return a < 0 ? Negate::apply(a) : a; }
};
struct AbsoluteDifference {
  template <typename T> static T apply(T a, T b, T c) {
    return T(addAbsoluteDifference({unsigned(8 * sizeof(T)), std::is_signed_v<T>}, a, b, c));
  }
};
/// Division by zero gives all ones, as hardware does; the ISA leaves it open.
struct Divide {
  template <typename T> static T apply(T a, T b) {
    if (b == 0)
      return T(-1);
    return std::is_signed_v<T> && b == T(-1) ? Negate::apply(a) : T(a / b);
  }
};
struct Remainder {
  template <typename T> static T apply(T a, T b) {
    if (b == 0)
      return a;
    return std::is_signed_v<T> && b == T(-1) ? T(0) : T(a % b);
  }
};
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
    Unsigned<T> result = 0;
    for (unsigned i = 0; i < 8 * sizeof(T); ++i)
      result |= Unsigned<T>(Unsigned<T>(a) >> i & 1) << (8 * sizeof(T) - 1 - i);
    return T(result);
  }
};

} // namespace

static bool isLogic(ScalarType type) {
  return type == ScalarType::B16 || type == ScalarType::B32 || type == ScalarType::B64;
}

static void decodeAdd(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (isFloat(type))
    return decodeFloatAdd(decoder, type);
  if (decoder.take("sat")) {
    struct AddSaturating {
      static int32_t apply(int32_t a, int32_t b) { return int32_t(addSaturating(a, b)); }
    };
    if (type != ScalarType::S32)
      return decoder.fail(".sat is for s32");
    decoder.execute(executeBinary<AddSaturating, int32_t>);
    return decodeRows(decoder, 2, 32);
  }
  decodeBinary<Add>(decoder, type);
}

static void decodeSubtract(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (isFloat(type))
    return decodeFloatSubtract(decoder, type);
  if (decoder.take("sat")) {
    struct SubtractSaturating {
      static int32_t apply(int32_t a, int32_t b) { return int32_t(subtractSaturating(a, b)); }
    };
    if (type != ScalarType::S32)
      return decoder.fail(".sat is for s32");
    decoder.execute(executeBinary<SubtractSaturating, int32_t>);
    return decodeRows(decoder, 2, 32);
  }
  decodeBinary<Subtract>(decoder, type);
}

/// mul.wide and mad.wide: the product and the addend have twice the width.
template <typename Narrow, typename Wide, bool Adds>
static void executeWide(Warp &warp, const Instruction &instruction) {
  Wide *result = warp.destination<Wide>(instruction.operands[0]);
  const Narrow *a = warp.source<Narrow>(instruction.operands[1]), *b = warp.source<Narrow>(instruction.operands[2]);
  if (!Adds)
    return forEachLane(warp.active, [=](unsigned lane) { result[lane] = Wide(a[lane]) * Wide(b[lane]); });
  const Wide *c = warp.source<Wide>(instruction.operands[3]);
  forEachLane(warp.active,
              [=](unsigned lane) { result[lane] = Add::apply<Wide>(Wide(a[lane]) * Wide(b[lane]), c[lane]); });
}

template <bool Adds> static void decodeWide(InstructionDecoder &decoder, ScalarType type) {
  switch (type) {
  case ScalarType::U16:
    decoder.execute(executeWide<uint16_t, uint32_t, Adds>);
    break;
  case ScalarType::S16:
    decoder.execute(executeWide<int16_t, int32_t, Adds>);
    break;
  case ScalarType::U32:
    decoder.execute(executeWide<uint32_t, uint64_t, Adds>);
    break;
  case ScalarType::S32:
    decoder.execute(executeWide<int32_t, int64_t, Adds>);
    break;
  default:
    return decoder.fail(".wide is for 16 and 32 bits");
  }
  decoder.expectOperands(Adds ? 4 : 3);
  decoder.write(0, 2 * bitsOf(type));
  decoder.read(1, bitsOf(type));
  decoder.read(2, bitsOf(type));
  if (Adds)
    decoder.read(3, 2 * bitsOf(type));
}

static void decodeMultiply(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (isFloat(type))
    return decodeFloatMultiply(decoder, type);
  if (decoder.take("wide"))
    return decodeWide<false>(decoder, type);
  if (decoder.take("hi"))
    return decodeBinary<MultiplyHigh>(decoder, type);
  if (!decoder.take("lo"))
    return decoder.fail("expected .lo, .hi or .wide");
  decodeBinary<MultiplyLow>(decoder, type);
}

static void decodeMultiplyAdd(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (isFloat(type))
    return decodeFloatMultiplyAdd(decoder, type);
  if (decoder.take("wide"))
    return decodeWide<true>(decoder, type);
  if (decoder.take("hi"))
    return decodeTernary<MultiplyAddHigh>(decoder, type);
  if (!decoder.take("lo"))
    return decoder.fail("expected .lo, .hi or .wide");
  decodeTernary<MultiplyAddLow>(decoder, type);
}

/// Integers with one operation, floats with another.
template <typename Operation, void (*Float)(InstructionDecoder &, ScalarType)>
static void decodeEither(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (isFloat(type))
    return Float(decoder, type);
  decodeBinary<Operation>(decoder, type);
}

template <typename Operation, void (*Float)(InstructionDecoder &, ScalarType)>
static void decodeEitherUnary(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (isFloat(type))
    return Float(decoder, type);
  if (!isSigned(type))
    return decoder.fail("expected a signed type");
  decodeUnary<Operation>(decoder, type);
}

static void decodeRemainder(InstructionDecoder &decoder) { decodeBinary<Remainder>(decoder, decoder.takeType()); }
static void decodeSad(InstructionDecoder &decoder) { decodeTernary<AbsoluteDifference>(decoder, decoder.takeType()); }

//===----------------------------------------------------------------------------===//
// Logic
//===----------------------------------------------------------------------------===//

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
      result[lane] = amount < bits ? T(Unsigned<T>(a[lane]) << inside) : T(0);
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

static void executeDot(Warp &warp, const Instruction &instruction) {
  bool aSigned = instruction.modifiers[0], bSigned = instruction.modifiers[1];
  unsigned which = instruction.modifiers[2];
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  const uint32_t *a = warp.source<uint32_t>(instruction.operands[1]),
                 *b = warp.source<uint32_t>(instruction.operands[2]),
                 *c = warp.source<uint32_t>(instruction.operands[3]);
  forEachLane(warp.active, [=](unsigned lane) {
    result[lane] = which == 0 ? dot4(a[lane], aSigned, b[lane], bSigned, c[lane])
                              : dot2(a[lane], aSigned, b[lane], bSigned, c[lane], which == 2);
  });
}

/// The signs of a and b, in this order.
static void takeDotTypes(InstructionDecoder &decoder) {
  for (unsigned i = 0; i < 2; ++i) {
    ScalarType type = decoder.takeType();
    if (bitsOf(type) != 32 || isFloat(type))
      decoder.fail("expected .s32 or .u32");
    decoder.result.modifiers[i] = isSigned(type);
  }
  decoder.execute(executeDot);
  decodeRows(decoder, 3, 32);
}

static void decodeDp2a(InstructionDecoder &decoder) {
  int half = decoder.takeOneOf({"lo", "hi"});
  if (half < 0)
    return decoder.fail("expected .lo or .hi");
  decoder.result.modifiers[2] = half + 1;
  takeDotTypes(decoder);
}

//===----------------------------------------------------------------------------===//
// Comparison and selection
//===----------------------------------------------------------------------------===//

template <typename T, typename Function> static uint32_t compareLanes(const T *a, const T *b, Function &&function) {
  uint32_t mask = 0;
  for (unsigned lane = 0; lane < warpSize; ++lane)
    mask |= uint32_t(function(a[lane], b[lane])) << lane;
  return mask;
}

template <typename T> static uint32_t compareRows(Comparison comparison, const T *a, const T *b) {
  switch (comparison) {
  case Comparison::Eq:
    return compareLanes(a, b, [](T x, T y) { return x == y; });
  case Comparison::Ne:
    return compareLanes(a, b, [](T x, T y) { return x != y; });
  case Comparison::Lt:
    return compareLanes(a, b, [](T x, T y) { return x < y; });
  case Comparison::Le:
    return compareLanes(a, b, [](T x, T y) { return x <= y; });
  case Comparison::Gt:
    return compareLanes(a, b, [](T x, T y) { return x > y; });
  default:
    return compareLanes(a, b, [](T x, T y) { return x >= y; });
  }
}

static uint32_t compare(Warp &warp, const Instruction &instruction, const Operand &a, const Operand &b) {
  ScalarType type = ScalarType(instruction.modifiers[0]);
  Comparison comparison = Comparison(instruction.modifiers[1]);
  if (std::optional<FloatFormat> format = floatFormat(type)) {
    FloatMode mode;
    mode.flush = instruction.modifiers[3];
    uint32_t mask = 0;
    forEachLane(warp.active, [&](unsigned lane) {
      mask |= uint32_t(compareFloats(comparison, *format, warp.value(a, lane), warp.value(b, lane), mode)) << lane;
    });
    return mask;
  }
  switch (bitsOf(type)) {
  case 16:
    return isSigned(type) ? compareRows(comparison, warp.source<int16_t>(a), warp.source<int16_t>(b))
                          : compareRows(comparison, warp.source<uint16_t>(a), warp.source<uint16_t>(b));
  case 32:
    return isSigned(type) ? compareRows(comparison, warp.source<int32_t>(a), warp.source<int32_t>(b))
                          : compareRows(comparison, warp.source<uint32_t>(a), warp.source<uint32_t>(b));
  default:
    return isSigned(type) ? compareRows(comparison, warp.source<int64_t>(a), warp.source<int64_t>(b))
                          : compareRows(comparison, warp.source<uint64_t>(a), warp.source<uint64_t>(b));
  }
}

/// The comparison and, of setp and set with a third source, the logic (1 and, 2 or, 3 xor).
static ScalarType takeComparison(InstructionDecoder &decoder) {
  static constexpr llvm::StringLiteral names[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                                  "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
  int comparison = -1;
  for (unsigned i = 0; i < std::size(names) && comparison < 0; ++i)
    if (decoder.take(names[i]))
      comparison = i;
  // Of unsigned integers, lower and higher.
  static constexpr llvm::StringLiteral unsignedNames[] = {"lo", "ls", "hi", "hs"};
  for (unsigned i = 0; i < std::size(unsignedNames) && comparison < 0; ++i)
    if (decoder.take(unsignedNames[i]))
      comparison = unsigned(Comparison::Lt) + i;
  decoder.result.modifiers[2] = decoder.takeOneOf({"and", "or", "xor"}) + 1;
  decoder.result.modifiers[3] = decoder.take("ftz");
  ScalarType type = decoder.takeType();
  if (comparison < 0 || type == ScalarType::Pred || bitsOf(type) < 16 || isPacked(type))
    decoder.fail("expected a comparison and a type of 16 bits or more");
  if (!isFloat(type) && comparison > int(Comparison::Ge))
    decoder.fail("the comparison is for floating-point types");
  decoder.result.modifiers[0] = unsigned(type);
  decoder.result.modifiers[1] = comparison;
  return type;
}

static uint32_t combine(const Instruction &instruction, uint32_t compared, uint32_t other) {
  switch (instruction.modifiers[2]) {
  case 1:
    return compared & other;
  case 2:
    return compared | other;
  case 3:
    return compared ^ other;
  default:
    return compared;
  }
}

static void executeSetp(Warp &warp, const Instruction &instruction) {
  uint32_t compared = compare(warp, instruction, instruction.operands[2], instruction.operands[3]);
  uint32_t other = instruction.modifiers[2] ? warp.predicate(instruction.operands[4]) : 0;
  warp.setPredicate(instruction.operands[0], combine(instruction, compared, other));
  warp.setPredicate(instruction.operands[1], combine(instruction, ~compared, other));
}

static void decodeSetp(InstructionDecoder &decoder) {
  ScalarType type = takeComparison(decoder);
  bool combines = decoder.result.modifiers[2];
  decoder.expectOperands(combines ? 4 : 3);
  decoder.writePredicates(0);
  decoder.read(1, bitsOf(type));
  decoder.read(2, bitsOf(type));
  if (combines)
    decoder.readPredicate(3);
  decoder.execute(executeSetp);
}

static void executeSet(Warp &warp, const Instruction &instruction) {
  uint32_t compared = compare(warp, instruction, instruction.operands[1], instruction.operands[2]);
  uint32_t other = instruction.modifiers[2] ? warp.predicate(instruction.operands[3]) : 0;
  uint32_t holds = combine(instruction, compared, other);
  forEachLane(warp.active, [&](unsigned lane) {
    warp.setValue(instruction.operands[0], lane, holds >> lane & 1 ? instruction.modifiers[4] : 0);
  });
}

static void decodeSet(InstructionDecoder &decoder) {
  // The type of the result comes first.
  ScalarType resultType = decoder.takeType();
  ScalarType type = takeComparison(decoder);
  bool combines = decoder.result.modifiers[2];
  decoder.result.modifiers[4] = resultType == ScalarType::F32 ? 0x3f800000 : ~0u;
  if (bitsOf(resultType) != 32)
    decoder.fail("expected a result of 32 bits");
  decoder.expectOperands(combines ? 4 : 3);
  decoder.write(0, 32);
  decoder.read(1, bitsOf(type));
  decoder.read(2, bitsOf(type));
  if (combines)
    decoder.readPredicate(3);
  decoder.execute(executeSet);
}

template <typename T> static void executeSelp(Warp &warp, const Instruction &instruction) {
  T *result = warp.destination<T>(instruction.operands[0]);
  const T *a = warp.source<T>(instruction.operands[1]), *b = warp.source<T>(instruction.operands[2]);
  uint32_t mask = warp.predicate(instruction.operands[3]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = mask >> lane & 1 ? a[lane] : b[lane]; });
}

static void decodeSelp(InstructionDecoder &decoder) {
  unsigned bits = bitsOf(decoder.takeType());
  decoder.expectOperands(4);
  decoder.write(0, bits);
  decoder.read(1, bits);
  decoder.read(2, bits);
  decoder.readPredicate(3);
  decoder.execute(bits <= 16 ? executeSelp<uint16_t> : bits == 32 ? executeSelp<uint32_t> : executeSelp<uint64_t>);
}

static void executeSlct(Warp &warp, const Instruction &instruction) {
  const Operand &chooser = instruction.operands[3];
  forEachLane(warp.active, [&](unsigned lane) {
    uint32_t choice = warp.value(chooser, lane);
    bool isFirst = instruction.modifiers[0]
                       ? !isNan(FloatFormat::F32, choice) && (choice >> 31 == 0 || choice << 1 == 0)
                       : int32_t(choice) >= 0;
    warp.setValue(instruction.operands[0], lane, warp.value(instruction.operands[isFirst ? 1 : 2], lane));
  });
}

static void decodeSlct(InstructionDecoder &decoder) {
  decoder.take("ftz");
  unsigned bits = bitsOf(decoder.takeType());
  decoder.result.modifiers[0] = decoder.takeType() == ScalarType::F32;
  decoder.expectOperands(4);
  decoder.write(0, bits);
  decoder.read(1, bits);
  decoder.read(2, bits);
  decoder.read(3, 32);
  decoder.execute(executeSlct);
}

void quantopt::ptx::addIntegerInstructions(InstructionTable &table) {
  table.add("add", decodeAdd);
  table.add("sub", decodeSubtract);
  table.add("mul", decodeMultiply);
  table.add("mad", decodeMultiplyAdd);
  table.add("div", decodeEither<Divide, decodeFloatDivide>);
  table.add("rem", decodeRemainder);
  table.add("min", decodeEither<Minimum, decodeFloatMinimum>);
  table.add("max", decodeEither<Maximum, decodeFloatMaximum>);
  table.add("neg", decodeEitherUnary<Negate, decodeFloatNegate>);
  table.add("abs", decodeEitherUnary<Absolute, decodeFloatAbsolute>);
  table.add("sad", decodeSad);
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
  table.add("dp4a", takeDotTypes);
  table.add("dp2a", decodeDp2a);
  table.add("setp", decodeSetp);
  table.add("set", decodeSet);
  table.add("selp", decodeSelp);
  table.add("slct", decodeSlct);
}
