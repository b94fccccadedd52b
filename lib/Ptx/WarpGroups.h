//===- WarpGroups.h - wgmma operations in flight ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_WARPGROUPS_H
#define QUANTOPT_LIB_PTX_WARPGROUPS_H

#include "Program.h"

namespace quantopt::ptx {

class Block;
class Warp;

/// Four warps with consecutive numbers issue wgmma together. What they compute is known at once; that it is not known
/// to the threads before wgmma.wait_group is kept here:
/// * accumulators may not be touched, and fragments of A not be written, while they are in flight, except as
///   accumulators of further wgmma of the same shape;
/// * registers that other instructions have touched may not enter a wgmma before a wgmma.fence;
/// * the four warps issue the same instructions with the same descriptors, and commit the same groups;
/// * shared memory that they read is being read until a wait: see Block::agentOf.
class WarpGroups {
public:
  explicit WarpGroups(Block &block);

  void fence(Warp &warp);
  /// Checks a wgmma that is about to be computed and puts its registers in flight. `accumulators` are the registers of
  /// D, `fragments` those of A, or none. `shape` tells instructions of different shapes apart.
  bool issue(Warp &warp, llvm::ArrayRef<Operand> accumulators, llvm::ArrayRef<Operand> fragments, uint32_t shape,
             uint64_t aDescriptor, uint64_t bDescriptor);
  void commit(Warp &warp);
  /// wgmma.wait_group: all but the last `left` groups are complete. Where the other warps of the warp group have not
  /// got so far the warp waits for them.
  void wait(Warp &warp, uint32_t left);
  /// Before any instruction but wgmma: whether it leaves alone what is in flight.
  bool access(Warp &warp, const Instruction &instruction);
  /// What is in flight at the end of the CTA, or nothing.
  std::string findUnfinished() const;

private:
  enum class Use : uint8_t { None, Accumulator, Fragment };
  struct Register {
    Use use = Use::None;
    /// Touched by another instruction since the last wgmma.fence.
    bool isTouched = false;
    /// Of the wgmma in flight.
    uint32_t group = 0, shape = 0, line = 0;
  };
  struct Commit {
    uint32_t issued, stamp, agentStamp;
  };
  struct Member {
    std::vector<Register> registers;
    std::vector<Commit> commits;
    /// wgmma so far, and groups that it has waited for.
    uint32_t issued = 0, awaited = 0;
    unsigned inFlight = 0;
    bool hasFenced = false;
  };
  struct Issue {
    const Instruction *instruction;
    uint64_t aDescriptor, bDescriptor;
  };

  bool enter(Warp &warp, Member &member, const Operand &operand, Use use, uint32_t shape);
  static uint64_t wakeKey(unsigned group) { return uint64_t(group) << 1 | uint64_t(1) << 63; }

  Block &block;
  /// By warp.
  std::vector<Member> members;
  /// By warp group: what its warps issue, in order.
  std::vector<std::vector<Issue>> issues;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_WARPGROUPS_H
