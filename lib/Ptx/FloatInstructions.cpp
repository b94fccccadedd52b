//===- FloatInstructions.cpp - floating-point arithmetic -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatInstructions.h"
#include "FloatLanes.h"
#include "Warp.h"

using namespace quantopt::ptx;

std::optional<FloatFormat> quantopt::ptx::floatFormat(ScalarType type) {
  switch (type) {
  case ScalarType::F16:
  case ScalarType::F16x2:
    return FloatFormat::F16;
  case ScalarType::BF16:
  case ScalarType::BF16x2:
    return FloatFormat::BF16;
  case ScalarType::F32:
  case ScalarType::F32x2:
    return FloatFormat::F32;
  case ScalarType::F64:
    return FloatFormat::F64;
  default:
    return std::nullopt;
  }
}

std::optional<IntegerFormat> quantopt::ptx::integerFormat(ScalarType type) {
  if (isFloat(type) || type == ScalarType::Pred || type == ScalarType::B128)
    return std::nullopt;
  return IntegerFormat{bitsOf(type), isSigned(type)};
}

//===----------------------------------------------------------------------------===//
// Modes, in modifiers[0]; the format in modifiers[1], whether it is packed in modifiers[2].
//===----------------------------------------------------------------------------===//

FloatMode quantopt::ptx::takeFloatMode(InstructionDecoder &decoder) {
  FloatMode mode;
  int rounding = decoder.takeOneOf({"rn", "rz", "rm", "rp"});
  mode.rounding = rounding < 0 ? Rounding::Nearest : Rounding(rounding);
  mode.flush = decoder.take("ftz");
  mode.saturate = decoder.take("sat");
  mode.relu = decoder.take("relu");
  mode.propagateNan = decoder.take("NaN");
  mode.satfinite = decoder.take("satfinite");
  decoder.result.modifiers[0] = unsigned(mode.rounding) | mode.flush << 2 | mode.saturate << 3 | mode.relu << 4 |
                                mode.propagateNan << 5 | mode.satfinite << 6;
  return mode;
}

FloatMode quantopt::ptx::floatMode(const Instruction &instruction) {
  uint32_t bits = instruction.modifiers[0];
  FloatMode mode;
  mode.rounding = Rounding(bits & 3);
  mode.flush = bits >> 2 & 1;
  mode.saturate = bits >> 3 & 1;
  mode.relu = bits >> 4 & 1;
  mode.propagateNan = bits >> 5 & 1;
  mode.satfinite = bits >> 6 & 1;
  return mode;
}

/// Mode, format and rows of an operation whose operands all have `type`; but for the sources before the last, where
/// they have `narrow`.
static void decodeFloats(InstructionDecoder &decoder, ScalarType type, unsigned sources,
                         std::optional<ScalarType> narrow = std::nullopt) {
  takeFloatMode(decoder);
  std::optional<FloatFormat> format = floatFormat(type);
  if (!format)
    return decoder.fail("expected a floating-point type");
  decoder.result.modifiers[1] = unsigned(*format);
  decoder.result.modifiers[2] = isPacked(type);
  decoder.expectOperands(sources + 1);
  decoder.write(0, bitsOf(type));
  for (unsigned i = 1; i <= sources; ++i)
    decoder.read(i, bitsOf(narrow && i < sources ? *narrow : type));
}

//===----------------------------------------------------------------------------===//
// Operations with a form for whole warps
//===----------------------------------------------------------------------------===//

static uint64_t computeScalar(FloatOperation operation, FloatFormat format, uint64_t a, uint64_t b, uint64_t c,
                              const FloatMode &mode) {
  switch (operation) {
  case FloatOperation::Add:
    return addFloats(format, a, b, mode);
  case FloatOperation::Subtract:
    return subtractFloats(format, a, b, mode);
  case FloatOperation::Multiply:
    return multiplyFloats(format, a, b, mode);
  case FloatOperation::FusedMultiplyAdd:
    return fusedMultiplyAdd(format, a, b, c, mode);
  case FloatOperation::Minimum:
    return minimumFloat(format, a, b, mode);
  case FloatOperation::Maximum:
    return maximumFloat(format, a, b, mode);
  }
  llvm_unreachable("unknown operation");
}

