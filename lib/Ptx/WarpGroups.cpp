//===- WarpGroups.cpp - wgmma operations in flight ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "WarpGroups.h"
#include "Block.h"

using namespace quantopt::ptx;

static constexpr unsigned warpsPerGroup = 4;

WarpGroups::WarpGroups(Block &block) : block(block) {
  members.resize(block.warps.size());
  issues.resize((block.warps.size() + warpsPerGroup - 1) / warpsPerGroup);
  for (Member &member : members)
    member.registers.resize(block.context.kernel.registers.size());
}

void WarpGroups::fence(Warp &warp) {
  Member &member = members[warp.index];
  member.hasFenced = true;
  for (Register &entry : member.registers)
    entry.isTouched = false;
}

bool WarpGroups::access(Warp &warp, const Instruction &instruction) {
  Member &member = members[warp.index];
  auto name = [&](uint32_t index) { return block.context.kernel.registers[index].name; };
  for (uint32_t index : instruction.reads) {
    Register &entry = member.registers[index];
    entry.isTouched = true;
    if (entry.use != Use::Accumulator)
      continue;
    warp.fail(warp.active, "no wgmma.wait_group came between the wgmma at line " + llvm::Twine(entry.line) +
                               " and this read of its accumulator '" + name(index) + "'");
    return false;
  }
  for (uint32_t index : instruction.writes) {
    Register &entry = member.registers[index];
    entry.isTouched = true;
    if (entry.use == Use::None)
      continue;
    warp.fail(warp.active, "no wgmma.wait_group came between the wgmma at line " + llvm::Twine(entry.line) +
                               " and this write of its register '" + name(index) + "'");
    return false;
  }
  return true;
}

bool WarpGroups::enter(Warp &warp, Member &member, const Operand &operand, Use use, uint32_t shape) {
  if (operand.kind != Operand::Kind::Register)
    return true;
  Register &entry = member.registers[operand.index];
  const std::string &name = block.context.kernel.registers[operand.index].name;
  if (entry.isTouched) {
    warp.fail(warp.active, "no wgmma.fence came between an access to register '" + name + "' and this wgmma");
    return false;
  }
  bool isSame = entry.use == Use::None || (entry.use == use && (use == Use::Fragment || entry.shape == shape));
  if (!isSame) {
    warp.fail(warp.active, "register '" + name + "' is still in use by the wgmma at line " + llvm::Twine(entry.line) +
                               ", of another shape or as another operand: wgmma.wait_group must come first");
    return false;
  }
  member.inFlight += entry.use == Use::None;
  entry.use = use;
  entry.group = member.commits.size();
  entry.shape = shape;
  entry.line = warp.current->line;
  return true;
}

bool WarpGroups::issue(Warp &warp, llvm::ArrayRef<Operand> accumulators, llvm::ArrayRef<Operand> fragments,
                       uint32_t shape, uint64_t aDescriptor, uint64_t bDescriptor) {
  Member &member = members[warp.index];
  unsigned group = warp.index / warpsPerGroup;
  if ((group + 1) * warpsPerGroup > members.size()) {
    warp.fail(warp.active, "the warp group is incomplete: wgmma takes four warps");
    return false;
  }
  if (!member.hasFenced) {
    warp.fail(warp.active, "no wgmma.fence came before the first wgmma");
    return false;
  }
  std::vector<Issue> &log = issues[group];
  if (member.issued == log.size())
    log.push_back({warp.current, aDescriptor, bDescriptor});
  const Issue &expected = log[member.issued++];
  if (expected.instruction != warp.current || expected.aDescriptor != aDescriptor ||
      expected.bDescriptor != bDescriptor) {
    warp.fail(warp.active, "another warp of the warp group issued the wgmma at line " +
                               llvm::Twine(expected.instruction->line) + " here" +
                               (expected.instruction == warp.current ? " with other descriptors" : ""));
    return false;
  }
  for (const Operand &operand : accumulators)
    if (!enter(warp, member, operand, Use::Accumulator, shape))
      return false;
  for (const Operand &operand : fragments)
    if (!enter(warp, member, operand, Use::Fragment, shape))
      return false;
  return true;
}

void WarpGroups::commit(Warp &warp) {
  Member &member = members[warp.index];
  uint32_t &own = warp.clock.known[warp.index];
  member.commits.push_back({member.issued, own++, warp.agentStamp});
  block.wake(wakeKey(warp.index / warpsPerGroup));
}

void WarpGroups::wait(Warp &warp, uint32_t left) {
  Member &member = members[warp.index];
  uint32_t awaited = member.commits.size() > left ? member.commits.size() - left : 0;
  if (awaited <= member.awaited)
    return;
  unsigned first = warp.index / warpsPerGroup * warpsPerGroup;
  for (unsigned i = first; i < first + warpsPerGroup && i < members.size(); ++i) {
    if (members[i].commits.size() < awaited)
      return warp.waitFor(wakeKey(first / warpsPerGroup),
                          "the other warps of the warp group to commit wgmma group " + std::to_string(awaited - 1));
    if (members[i].commits[awaited - 1].issued == member.commits[awaited - 1].issued)
      continue;
    return warp.fail(warp.active, "wgmma group " + llvm::Twine(awaited - 1) + " of warp " + llvm::Twine(i) +
                                      " ends after another number of wgmma");
  }
  // A wgmma takes part of all four warps: when it is complete, they have got as far as its commit.
  for (unsigned i = first; i < first + warpsPerGroup && i < members.size(); ++i) {
    const Commit &commit = members[i].commits[awaited - 1];
    uint32_t &agent = warp.clock.known[block.agentOf(*block.warps[i])];
    agent = std::max(agent, commit.agentStamp);
    if (i != warp.index)
      warp.clock.known[i] = std::max(warp.clock.known[i], commit.stamp);
  }
  member.awaited = awaited;
  for (Register &entry : member.registers) {
    if (entry.use == Use::None || entry.group >= awaited)
      continue;
    entry.use = Use::None;
    --member.inFlight;
  }
}

std::string WarpGroups::findUnfinished() const {
  for (const Member &member : members)
    for (const Register &entry : member.registers)
      if (entry.use != Use::None)
        return "the CTA ends while the wgmma at line " + std::to_string(entry.line) +
               " is in flight: no wgmma.wait_group came after it";
  return "";
}
