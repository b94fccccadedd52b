//===- InstructionTable.h - how instructions are decoded -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_INSTRUCTIONTABLE_H
#define QUANTOPT_LIB_PTX_INSTRUCTIONTABLE_H

#include "Program.h"
#include "llvm/ADT/StringMap.h"

namespace quantopt::ptx {

class KernelDecoder;

/// Decodes one instruction: reads its modifiers and operands, then names the function that computes it. The first thing
/// that goes wrong is kept as `error`; methods return something harmless afterwards, so that decoding functions need
/// not look.
class InstructionDecoder {
public:
  InstructionDecoder(KernelDecoder &kernel, const ParsedInstruction &source, Instruction &result,
                     llvm::ArrayRef<llvm::StringRef> modifiers)
      : source(source), result(result), kernel(kernel), modifiers(modifiers.begin(), modifiers.end()) {}

  void fail(const llvm::Twine &what);
  bool failed() const { return !error.empty(); }

  // Modifiers, without their dots, in any order; all must be taken.
  bool take(llvm::StringRef modifier);
  /// Index of the first alternative that is there, or -1.
  int takeOneOf(llvm::ArrayRef<llvm::StringRef> alternatives);
  /// The first modifier that is a scalar type.
  ScalarType takeType();
  std::optional<ScalarType> takeOptionalType();
  /// .global, .shared and so on; Generic where there is none. Also takes ::cta.
  StateSpace takeSpace();
  bool hasModifiers() const { return !modifiers.empty(); }
  llvm::ArrayRef<llvm::StringRef> remaining() const { return modifiers; }
  /// Takes modifiers that have no meaning here: cache hints, .weak. With .L2::cache_hint the last operand, a policy, is
  /// taken too.
  void dropHints();

  // Operands, by position in the text. They are appended to result.operands.
  unsigned numOperands() const { return source.operands.size() - hasPolicy; }
  bool isAddress(unsigned i) const;
  bool isVector(unsigned i) const;
  bool isPredicate(unsigned i) const;
  /// Elements of a vector; 1 for anything else.
  unsigned numElements(unsigned i) const;
  void expectOperands(unsigned least, unsigned most);
  void expectOperands(unsigned count) { expectOperands(count, count); }
  /// A row of exactly `bits`; with `isWider` also of more (ld, st, cvt). Immediate values take `bits`.
  void read(unsigned i, unsigned bits, bool isWider = false);
  void write(unsigned i, unsigned bits, bool isWider = false);
  /// The elements of a vector of `count`; a lone operand where `count` is 1.
  void readVector(unsigned i, unsigned count, unsigned bits, bool isWider = false);
  void writeVector(unsigned i, unsigned count, unsigned bits, bool isWider = false);
  void readPredicate(unsigned i);
  void writePredicate(unsigned i);
  /// d|p: the second half; Discard where there is none.
  void writeWithPredicate(unsigned i, unsigned bits);
  void writePredicates(unsigned i);
  /// An integer that is known here.
  uint64_t readImmediate(unsigned i);
  std::optional<uint64_t> immediateAt(unsigned i) const;
  /// [base+offset] into result.address, secondAddress or thirdAddress, and the other elements of the bracket as 32-bit
  /// operands.
  void readAddress(unsigned i, unsigned which = 0);
  void readLabel(unsigned i);

  void execute(Execute function) { result.execute = function; }
  /// Notes an access that memory is watched for.
  void access(StateSpace space, unsigned bytes);
  /// Notes that the kernel needs to watch the asynchronous proxy, or wgmma in flight.
  void useAsyncProxy();
  void useWarpGroups();
  /// Refuses targets below sm_`least`.
  void require(unsigned least);
  unsigned target() const;
  char targetSuffix() const;

  const ParsedInstruction &source;
  Instruction &result;
  std::string error;

private:
  const ParsedOperand *operand(unsigned i);
  void readOperand(const ParsedOperand &operand, unsigned bits, bool isWider);
  void writeOperand(const ParsedOperand &operand, unsigned bits, bool isWider);
  void predicateOperand(const ParsedOperand &operand, bool isWritten);

  KernelDecoder &kernel;
  bool hasPolicy = false;
  llvm::SmallVector<llvm::StringRef, 8> modifiers;
};

/// Instructions by the front of their opcode: "add", "cp.async", "cp.async.commit_group". The longest that fits is
/// taken; the decoding function sees what is left as modifiers.
class InstructionTable {
public:
  using Decode = void (*)(InstructionDecoder &decoder);
  void add(llvm::StringRef opcode, Decode decode) { entries[opcode] = decode; }
  /// Null where nothing fits; `parts` loses what was matched.
  Decode find(llvm::ArrayRef<llvm::StringRef> &parts) const;
  static const InstructionTable &get();

private:
  llvm::StringMap<Decode> entries;
};

// One function a file of instructions.
void addIntegerInstructions(InstructionTable &table);
void addBitInstructions(InstructionTable &table);
void addComparisonInstructions(InstructionTable &table);
void addFloatInstructions(InstructionTable &table);
void addConversionInstructions(InstructionTable &table);
void addMemoryInstructions(InstructionTable &table);
void addAtomicInstructions(InstructionTable &table);
void addAsyncInstructions(InstructionTable &table);
void addControlInstructions(InstructionTable &table);
void addWarpInstructions(InstructionTable &table);
void addMatrixInstructions(InstructionTable &table);
void addMbarrierInstructions(InstructionTable &table);
void addBulkCopyInstructions(InstructionTable &table);
void addWgmmaInstructions(InstructionTable &table);
void addClusterInstructions(InstructionTable &table);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_INSTRUCTIONTABLE_H
