//===- InstructionTable.cpp - how instructions are decoded ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InstructionTable.h"
#include "Decoder.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/bit.h"

using namespace quantopt::ptx;

using Kind = ParsedOperand::Kind;

//===----------------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------------===//

const InstructionTable &InstructionTable::get() {
  static const InstructionTable table = [] {
    InstructionTable all;
    addIntegerInstructions(all);
    addBitInstructions(all);
    addComparisonInstructions(all);
    addFloatInstructions(all);
    addConversionInstructions(all);
    addMemoryInstructions(all);
    addAtomicInstructions(all);
    addAsyncInstructions(all);
    addControlInstructions(all);
    addWarpInstructions(all);
    addMatrixInstructions(all);
    addMbarrierInstructions(all);
    addBulkCopyInstructions(all);
    addWgmmaInstructions(all);
    addClusterInstructions(all);
    return all;
  }();
  return table;
}

InstructionTable::Decode InstructionTable::find(llvm::ArrayRef<llvm::StringRef> &parts) const {
  for (size_t length = parts.size(); length > 0; --length) {
    auto found = entries.find(llvm::StringRef(parts[0].begin(), parts[length - 1].end() - parts[0].begin()));
    if (found == entries.end())
      continue;
    parts = parts.drop_front(length);
    return found->second;
  }
  return nullptr;
}

//===----------------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------------===//

void InstructionDecoder::fail(const llvm::Twine &what) {
  if (!failed())
    error = what.str();
}

bool InstructionDecoder::take(llvm::StringRef modifier) {
  auto *found = llvm::find(modifiers, modifier);
  if (found == modifiers.end())
    return false;
  modifiers.erase(found);
  return true;
}

int InstructionDecoder::takeOneOf(llvm::ArrayRef<llvm::StringRef> alternatives) {
  for (size_t i = 0; i < alternatives.size(); ++i)
    if (take(alternatives[i]))
      return i;
  return -1;
}

std::optional<ScalarType> InstructionDecoder::takeOptionalType() {
  for (auto *modifier = modifiers.begin(); modifier != modifiers.end(); ++modifier)
    if (std::optional<ScalarType> type = parseScalarType(*modifier)) {
      modifiers.erase(modifier);
      return type;
    }
  return std::nullopt;
}

ScalarType InstructionDecoder::takeType() {
  if (std::optional<ScalarType> type = takeOptionalType())
    return *type;
  fail("expected a type");
  return ScalarType::B32;
}

StateSpace InstructionDecoder::takeSpace() {
  if (take("local"))
    fail("local memory is not supported");
  if (take("global"))
    return StateSpace::Global;
  // A cluster is one CTA.
  if (take("shared") || take("shared::cta") || take("shared::cluster"))
    return StateSpace::Shared;
  if (take("const"))
    return StateSpace::Const;
  if (take("param") || take("param::entry"))
    return StateSpace::Param;
  return StateSpace::Generic;
}

void InstructionDecoder::dropHints() {
  if (llvm::is_contained(modifiers, "L2::cache_hint") && !source.operands.empty()) {
    require(80);
    read(source.operands.size() - 1, 64);
    // It is read, but no operand of the function that computes.
    if (!failed())
      result.operands.pop_back();
    hasPolicy = true;
  }
  llvm::erase_if(modifiers, [](llvm::StringRef modifier) {
    return modifier == "weak" || modifier == "nc" || modifier == "cg" || modifier == "ca" || modifier == "cs" ||
           modifier == "lu" || modifier == "cv" || modifier == "wb" || modifier == "wt" || modifier == "unified" ||
           modifier.starts_with("L1::") || modifier.starts_with("L2::");
  });
}

void InstructionDecoder::require(unsigned least) {
  if (target() < least)
    fail("requires sm_" + llvm::Twine(least) + " or above, the target is sm_" + llvm::Twine(target()));
}

unsigned InstructionDecoder::target() const { return kernel.module.target; }
char InstructionDecoder::targetSuffix() const { return kernel.module.targetSuffix; }

//===----------------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------------===//

const ParsedOperand *InstructionDecoder::operand(unsigned i) {
  if (i < source.operands.size())
    return &source.operands[i];
  fail("expected more than " + llvm::Twine(source.operands.size()) + " operands");
  return nullptr;
}

bool InstructionDecoder::isAddress(unsigned i) const {
  return i < source.operands.size() && source.operands[i].kind == Kind::Address;
}

bool InstructionDecoder::isVector(unsigned i) const {
  return i < source.operands.size() && source.operands[i].kind == Kind::Vector;
}

