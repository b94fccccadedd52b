//===- RunnableCheck.cpp - whether a plan generates tokens ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/BundlePlan.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace quantopt;
using namespace quantopt::runtime;
using OperandKind = PlannedLaunch::Operand::Kind;

namespace {
/// Follows the arrays of one phase through its launches.
class PhaseCheck {
public:
  PhaseCheck(const BundlePlan &plan, const PlannedPhase &phase) : plan(plan), phase(phase) {}
  llvm::Error run();

private:
  llvm::Error fail(const llvm::Twine &what) const {
    return llvm::createStringError("plan.json: phase '" + phase.name + "': " + what);
  }
  llvm::Error fail(unsigned launch, const llvm::Twine &what) const {
    return fail("launch " + llvm::Twine(launch) + " (" + plan.kernels[phase.launches[launch].kernel].name +
                "): " + what);
  }
  llvm::Error checkInput(llvm::StringRef name, DType dtype, uint64_t rowBytes);
  llvm::Error checkOutputs();
  llvm::Error checkReads(unsigned launch);
  llvm::Error checkWrites(unsigned launch);
  llvm::Error checkTail(unsigned launch);
  bool isInput(unsigned buffer) const {
    return llvm::any_of(phase.inputs, [&](const auto &input) { return input.second == buffer; });
  }
  bool isResult(unsigned launch, unsigned operand) const {
    return plan.kernels[phase.launches[launch].kernel].arguments[operand].kind == PlannedKernelArgument::Kind::Result;
  }
  /// Whether a launch takes a buffer as its residual alone: a result may have that one's place.
  bool isResidual(unsigned launch, unsigned buffer) const {
    bool isOther = false, isFound = false;
    const PlannedLaunch &planned = phase.launches[launch];
    for (auto [operand, argument] : llvm::zip_equal(planned.operands, plan.kernels[planned.kernel].arguments))
      if (operand.kind == OperandKind::Buffer && operand.index == buffer)
        (argument.name == "residual" ? isFound : isOther) = true;
    return isFound && !isOther;
  }
  bool overlap(unsigned a, unsigned b) const {
    const PlannedBuffer &first = phase.buffers[a], &second = phase.buffers[b];
    return *first.offset < *second.offset + second.rowBytes && *second.offset < *first.offset + first.rowBytes;
  }
  bool samePlace(unsigned a, unsigned b) const {
    return phase.buffers[a].offset == phase.buffers[b].offset && phase.buffers[a].rowBytes == phase.buffers[b].rowBytes;
  }

  const BundlePlan &plan;
  const PlannedPhase &phase;
  /// By buffer: whether a launch has written it, and the last launch that reads it.
  std::vector<bool> isWritten;
  std::vector<size_t> lastRead;
  /// Those that are written and lie in the arena.
  std::vector<unsigned> written;
  unsigned logits = 0;
};
} // namespace

llvm::Error PhaseCheck::checkInput(llvm::StringRef name, DType dtype, uint64_t rowBytes) {
  auto found = phase.inputs.find(name.str());
  if (found == phase.inputs.end())
    return fail("there is no input '" + name + "'");
  const PlannedBuffer &buffer = phase.buffers[found->second];
  if (buffer.offset)
    return fail("the input '" + name + "' has a place in the arena");
  if (buffer.dtype != dtype || (rowBytes && buffer.rowBytes != rowBytes))
    return fail("expected '" + name + "' to be of " + toString(dtype) + " with rows of " + llvm::Twine(rowBytes) +
                " bytes");
  return llvm::Error::success();
}

llvm::Error PhaseCheck::checkOutputs() {
  auto found = phase.outputs.find("logits");
  if (found == phase.outputs.end())
    return fail("there is no output 'logits'");
  logits = found->second;
  const PlannedBuffer &buffer = phase.buffers[logits];
  bool isKnown = buffer.dtype == DType::F32 || buffer.dtype == DType::F16 || buffer.dtype == DType::BF16;
  if (!isKnown || buffer.rowBytes != bytesInFile(buffer.dtype, plan.model->vocabulary) || buffer.offset ||
      isInput(logits))
    return fail("expected 'logits' to be rows of " + llvm::Twine(plan.model->vocabulary) +
                " elements of f32, f16 or bf16 outside of the arena");
  return llvm::Error::success();
}

