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

} // namespace

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

/// Minima and maxima; .relu of integers: negative results become 0.
template <typename Operation, void (*Float)(InstructionDecoder &, ScalarType)>
static void decodeExtreme(InstructionDecoder &decoder) {
  ScalarType type = decoder.takeType();
  if (isFloat(type))
    return Float(decoder, type);
  if (!decoder.take("relu"))
    return decodeBinary<Operation>(decoder, type);
  struct Clamped {
    static int32_t apply(int32_t a, int32_t b) { return std::max(Operation::apply(a, b), 0); }
  };
  decoder.require(90);
  if (type != ScalarType::S32)
    return decoder.fail(".relu is for s32");
  decoder.execute(executeBinary<Clamped, int32_t>);
  decodeRows(decoder, 2, 32);
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
// Dot products
//===----------------------------------------------------------------------------===//

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

void quantopt::ptx::addIntegerInstructions(InstructionTable &table) {
  table.add("add", decodeAdd);
  table.add("sub", decodeSubtract);
  table.add("mul", decodeMultiply);
  table.add("mad", decodeMultiplyAdd);
  table.add("div", decodeEither<Divide, decodeFloatDivide>);
  table.add("rem", decodeRemainder);
  table.add("min", decodeExtreme<Minimum, decodeFloatMinimum>);
  table.add("max", decodeExtreme<Maximum, decodeFloatMaximum>);
  table.add("neg", decodeEitherUnary<Negate, decodeFloatNegate>);
  table.add("abs", decodeEitherUnary<Absolute, decodeFloatAbsolute>);
  table.add("sad", decodeSad);
  table.add("dp4a", takeDotTypes);
  table.add("dp2a", decodeDp2a);
}
