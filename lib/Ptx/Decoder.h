//===- Decoder.h - syntax to decoded kernels -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_DECODER_H
#define QUANTOPT_LIB_PTX_DECODER_H

#include "Program.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace quantopt::ptx {

/// Decodes one kernel.
class KernelDecoder {
public:
  KernelDecoder(const ParsedModule &module, const ParsedKernel &source, const Program &program)
      : module(module), source(source), program(program) {}
  llvm::Expected<Kernel> decode();

  /// A register's operand.
  Operand registerOperand(unsigned index) const;
  /// A constant row of 16, 32, 64 or 128 bits.
  Operand constant(uint64_t value, unsigned bits);
  /// A special register, a variable or a parameter by name.
  std::optional<Operand> symbol(const ParsedOperand &operand, unsigned bits);
  /// Where writes to `_` go.
  Operand scratch(unsigned bits);
  std::optional<uint32_t> label(llvm::StringRef name, unsigned scope) const;

  const ParsedModule &module;
  const ParsedKernel &source;
  const Program &program;
  Kernel kernel;

private:
  void layOutShared();
  uint32_t addRegister(unsigned bits, llvm::StringRef name);
  llvm::Error decodeInstruction(const ParsedInstruction &parsed);
  std::optional<Operand> special(llvm::StringRef name);

  std::vector<uint32_t> offsets;
  llvm::DenseMap<std::pair<uint64_t, unsigned>, uint32_t> constantOffsets;
  llvm::DenseMap<unsigned, uint32_t> scratches;
  llvm::StringMap<uint32_t> opcodeIndices, specialIndices;
};

/// Fills in where the lanes of each branch meet again: the immediate post-dominator of its block.
void findReconvergence(std::vector<Instruction> &instructions);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_DECODER_H