llvm::Error PhaseCheck::checkReads(unsigned launch) {
  for (auto [position, operand] : llvm::enumerate(phase.launches[launch].operands)) {
    if (operand.kind != OperandKind::Buffer || isResult(launch, position))
      continue;
    const PlannedBuffer &buffer = phase.buffers[operand.index];
    if (!isWritten[operand.index] && !isInput(operand.index))
      return fail(launch, "nothing has written '" + buffer.name + "', which it reads");
  }
  return llvm::Error::success();
}

llvm::Error PhaseCheck::checkWrites(unsigned launch) {
  for (auto [position, operand] : llvm::enumerate(phase.launches[launch].operands)) {
    if (operand.kind != OperandKind::Buffer || !isResult(launch, position))
      continue;
    const std::string &name = phase.buffers[operand.index].name;
    if (isWritten[operand.index])
      return fail(launch, "'" + name + "' is written twice");
    isWritten[operand.index] = true;
    if (!phase.buffers[operand.index].offset) {
      if (operand.index != logits)
        return fail(launch, "'" + name + "' has no place in the arena, and is not the logits");
      continue;
    }
    for (unsigned other : written) {
      bool isDone = lastRead[other] < launch ||
                    (lastRead[other] == launch && samePlace(other, operand.index) && isResidual(launch, other));
      if (!isDone && overlap(other, operand.index))
        return fail(launch, "'" + name + "' would overwrite '" + phase.buffers[other].name + "', which is needed");
    }
    written.push_back(operand.index);
  }
  return llvm::Error::success();
}

llvm::Error PhaseCheck::checkTail(unsigned launch) {
  if (plan.kernels[phase.launches[launch].kernel].gridRows != PlannedKernel::GridRows::Rows)
    return fail(launch, "is in the tail, but its grid counts sequences");
  for (const PlannedLaunch::Operand &operand : phase.launches[launch].operands) {
    bool looksAround = operand.kind == OperandKind::Cache;
    for (const char *name : {"sequences", "pages"})
      if (auto found = phase.inputs.find(name); found != phase.inputs.end())
        looksAround |= operand.kind == OperandKind::Buffer && operand.index == found->second;
    if (looksAround)
      return fail(launch, "is in the tail, but looks at more than its row");
  }
  return llvm::Error::success();
}

llvm::Error PhaseCheck::run() {
  if (llvm::Error error = checkInput("ids", DType::I64, 8))
    return error;
  if (llvm::Error error = checkInput("sequences", DType::I32, 16))
    return error;
  if (plan.model->isPaged)
    if (llvm::Error error = checkInput("pages", DType::I32, 0))
      return error;
  if (llvm::Error error = checkOutputs())
    return error;
  isWritten.assign(phase.buffers.size(), false);
  lastRead.assign(phase.buffers.size(), 0);
  for (auto [i, launch] : llvm::enumerate(phase.launches))
    for (auto [position, operand] : llvm::enumerate(launch.operands))
      if (operand.kind == OperandKind::Buffer && !isResult(i, position))
        lastRead[operand.index] = i;
  for (unsigned launch = 0; launch < phase.launches.size(); ++launch) {
    if (llvm::Error error = checkReads(launch))
      return error;
    if (llvm::Error error = checkWrites(launch))
      return error;
    if (launch >= phase.tail)
      if (llvm::Error error = checkTail(launch))
        return error;
  }
  return isWritten[logits] ? llvm::Error::success() : fail("no launch writes the logits");
}

llvm::Error BundlePlan::checkRunnable() const {
  if (!unlowered.empty()) {
    std::string list;
    for (const UnloweredOps &ops : unlowered)
      list += (list.empty() ? "" : ", ") + std::to_string(ops.count) + " " + ops.op;
    return llvm::createStringError("this bundle cannot generate: no kernels for " + list);
  }
  if (!model)
    return llvm::createStringError("this bundle cannot generate: its plan says nothing of a model with a cache");
  if (caches.empty())
    return llvm::createStringError("this bundle cannot generate: its model has no cache");
  if (!model->isPaged && model->maxContext > pageTokens())
    return llvm::createStringError("plan.json: caches[0].page: a contiguous cache's page holds the whole context of " +
                                   llvm::Twine(model->maxContext) + " tokens");
  for (const char *name : {"prefill", "decode"})
    if (!findPhase(name))
      return llvm::createStringError(llvm::Twine("this bundle cannot generate: there is no phase '") + name + "'");
  for (const PlannedPhase &phase : phases)
    if (phase.decodes() || phase.name == "prefill")
      if (llvm::Error error = PhaseCheck(*this, phase).run())
        return error;
  return llvm::Error::success();
}
