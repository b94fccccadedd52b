//===- Decoder.cpp - syntax to decoded kernels ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Decoder.h"
#include "InstructionTable.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <atomic>

using namespace quantopt::ptx;

namespace {

/// Room after each shared variable but the last, so that running over its end is noticed. A multiple of the 128 bytes
/// that all banks hold: conflicts stay what they are.
constexpr uint64_t sharedGap = 128;
constexpr unsigned lanes = 32;

} // namespace

static llvm::Error lineError(const ParsedModule &module, unsigned line, const llvm::Twine &message) {
  return llvm::createStringError(module.name + ":" + llvm::Twine(line) + ": " + message);
}

//===----------------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------------===//

uint32_t KernelDecoder::addRegister(unsigned bits, llvm::StringRef name) {
  uint32_t index = kernel.registers.size();
  kernel.registers.push_back({name.str(), bits});
  offsets.push_back(kernel.registerBytes);
  // Predicates have masks elsewhere.
  kernel.registerBytes += bits == 1 ? 0 : llvm::alignTo(bits / 8 * lanes, 64);
  return index;
}

Operand KernelDecoder::registerOperand(unsigned index) const {
  Operand operand;
  operand.bits = kernel.registers[index].bits;
  operand.kind = operand.bits == 1 ? Operand::Kind::Predicate : Operand::Kind::Register;
  operand.index = index;
  operand.offset = offsets[index];
  return operand;
}

Operand KernelDecoder::scratch(unsigned bits) {
  auto [entry, isNew] = scratches.try_emplace(bits, 0);
  if (isNew)
    entry->second = addRegister(bits, "_");
  return registerOperand(entry->second);
}

Operand KernelDecoder::constant(uint64_t value, unsigned bits) {
  if (bits < 64)
    value &= llvm::maskTrailingOnes<uint64_t>(bits);
  auto [entry, isNew] = constantOffsets.try_emplace({value, bits}, 0);
  if (isNew) {
    entry->second = kernel.constants.size() * sizeof(uint64_t);
    uint64_t word = bits == 16 ? value * 0x0001'0001'0001'0001 : bits == 32 ? value * 0x1'0000'0001 : value;
    kernel.constants.insert(kernel.constants.end(), std::min(bits, 64u) / 8 * lanes / sizeof(uint64_t), word);
    if (bits == 128)
      kernel.constants.insert(kernel.constants.end(), lanes, 0);
  }
  Operand operand;
  operand.kind = Operand::Kind::Constant;
  operand.bits = bits;
  operand.offset = entry->second;
  return operand;
}

std::optional<Operand> KernelDecoder::special(llvm::StringRef name) {
  using S = SpecialRegister;
  auto which = llvm::StringSwitch<std::optional<S>>(name)
                   .Case("%tid.x", S::TidX)
                   .Case("%tid.y", S::TidY)
                   .Case("%tid.z", S::TidZ)
                   .Case("%ntid.x", S::NtidX)
                   .Case("%ntid.y", S::NtidY)
                   .Case("%ntid.z", S::NtidZ)
                   .Case("%ctaid.x", S::CtaidX)
                   .Case("%ctaid.y", S::CtaidY)
                   .Case("%ctaid.z", S::CtaidZ)
                   .Case("%nctaid.x", S::NctaidX)
                   .Case("%nctaid.y", S::NctaidY)
                   .Case("%nctaid.z", S::NctaidZ)
                   .Case("%laneid", S::LaneId)
                   .Case("%warpid", S::WarpId)
                   .Case("%nwarpid", S::NWarpId)
                   .Case("%lanemask_eq", S::LanemaskEq)
                   .Case("%lanemask_le", S::LanemaskLe)
                   .Case("%lanemask_lt", S::LanemaskLt)
                   .Case("%lanemask_ge", S::LanemaskGe)
                   .Case("%lanemask_gt", S::LanemaskGt)
                   .Case("%dynamic_smem_size", S::DynamicSharedSize)
                   // A cluster is one CTA.
                   .Cases({"%cluster_ctaid.x", "%cluster_ctaid.y", "%cluster_ctaid.z", "%cluster_ctarank"}, S::Zero)
                   .Cases({"%cluster_nctaid.x", "%cluster_nctaid.y", "%cluster_nctaid.z", "%cluster_nctarank"}, S::One)
                   .Case("%clusterid.x", S::CtaidX)
                   .Case("%clusterid.y", S::CtaidY)
                   .Case("%clusterid.z", S::CtaidZ)
                   .Case("%nclusterid.x", S::NctaidX)
                   .Case("%nclusterid.y", S::NctaidY)
                   .Case("%nclusterid.z", S::NctaidZ)
                   .Default(std::nullopt);
  if (!which)
    return std::nullopt;
  auto [entry, isNew] = specialIndices.try_emplace(name, 0);
  if (isNew) {
    entry->second = addRegister(32, name);
    kernel.specials.emplace_back(*which, registerOperand(entry->second));
  }
  return registerOperand(entry->second);
}

std::optional<Operand> KernelDecoder::symbol(const ParsedOperand &operand, unsigned bits) {
  if (operand.name.starts_with("%"))
    return special(operand.name);
  for (const Variable &variable : kernel.shared)
    if (operand.name == variable.name)
      return constant(variable.address + operand.value, bits);
  for (const Variable &variable : program.variables)
    if (operand.name == variable.name)
      return constant(variable.address + operand.value, bits);
  for (const KernelParameter &parameter : source.info.parameters)
    if (operand.name == parameter.name)
      return constant(parameter.offset + operand.value, bits);
  return std::nullopt;
}