bool InstructionDecoder::isPredicate(unsigned i) const {
  return i < source.operands.size() && source.operands[i].kind == Kind::Register &&
         kernel.kernel.registers[source.operands[i].index].bits == 1;
}

unsigned InstructionDecoder::numElements(unsigned i) const {
  return isVector(i) ? source.operands[i].elements.size() : 1;
}

void InstructionDecoder::expectOperands(unsigned least, unsigned most) {
  if (numOperands() < least || numOperands() > most)
    fail("expected " + llvm::Twine(least) + (most > least ? " to " + llvm::Twine(most) : llvm::Twine("")) +
         " operands, found " + llvm::Twine(numOperands()));
}

static std::string widthMismatch(const ParsedRegister &actual, unsigned expected) {
  auto describe = [](unsigned bits) {
    return bits == 1 ? std::string("a predicate") : "a register of " + std::to_string(bits) + " bits";
  };
  return "expected " + describe(expected) + ", '" + actual.name + "' is " + describe(actual.bits);
}

void InstructionDecoder::readOperand(const ParsedOperand &operand, unsigned bits, bool isWider) {
  // Values of 8 bits are in registers of 16.
  bits = std::max(bits, 16u);
  if (operand.kind == Kind::Register || operand.kind == Kind::Symbol) {
    std::optional<Operand> row =
        operand.kind == Kind::Register ? kernel.registerOperand(operand.index) : kernel.symbol(operand, bits);
    if (!row)
      return fail("unknown name '" + operand.name + "'");
    if (row->bits != bits && !(isWider && row->bits > bits))
      return fail(widthMismatch(kernel.kernel.registers[row->index], bits));
    if (row->kind == Operand::Kind::Register)
      result.reads.push_back(row->index);
    result.operands.push_back(*row);
    return;
  }
  if (operand.kind == Kind::Integer) {
    result.operands.push_back(kernel.constant(operand.value, bits));
    return;
  }
  if (operand.kind == Kind::Real) {
    uint64_t value = operand.value;
    if (operand.isDouble && bits == 32)
      value = llvm::bit_cast<uint32_t>(float(llvm::bit_cast<double>(value)));
    if (bits < 32)
      return fail("a floating-point constant has 32 or 64 bits");
    result.operands.push_back(kernel.constant(value, bits));
    return;
  }
  fail("expected a register or a constant");
}

void InstructionDecoder::writeOperand(const ParsedOperand &operand, unsigned bits, bool isWider) {
  bits = std::max(bits, 16u);
  if (operand.kind == Kind::Discard) {
    result.operands.push_back(kernel.scratch(bits));
    return;
  }
  if (operand.kind != Kind::Register)
    return fail("expected a register to write to");
  Operand row = kernel.registerOperand(operand.index);
  if (row.bits != bits && !(isWider && row.bits > bits))
    return fail(widthMismatch(kernel.kernel.registers[row.index], bits));
  result.writes.push_back(row.index);
  result.operands.push_back(row);
}

void InstructionDecoder::predicateOperand(const ParsedOperand &operand, bool isWritten) {
  Operand row;
  if (operand.kind == Kind::Discard && isWritten) {
    result.operands.push_back(row);
    return;
  }
  if (operand.kind == Kind::Integer && !isWritten) {
    row.kind = Operand::Kind::Constant;
    row.index = operand.value ? ~0u : 0;
    result.operands.push_back(row);
    return;
  }
  if (operand.kind != Kind::Register)
    return fail("expected a predicate");
  row = kernel.registerOperand(operand.index);
  if (row.bits != 1)
    return fail(widthMismatch(kernel.kernel.registers[row.index], 1));
  if (operand.isNegated && isWritten)
    return fail("cannot write to a negated predicate");
  row.isNegated = operand.isNegated;
  (isWritten ? result.writes : result.reads).push_back(row.index);
  result.operands.push_back(row);
}

void InstructionDecoder::read(unsigned i, unsigned bits, bool isWider) {
  if (const ParsedOperand *parsed = operand(i))
    readOperand(*parsed, bits, isWider);
}

void InstructionDecoder::write(unsigned i, unsigned bits, bool isWider) {
  if (const ParsedOperand *parsed = operand(i))
    writeOperand(*parsed, bits, isWider);
}

void InstructionDecoder::readVector(unsigned i, unsigned count, unsigned bits, bool isWider) {
  if (numElements(i) != count)
    return fail("expected a vector of " + llvm::Twine(count));
  if (!isVector(i))
    return read(i, bits, isWider);
  for (const ParsedOperand &element : source.operands[i].elements)
    readOperand(element, bits, isWider);
}

