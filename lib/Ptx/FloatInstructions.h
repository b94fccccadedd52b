//===- FloatInstructions.h - decoding of floating-point arithmetic -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_FLOATINSTRUCTIONS_H
#define QUANTOPT_LIB_PTX_FLOATINSTRUCTIONS_H

#include "Arithmetic.h"
#include "InstructionTable.h"

namespace quantopt::ptx {

// Arithmetic whose opcode integers and floats share. They are called with the type taken.
void decodeFloatAdd(InstructionDecoder &decoder, ScalarType type);
void decodeFloatSubtract(InstructionDecoder &decoder, ScalarType type);
void decodeFloatMultiply(InstructionDecoder &decoder, ScalarType type);
void decodeFloatMultiplyAdd(InstructionDecoder &decoder, ScalarType type);
void decodeFloatDivide(InstructionDecoder &decoder, ScalarType type);
void decodeFloatMinimum(InstructionDecoder &decoder, ScalarType type);
void decodeFloatMaximum(InstructionDecoder &decoder, ScalarType type);
void decodeFloatNegate(InstructionDecoder &decoder, ScalarType type);
void decodeFloatAbsolute(InstructionDecoder &decoder, ScalarType type);

/// Of one element, for packed types too.
std::optional<FloatFormat> floatFormat(ScalarType type);
inline bool isPacked(ScalarType type) {
  return type == ScalarType::F16x2 || type == ScalarType::BF16x2 || type == ScalarType::F32x2;
}
std::optional<IntegerFormat> integerFormat(ScalarType type);

/// Takes the modifiers of a FloatMode and keeps them in the instruction.
FloatMode takeFloatMode(InstructionDecoder &decoder);
FloatMode floatMode(const Instruction &instruction);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_FLOATINSTRUCTIONS_H
