//===- Elementwise.h - functions that compute lane by lane ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_ELEMENTWISE_H
#define QUANTOPT_LIB_PTX_ELEMENTWISE_H

#include "InstructionTable.h"
#include "Warp.h"

namespace quantopt::ptx {

// Operand 0 is the result, those after it are the sources, all rows of T. `Operation` is a type with a static apply().

template <typename Operation, typename T> void executeUnary(Warp &warp, const Instruction &instruction) {
  T *result = warp.destination<T>(instruction.operands[0]);
  const T *a = warp.source<T>(instruction.operands[1]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = Operation::apply(a[lane]); });
}

template <typename Operation, typename T> void executeBinary(Warp &warp, const Instruction &instruction) {
  T *result = warp.destination<T>(instruction.operands[0]);
  const T *a = warp.source<T>(instruction.operands[1]), *b = warp.source<T>(instruction.operands[2]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = Operation::apply(a[lane], b[lane]); });
}

template <typename Operation, typename T> void executeTernary(Warp &warp, const Instruction &instruction) {
  T *result = warp.destination<T>(instruction.operands[0]);
  const T *a = warp.source<T>(instruction.operands[1]), *b = warp.source<T>(instruction.operands[2]),
          *c = warp.source<T>(instruction.operands[3]);
  forEachLane(warp.active, [=](unsigned lane) { result[lane] = Operation::apply(a[lane], b[lane], c[lane]); });
}

/// Result and sources of `bits` each.
inline void decodeRows(InstructionDecoder &decoder, unsigned sources, unsigned bits) {
  decoder.expectOperands(sources + 1);
  decoder.write(0, bits);
  for (unsigned i = 1; i <= sources; ++i)
    decoder.read(i, bits);
}

/// The instance of an executing function for an integer type; fails the decoder for any other.
template <template <typename, typename> class Select, typename Operation>
Execute selectInteger(InstructionDecoder &decoder, ScalarType type) {
  switch (type) {
  case ScalarType::U16:
  case ScalarType::B16:
    return Select<Operation, uint16_t>::function;
  case ScalarType::S16:
    return Select<Operation, int16_t>::function;
  case ScalarType::U32:
  case ScalarType::B32:
    return Select<Operation, uint32_t>::function;
  case ScalarType::S32:
    return Select<Operation, int32_t>::function;
  case ScalarType::U64:
  case ScalarType::B64:
    return Select<Operation, uint64_t>::function;
  case ScalarType::S64:
    return Select<Operation, int64_t>::function;
  default:
    decoder.fail("the type is not one of this instruction");
    return nullptr;
  }
}

template <typename Operation, typename T> struct Unary {
  static constexpr Execute function = executeUnary<Operation, T>;
};
template <typename Operation, typename T> struct Binary {
  static constexpr Execute function = executeBinary<Operation, T>;
};
template <typename Operation, typename T> struct Ternary {
  static constexpr Execute function = executeTernary<Operation, T>;
};

template <typename Operation> void decodeUnary(InstructionDecoder &decoder, ScalarType type) {
  decoder.execute(selectInteger<Unary, Operation>(decoder, type));
  decodeRows(decoder, 1, bitsOf(type));
}
template <typename Operation> void decodeBinary(InstructionDecoder &decoder, ScalarType type) {
  decoder.execute(selectInteger<Binary, Operation>(decoder, type));
  decodeRows(decoder, 2, bitsOf(type));
}
template <typename Operation> void decodeTernary(InstructionDecoder &decoder, ScalarType type) {
  decoder.execute(selectInteger<Ternary, Operation>(decoder, type));
  decodeRows(decoder, 3, bitsOf(type));
}

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_ELEMENTWISE_H