/// Any format and mode, a lane at a time.
template <FloatOperation Operation> static void executeLanes(Warp &warp, const Instruction &instruction) {
  FloatMode mode = floatMode(instruction);
  FloatFormat format = FloatFormat(instruction.modifiers[1]);
  constexpr bool isTernary = Operation == FloatOperation::FusedMultiplyAdd;
  const Operand &a = instruction.operands[1], &b = instruction.operands[2],
                &c = instruction.operands[isTernary ? 3 : 2];
  forEachLane(warp.active, [&](unsigned lane) {
    uint64_t x = warp.value(a, lane), y = warp.value(b, lane), z = warp.value(c, lane);
    auto compute = [&](uint64_t p, uint64_t q, uint64_t r) { return computeScalar(Operation, format, p, q, r, mode); };
    warp.setValue(instruction.operands[0], lane,
                  instruction.modifiers[2] ? onHalves(x, y, z, compute) : compute(x, y, z));
  });
}

/// f32x2.
template <FloatOperation Operation> static void executePairs(Warp &warp, const Instruction &instruction) {
  FloatMode mode = floatMode(instruction);
  constexpr bool isTernary = Operation == FloatOperation::FusedMultiplyAdd;
  const Operand &a = instruction.operands[1], &b = instruction.operands[2],
                &c = instruction.operands[isTernary ? 3 : 2];
  forEachLane(warp.active, [&](unsigned lane) {
    uint64_t x = warp.value(a, lane), y = warp.value(b, lane), z = warp.value(c, lane), result = 0;
    for (unsigned shift : {0u, 32u})
      result |= uint64_t(uint32_t(computeScalar(Operation, FloatFormat::F32, uint32_t(x >> shift), uint32_t(y >> shift),
                                                uint32_t(z >> shift), mode)))
                << shift;
    warp.setValue(instruction.operands[0], lane, result);
  });
}

/// Sources before the last in the 16-bit format of modifiers[3]: they are widened, which is exact.
template <FloatOperation Operation> static void executeMixed(Warp &warp, const Instruction &instruction) {
  FloatMode mode = floatMode(instruction);
  FloatFormat narrow = FloatFormat(instruction.modifiers[3]);
  constexpr bool isTernary = Operation == FloatOperation::FusedMultiplyAdd;
  forEachLane(warp.active, [&](unsigned lane) {
    auto widened = [&](unsigned i) {
      return convertFloat(FloatFormat::F32, narrow, warp.value(instruction.operands[i], lane), FloatMode());
    };
    uint64_t a = widened(1), b = isTernary ? widened(2) : warp.value(instruction.operands[2], lane);
    uint64_t c = isTernary ? warp.value(instruction.operands[3], lane) : b;
    warp.setValue(instruction.operands[0], lane, computeScalar(Operation, FloatFormat::F32, a, b, c, mode));
  });
}

template <FloatOperation Operation> static void executeWarp(Warp &warp, const Instruction &instruction) {
  FloatFormat format = FloatFormat(instruction.modifiers[1]);
  const uint32_t *a = warp.source<uint32_t>(instruction.operands[1]),
                 *b = warp.source<uint32_t>(instruction.operands[2]),
                 *c =
                     Operation == FloatOperation::FusedMultiplyAdd ? warp.source<uint32_t>(instruction.operands[3]) : b;
  uint32_t *result = warp.destination<uint32_t>(instruction.operands[0]);
  if (warp.active == allLanes)
    return computeFloats(Operation, format, a, b, c, result);
  uint32_t computed[warpSize];
  computeFloats(Operation, format, a, b, c, computed);
  forEachLane(warp.active, [&](unsigned lane) { result[lane] = computed[lane]; });
}

