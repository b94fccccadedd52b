//===- ControlFlow.cpp - where diverged lanes meet again -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// A branch whose lanes disagree runs both sides up to the immediate post-dominator of its block, the first place that
// every path from it passes. Post-dominators are dominators of the reversed graph: Cooper, Harvey and Kennedy, "A
// Simple, Fast Dominance Algorithm", 2001.
//
//===----------------------------------------------------------------------------===//
#include "Decoder.h"
#include "llvm/ADT/DenseMap.h"

using namespace quantopt::ptx;

namespace {

using Flow = Instruction::Flow;

class PostDominators {
public:
  explicit PostDominators(llvm::ArrayRef<Instruction> instructions) : instructions(instructions) {
    findBlocks();
    connect();
    order();
    solve();
  }

  /// First instruction of the immediate post-dominator of the block that `instruction` ends.
  uint32_t meetingPoint(uint32_t instruction) const {
    uint32_t block = blockOf[instruction], meeting = dominator[block];
    return meeting == unknown || meeting == exit ? instructions.size() : begins[meeting];
  }

private:
  static constexpr uint32_t unknown = ~0u;

  void findBlocks();
  void connect();
  void order();
  void solve();
  uint32_t intersect(uint32_t a, uint32_t b) const;

  llvm::ArrayRef<Instruction> instructions;
  std::vector<uint32_t> begins, blockOf;
  /// Of the graph as it runs; the node after the last block is the exit.
  std::vector<llvm::SmallVector<uint32_t, 2>> successors;
  std::vector<llvm::SmallVector<uint32_t, 2>> predecessors;
  uint32_t exit = 0;
  /// Nodes from which the exit can be reached, in reverse postorder of the reversed graph, and a node's place in it.
  std::vector<uint32_t> sequence, rank;
  std::vector<uint32_t> dominator;
};

} // namespace

void PostDominators::findBlocks() {
  std::vector<bool> isLeader(instructions.size() + 1, false);
  isLeader[0] = true;
  for (auto [i, instruction] : llvm::enumerate(instructions)) {
    if (instruction.flow == Flow::Next)
      continue;
    isLeader[i + 1] = true;
    if (instruction.flow == Flow::Branch)
      isLeader[instruction.target] = true;
  }
  blockOf.resize(instructions.size());
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (isLeader[i])
      begins.push_back(i);
    blockOf[i] = begins.size() - 1;
  }
  exit = begins.size();
}

void PostDominators::connect() {
  successors.resize(exit + 1);
  predecessors.resize(exit + 1);
  auto nodeAt = [&](uint32_t i) { return i < instructions.size() ? blockOf[i] : exit; };
  for (uint32_t block = 0; block < exit; ++block) {
    uint32_t last = (block + 1 < exit ? begins[block + 1] : instructions.size()) - 1;
    const Instruction &instruction = instructions[last];
    if (instruction.flow == Flow::Branch)
      successors[block].push_back(nodeAt(instruction.target));
    else if (instruction.flow == Flow::Exit)
      successors[block].push_back(exit);
    if (instruction.flow == Flow::Next || instruction.guard >= 0)
      successors[block].push_back(nodeAt(last + 1));
    for (uint32_t next : successors[block])
      predecessors[next].push_back(block);
  }
}

void PostDominators::order() {
  std::vector<std::pair<uint32_t, uint32_t>> stack = {{exit, 0}};
  std::vector<bool> isSeen(exit + 1, false);
  isSeen[exit] = true;
  while (!stack.empty()) {
    auto &[node, next] = stack.back();
    if (next < predecessors[node].size()) {
      uint32_t to = predecessors[node][next++];
      if (!isSeen[to]) {
        isSeen[to] = true;
        stack.emplace_back(to, 0);
      }
      continue;
    }
    sequence.push_back(node);
    stack.pop_back();
  }
  std::reverse(sequence.begin(), sequence.end());
  rank.assign(exit + 1, unknown);
  for (uint32_t i = 0; i < sequence.size(); ++i)
    rank[sequence[i]] = i;
}

uint32_t PostDominators::intersect(uint32_t a, uint32_t b) const {
  while (a != b) {
    while (rank[a] > rank[b])
      a = dominator[a];
    while (rank[b] > rank[a])
      b = dominator[b];
  }
  return a;
}

void PostDominators::solve() {
  dominator.assign(exit + 1, unknown);
  dominator[exit] = exit;
  for (bool isChanged = true; isChanged;) {
    isChanged = false;
    for (uint32_t node : llvm::ArrayRef(sequence).drop_front()) {
      uint32_t meeting = unknown;
      for (uint32_t next : successors[node])
        if (dominator[next] != unknown)
          meeting = meeting == unknown ? next : intersect(next, meeting);
      isChanged |= dominator[node] != meeting;
      dominator[node] = meeting;
    }
  }
}

void quantopt::ptx::findReconvergence(std::vector<Instruction> &instructions) {
  if (instructions.empty())
    return;
  PostDominators dominators(instructions);
  for (auto [i, instruction] : llvm::enumerate(instructions))
    if (instruction.flow == Flow::Branch)
      instruction.reconvergence = dominators.meetingPoint(i);
}