std::optional<uint32_t> KernelDecoder::label(llvm::StringRef name, unsigned scope) const {
  for (;; scope = source.scopes[scope]) {
    for (const ParsedLabel &label : source.labels)
      if (label.scope == scope && label.name == name)
        return label.target;
    if (scope == 0)
      return std::nullopt;
  }
}

//===----------------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------------===//

void KernelDecoder::layOutShared() {
  uint64_t offset = 0;
  auto place = [&](const ParsedVariable &variable) {
    if (variable.space != StateSpace::Shared || variable.isExtern)
      return;
    offset = llvm::alignTo(offset, variable.alignment);
    kernel.shared.push_back({variable.name, StateSpace::Shared, offset, variable.size, {}});
    offset = llvm::alignTo(offset + variable.size + sharedGap, sharedGap);
    kernel.info.staticSharedBytes += llvm::alignTo(variable.size, 16);
  };
  llvm::for_each(module.variables, place);
  llvm::for_each(source.variables, place);
  // Every external array begins where the dynamic memory does, which suits the strictest of them.
  llvm::SmallVector<const ParsedVariable *> dynamic;
  for (llvm::ArrayRef<ParsedVariable> variables : {llvm::ArrayRef(module.variables), llvm::ArrayRef(source.variables)})
    for (const ParsedVariable &variable : variables)
      if (variable.space == StateSpace::Shared && variable.isExtern)
        dynamic.push_back(&variable);
  for (const ParsedVariable *variable : dynamic)
    offset = llvm::alignTo(offset, variable->alignment);
  for (const ParsedVariable *variable : dynamic)
    kernel.shared.push_back({variable->name, StateSpace::Shared, offset, 0, {}});
  kernel.dynamicOffset = offset;
  kernel.info.usesDynamicShared = !dynamic.empty();
}

llvm::Error KernelDecoder::decodeInstruction(const ParsedInstruction &parsed) {
  llvm::SmallVector<llvm::StringRef, 12> parts;
  parsed.opcode.split(parts, '.');
  llvm::ArrayRef<llvm::StringRef> modifiers = parts;
  InstructionTable::Decode decodeFunction = InstructionTable::get().find(modifiers);
  if (!decodeFunction)
    return lineError(module, parsed.line, "unknown instruction '" + parsed.opcode + "'");

  Instruction instruction;
  instruction.line = parsed.line;
  instruction.guard = parsed.guard;
  instruction.isGuardNegated = parsed.isGuardNegated;
  if (parsed.guard >= 0)
    instruction.reads.push_back(parsed.guard);
  llvm::SmallVector<llvm::StringRef> words;
  llvm::SplitString(parsed.text, words, " \t\r\n\f\v");
  instruction.text = llvm::join(words, " ");
  auto [entry, isNew] = opcodeIndices.try_emplace(parsed.opcode, kernel.opcodes.size());
  if (isNew)
    kernel.opcodes.push_back(parsed.opcode.str());
  instruction.opcode = entry->second;

  InstructionDecoder decoder(*this, parsed, instruction, modifiers);
  decodeFunction(decoder);
  if (!decoder.failed() && decoder.hasModifiers())
    decoder.fail("modifier '." + decoder.remaining().front() + "' is not supported");
  if (decoder.failed())
    return lineError(module, parsed.line, "'" + llvm::Twine(instruction.text) + "': " + decoder.error);
  kernel.instructions.push_back(std::move(instruction));
  return llvm::Error::success();
}

llvm::Expected<Kernel> KernelDecoder::decode() {
  kernel.info = source.info;
  for (const ParsedRegister &declared : source.registers)
    addRegister(declared.bits, declared.name);
  layOutShared();
  kernel.instructions.reserve(source.instructions.size());
  for (const ParsedInstruction &instruction : source.instructions)
    if (llvm::Error error = decodeInstruction(instruction))
      return error;
  findReconvergence(kernel.instructions);
  return std::move(kernel);
}

Program::Program() {
  static std::atomic<uint64_t> next{0};
  id = next++;
}

static void addVariables(llvm::ArrayRef<ParsedVariable> variables, Program &program) {
  for (const ParsedVariable &variable : variables) {
    if (variable.space == StateSpace::Shared)
      continue;
    // A gap of 256 bytes, so that running over an end is noticed.
    program.variableBytes = llvm::alignTo(program.variableBytes, variable.alignment);
    program.variables.push_back(
        {variable.name, variable.space, variableWindow + program.variableBytes, variable.size, variable.initial});
    program.variableBytes = llvm::alignTo(program.variableBytes + variable.size + 256, 256);
  }
}

llvm::Expected<std::unique_ptr<Program>> quantopt::ptx::decode(const ParsedModule &module) {
  auto program = std::make_unique<Program>();
  program->name = module.name;
  program->target = module.target;
  program->targetSuffix = module.targetSuffix;
  addVariables(module.variables, *program);
  for (const ParsedKernel &kernel : module.kernels)
    addVariables(kernel.variables, *program);
  for (const ParsedKernel &parsed : module.kernels) {
    llvm::Expected<Kernel> kernel = KernelDecoder(module, parsed, *program).decode();
    if (!kernel)
      return kernel.takeError();
    program->kernels.push_back(std::move(*kernel));
  }
  return program;
}
