//===- Syntax.h - what the parser makes of PTX text ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_SYNTAX_H
#define QUANTOPT_LIB_PTX_SYNTAX_H

#include "Types.h"
#include "quantopt/Ptx/Module.h"
#include "llvm/ADT/SmallVector.h"

namespace quantopt::ptx {

/// A variable of a state space other than .reg and .param.
struct ParsedVariable {
  std::string name;
  StateSpace space = StateSpace::Global;
  uint64_t alignment = 1, size = 0;
  bool isExtern = false;
  /// Little-endian bytes of the initialiser; the rest of the variable is zero. Empty without one.
  std::vector<uint8_t> initial;
  unsigned line = 0;
};

struct ParsedRegister {
  std::string name;
  /// 1 for predicates, otherwise 16 (also for 8), 32, 64 or 128.
  unsigned bits = 32;
};

struct ParsedOperand {
  enum class Kind : uint8_t {
    Register,
    /// %tid.x and the like, labels, variables and parameters: `name`.
    Symbol,
    Integer,
    /// `value` holds the bits of a f32 (0f), `isDouble`: of a f64 (0d, 1.5).
    Real,
    /// {a, b}
    Vector,
    /// [base+value, more...]: `elements` are the base and what follows it.
    Address,
    /// a|b
    Pair,
    /// _
    Discard
  };
  Kind kind = Kind::Discard;
  /// `!` before a predicate.
  bool isNegated = false;
  bool isDouble = false;
  unsigned index = 0;
  uint64_t value = 0;
  llvm::StringRef name;
  std::vector<ParsedOperand> elements;
};

struct ParsedInstruction {
  unsigned line = 0;
  /// As written, guard included, without the semicolon.
  llvm::StringRef text;
  llvm::StringRef opcode;
  std::vector<ParsedOperand> operands;
  /// Index of the guarding predicate in the kernel's registers, or -1.
  int guard = -1;
  bool isGuardNegated = false;
  /// The lexical scope it is in.
  unsigned scope = 0;
};

struct ParsedLabel {
  llvm::StringRef name;
  unsigned scope = 0;
  /// The instruction it precedes.
  unsigned target = 0;
};

struct ParsedKernel {
  KernelInfo info;
  unsigned line = 0;
  std::vector<ParsedRegister> registers;
  std::vector<ParsedVariable> variables;
  std::vector<ParsedInstruction> instructions;
  std::vector<ParsedLabel> labels;
  /// Parent of each lexical scope; scope 0 is the body.
  std::vector<unsigned> scopes;
};

struct ParsedModule {
  /// What every StringRef here points into.
  std::string text;
  std::string name;
  unsigned version = 0, target = 0;
  /// The letter of sm_90a or sm_100f.
  char targetSuffix = 0;
  std::vector<ParsedVariable> variables;
  std::vector<ParsedKernel> kernels;
};

llvm::Expected<std::unique_ptr<ParsedModule>> parseSyntax(llvm::StringRef text, llvm::StringRef name);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_SYNTAX_H