void InstructionDecoder::writeVector(unsigned i, unsigned count, unsigned bits, bool isWider) {
  if (numElements(i) != count)
    return fail("expected a vector of " + llvm::Twine(count));
  if (!isVector(i))
    return write(i, bits, isWider);
  for (const ParsedOperand &element : source.operands[i].elements)
    writeOperand(element, bits, isWider);
}

void InstructionDecoder::readPredicate(unsigned i) {
  if (const ParsedOperand *parsed = operand(i))
    predicateOperand(*parsed, false);
}

void InstructionDecoder::writePredicate(unsigned i) {
  if (const ParsedOperand *parsed = operand(i))
    predicateOperand(*parsed, true);
}

void InstructionDecoder::writeWithPredicate(unsigned i, unsigned bits) {
  const ParsedOperand *parsed = operand(i);
  if (!parsed)
    return;
  if (parsed->kind != Kind::Pair) {
    writeOperand(*parsed, bits, false);
    result.operands.emplace_back();
    return;
  }
  writeOperand(parsed->elements[0], bits, false);
  predicateOperand(parsed->elements[1], true);
}

void InstructionDecoder::writePredicates(unsigned i) {
  const ParsedOperand *parsed = operand(i);
  if (!parsed)
    return;
  if (parsed->kind != Kind::Pair) {
    predicateOperand(*parsed, true);
    result.operands.emplace_back();
    return;
  }
  predicateOperand(parsed->elements[0], true);
  predicateOperand(parsed->elements[1], true);
}

std::optional<uint64_t> InstructionDecoder::immediateAt(unsigned i) const {
  if (i < source.operands.size() && source.operands[i].kind == Kind::Integer)
    return source.operands[i].value;
  return std::nullopt;
}

uint64_t InstructionDecoder::readImmediate(unsigned i) {
  if (std::optional<uint64_t> value = immediateAt(i))
    return *value;
  fail("expected an integer constant");
  return 0;
}

void InstructionDecoder::readAddress(unsigned i, unsigned which) {
  const ParsedOperand *parsed = operand(i);
  if (!parsed)
    return;
  if (parsed->kind != Kind::Address)
    return fail("expected an address");
  AddressOperand &address = which == 0 ? result.address : which == 1 ? result.secondAddress : result.thirdAddress;
  const ParsedOperand &base = parsed->elements[0];
  address.displacement = parsed->value;
  if (base.kind == Kind::Register) {
    address.base = kernel.registerOperand(base.index);
    result.reads.push_back(base.index);
    if (address.base.bits != 32 && address.base.bits != 64)
      return fail("an address has 32 or 64 bits, '" + base.name + "' has " + llvm::Twine(address.base.bits));
  } else if (base.kind == Kind::Integer) {
    address.base = kernel.constant(base.value, 64);
  } else {
    std::optional<Operand> row = base.kind == Kind::Symbol ? kernel.symbol(base, 64) : std::nullopt;
    if (!row || row->kind != Operand::Kind::Constant)
      return fail("unknown name '" + base.name + "'");
    address.base = *row;
  }
  for (const ParsedOperand &more : llvm::ArrayRef(parsed->elements).drop_front()) {
    if (more.kind != Kind::Vector) {
      readOperand(more, 32, true);
      continue;
    }
    for (const ParsedOperand &element : more.elements)
      readOperand(element, 32, true);
  }
}

void InstructionDecoder::readLabel(unsigned i) {
  const ParsedOperand *parsed = operand(i);
  if (!parsed)
    return;
  std::optional<uint32_t> target = kernel.label(parsed->name, source.scope);
  if (parsed->kind != Kind::Symbol || !target)
    return fail("unknown label '" + parsed->name + "'");
  result.target = *target;
}

void InstructionDecoder::useAsyncProxy() { kernel.kernel.usesAsyncProxy = true; }
void InstructionDecoder::useWarpGroups() { kernel.kernel.usesWarpGroups = true; }

void InstructionDecoder::access(StateSpace space, unsigned bytes) {
  result.isMemory = true;
  if (space == StateSpace::Shared || space == StateSpace::Generic)
    kernel.kernel.sharedGranule = std::min(kernel.kernel.sharedGranule, bytes);
  if (space == StateSpace::Global || space == StateSpace::Generic)
    kernel.kernel.globalGranule = std::min(kernel.kernel.globalGranule, bytes);
}
