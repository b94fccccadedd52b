//===- ComparisonInstructions.cpp - setp, set, selp, slct ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatInstructions.h"
#include "Warp.h"

using namespace quantopt::ptx;

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

void quantopt::ptx::addComparisonInstructions(InstructionTable &table) {
  table.add("setp", decodeSetp);
  table.add("set", decodeSet);
  table.add("selp", decodeSelp);
  table.add("slct", decodeSlct);
}