template <FloatOperation Operation> static void decodeOperation(InstructionDecoder &decoder, ScalarType type) {
  constexpr unsigned sources = Operation == FloatOperation::FusedMultiplyAdd ? 3 : 2;
  constexpr bool hasMixed = Operation == FloatOperation::FusedMultiplyAdd || Operation == FloatOperation::Add ||
                            Operation == FloatOperation::Subtract;
  if (std::optional<ScalarType> narrow = hasMixed ? decoder.takeOptionalType() : std::nullopt) {
    decoder.require(100);
    if (type != ScalarType::F32 || (narrow != ScalarType::F16 && narrow != ScalarType::BF16))
      return decoder.fail("expected .f32 and one of .f16 and .bf16");
    decodeFloats(decoder, type, sources, narrow);
    decoder.result.modifiers[3] = unsigned(*floatFormat(*narrow));
    return decoder.execute(executeMixed<Operation>);
  }
  decodeFloats(decoder, type, sources);
  if (decoder.failed())
    return;
  if (type == ScalarType::F32x2) {
    decoder.require(100);
    return decoder.execute(executePairs<Operation>);
  }
  bool isWhole = bitsOf(type) == 32 && hasFloatLanes(*floatFormat(type), floatMode(decoder.result));
  decoder.execute(isWhole ? executeWarp<Operation> : executeLanes<Operation>);
}

void quantopt::ptx::decodeFloatAdd(InstructionDecoder &decoder, ScalarType type) {
  decodeOperation<FloatOperation::Add>(decoder, type);
}
void quantopt::ptx::decodeFloatSubtract(InstructionDecoder &decoder, ScalarType type) {
  decodeOperation<FloatOperation::Subtract>(decoder, type);
}
void quantopt::ptx::decodeFloatMultiply(InstructionDecoder &decoder, ScalarType type) {
  decodeOperation<FloatOperation::Multiply>(decoder, type);
}
void quantopt::ptx::decodeFloatMultiplyAdd(InstructionDecoder &decoder, ScalarType type) {
  decodeOperation<FloatOperation::FusedMultiplyAdd>(decoder, type);
}
void quantopt::ptx::decodeFloatMinimum(InstructionDecoder &decoder, ScalarType type) {
  decodeOperation<FloatOperation::Minimum>(decoder, type);
}
void quantopt::ptx::decodeFloatMaximum(InstructionDecoder &decoder, ScalarType type) {
  decodeOperation<FloatOperation::Maximum>(decoder, type);
}
static void decodeFma(InstructionDecoder &decoder) { decodeFloatMultiplyAdd(decoder, decoder.takeType()); }

//===----------------------------------------------------------------------------===//
// Others, a lane at a time
//===----------------------------------------------------------------------------===//

template <typename Function> static void computeUnary(Warp &warp, const Instruction &instruction, Function &&function) {
  FloatMode mode = floatMode(instruction);
  FloatFormat format = FloatFormat(instruction.modifiers[1]);
  forEachLane(warp.active, [&](unsigned lane) {
    uint64_t a = warp.value(instruction.operands[1], lane);
    auto compute = [&](uint64_t x) { return function(format, x, mode); };
    warp.setValue(instruction.operands[0], lane, instruction.modifiers[2] ? onHalves(a, compute) : compute(a));
  });
}

void quantopt::ptx::decodeFloatNegate(InstructionDecoder &decoder, ScalarType type) {
  decodeFloats(decoder, type, 1);
  decoder.execute([](Warp &warp, const Instruction &i) { computeUnary(warp, i, negateFloat); });
}

void quantopt::ptx::decodeFloatAbsolute(InstructionDecoder &decoder, ScalarType type) {
  decodeFloats(decoder, type, 1);
  decoder.execute([](Warp &warp, const Instruction &i) { computeUnary(warp, i, absoluteFloat); });
}

static void executeDivide(Warp &warp, const Instruction &instruction) {
  FloatMode mode = floatMode(instruction);
  FloatFormat format = FloatFormat(instruction.modifiers[1]);
  bool isApproximate = instruction.modifiers[3];
  forEachLane(warp.active, [&](unsigned lane) {
    uint64_t a = warp.value(instruction.operands[1], lane), b = warp.value(instruction.operands[2], lane);
    warp.setValue(instruction.operands[0], lane,
                  isApproximate ? divideApproximately(a, b, mode) : divideFloats(format, a, b, mode));
  });
}

