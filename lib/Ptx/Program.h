//===- Program.h - decoded kernels ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_PROGRAM_H
#define QUANTOPT_LIB_PTX_PROGRAM_H

#include "Syntax.h"
#include <array>

namespace quantopt::ptx {

class Warp;
struct Instruction;

/// Computes an instruction for the lanes warp.active. Failures go to Warp::fail.
using Execute = void (*)(Warp &warp, const Instruction &instruction);

/// A decoded operand. Registers of 16 to 128 bits are rows of 32 lanes: uint16_t[32], uint32_t[32], uint64_t[32], or
/// uint64_t[2][32], low halves first. Immediate values and addresses of variables are rows as well, but constant: a
/// function that computes need not tell them apart. Predicates are masks of lanes.
struct Operand {
  enum class Kind : uint8_t { Register, Constant, Predicate, Discard };
  Kind kind = Kind::Discard;
  /// `!` before a predicate.
  bool isNegated = false;
  /// Width of the row.
  uint8_t bits = 0;
  /// Number of the register among all of the kernel's; of a predicate constant: its value.
  uint32_t index = 0;
  /// Of the row, in bytes: in the warp's registers, or in the kernel's constants.
  uint32_t offset = 0;
};

/// [base + displacement]: the base is a row of 32 or 64 bits.
struct AddressOperand {
  Operand base;
  int64_t displacement = 0;
};

struct Instruction {
  Execute execute = nullptr;
  uint32_t line = 0;
  /// Index in Kernel::opcodes.
  uint32_t opcode = 0;
  /// Guarding predicate, or -1.
  int32_t guard = -1;
  bool isGuardNegated = false;
  /// Whether `execute` is called also when no lane is active.
  bool isControl = false;
  /// Whether every lane of the warp that has not exited must be active (.aligned).
  bool isAligned = false;
  /// Whether it takes all 32 lanes: it is not for warps of fewer threads, nor after some have exited.
  bool needsAllLanes = false;
  /// Whether it touches memory; for counters.
  bool isMemory = false;
  /// Whether its accumulators and fragments may be in flight already.
  bool isWgmma = false;
  enum class Flow : uint8_t { Next, Branch, Exit };
  Flow flow = Flow::Next;
  /// Modifiers; their meaning is the function's.
  std::array<uint32_t, 6> modifiers = {};
  AddressOperand address, secondAddress, thirdAddress;
  /// In the order of the text, vectors flattened, addresses left out.
  llvm::SmallVector<Operand, 4> operands;
  /// Registers that are read and written; the executor checks and marks them.
  llvm::SmallVector<uint32_t, 4> reads, writes;
  /// Of branches: where to, and where the lanes meet again (Kernel::instructions.size() for the end).
  uint32_t target = 0, reconvergence = 0;
  /// As written, blanks normalised.
  std::string text;
};

/// Special registers; rows of 32 bits that are set when a warp starts.
enum class SpecialRegister : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NWarpId,
  LanemaskEq,
  LanemaskLe,
  LanemaskLt,
  LanemaskGe,
  LanemaskGt,
  DynamicSharedSize,
  Zero,
  One
};

struct Variable {
  std::string name;
  StateSpace space = StateSpace::Global;
  /// Shared: offset in the CTA's memory. Others: generic address.
  uint64_t address = 0;
  /// 0 for the dynamic shared memory.
  uint64_t size = 0;
  std::vector<uint8_t> initial;
};

struct Kernel {
  KernelInfo info;
  std::vector<ParsedRegister> registers;
  /// Bytes of all rows of a warp.
  uint32_t registerBytes = 0;
  /// Constant rows.
  std::vector<uint64_t> constants;
  std::vector<std::pair<SpecialRegister, Operand>> specials;
  std::vector<Instruction> instructions;
  std::vector<std::string> opcodes;
  /// Shared variables, in order of address; the dynamic memory is last.
  std::vector<Variable> shared;
  /// Where dynamic shared memory begins.
  uint32_t dynamicOffset = 0;
  /// Least size of an access in bytes: memory is watched in pieces of it.
  unsigned sharedGranule = 16, globalGranule = 16;
  /// Whether it has instructions that work beside its threads (bulk copies, wgmma, mbarriers), and wgmma.
  bool usesAsyncProxy = false, usesWarpGroups = false;
};

class Program {
public:
  Program();
  /// Different for every program of a process.
  uint64_t id;
  std::string name;
  unsigned target = 0;
  char targetSuffix = 0;
  /// Of .global and .const; addresses lie in variableWindow.
  std::vector<Variable> variables;
  uint64_t variableBytes = 0;
  std::vector<Kernel> kernels;
};

llvm::Expected<std::unique_ptr<Program>> decode(const ParsedModule &module);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_PROGRAM_H