void quantopt::ptx::decodeFloatDivide(InstructionDecoder &decoder, ScalarType type) {
  // div.full is an approximation without the restriction on large divisors.
  decoder.result.modifiers[3] = decoder.take("approx");
  decoder.take("full");
  if (type != ScalarType::F32 && type != ScalarType::F64)
    return decoder.fail("expected .f32 or .f64");
  decodeFloats(decoder, type, 2);
  decoder.execute(executeDivide);
}

template <Approximation Function> static void executeApproximation(Warp &warp, const Instruction &instruction) {
  computeUnary(warp, instruction, [](FloatFormat format, uint64_t a, const FloatMode &mode) {
    return approximate(Function, format, a, mode);
  });
}

/// rcp and sqrt have a rounded form beside the approximation.
template <Approximation Function> static void executeRounded(Warp &warp, const Instruction &instruction) {
  computeUnary(warp, instruction, [](FloatFormat format, uint64_t a, const FloatMode &mode) {
    if (Function == Approximation::SquareRoot)
      return squareRoot(format, a, mode);
    uint64_t one = format == FloatFormat::F64 ? 0x3ff0000000000000 : 0x3f800000;
    return divideFloats(format, one, a, mode);
  });
}

template <Approximation Function> static void decodeApproximation(InstructionDecoder &decoder) {
  bool isApproximate = decoder.take("approx");
  constexpr bool hasRounded = Function == Approximation::Reciprocal || Function == Approximation::SquareRoot;
  if (!isApproximate && !hasRounded)
    return decoder.fail("expected .approx");
  decodeFloats(decoder, decoder.takeType(), 1);
  decoder.execute(isApproximate ? executeApproximation<Function> : executeRounded<Function>);
}

static void executeCopySign(Warp &warp, const Instruction &instruction) {
  FloatFormat format = FloatFormat(instruction.modifiers[1]);
  forEachLane(warp.active, [&](unsigned lane) {
    warp.setValue(
        instruction.operands[0], lane,
        copySign(format, warp.value(instruction.operands[1], lane), warp.value(instruction.operands[2], lane)));
  });
}

static void decodeCopySign(InstructionDecoder &decoder) {
  decodeFloats(decoder, decoder.takeType(), 2);
  decoder.execute(executeCopySign);
}

static void executeTestp(Warp &warp, const Instruction &instruction) {
  uint32_t mask = 0;
  forEachLane(warp.active, [&](unsigned lane) {
    mask |= uint32_t(hasProperty(FloatFormat(instruction.modifiers[1]), warp.value(instruction.operands[1], lane),
                                 FloatProperty(instruction.modifiers[3])))
            << lane;
  });
  warp.setPredicate(instruction.operands[0], mask);
}

static void decodeTestp(InstructionDecoder &decoder) {
  int property = decoder.takeOneOf({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  ScalarType type = decoder.takeType();
  if (property < 0 || (type != ScalarType::F32 && type != ScalarType::F64))
    return decoder.fail("expected a property, and .f32 or .f64");
  decoder.result.modifiers[1] = unsigned(*floatFormat(type));
  decoder.result.modifiers[3] = property;
  decoder.expectOperands(2);
  decoder.writePredicate(0);
  decoder.read(1, bitsOf(type));
  decoder.execute(executeTestp);
}

void quantopt::ptx::addFloatInstructions(InstructionTable &table) {
  table.add("fma", decodeFma);
  table.add("rcp", decodeApproximation<Approximation::Reciprocal>);
  table.add("sqrt", decodeApproximation<Approximation::SquareRoot>);
  table.add("rsqrt", decodeApproximation<Approximation::ReciprocalSquareRoot>);
  table.add("ex2", decodeApproximation<Approximation::Exp2>);
  table.add("lg2", decodeApproximation<Approximation::Log2>);
  table.add("sin", decodeApproximation<Approximation::Sine>);
  table.add("cos", decodeApproximation<Approximation::Cosine>);
  table.add("tanh", decodeApproximation<Approximation::Tanh>);
  table.add("copysign", decodeCopySign);
  table.add("testp", decodeTestp);
}
