//===- AsyncCopies.h - cp.async groups of a warp -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_ASYNCCOPIES_H
#define QUANTOPT_LIB_PTX_ASYNCCOPIES_H

#include <array>
#include <cstdint>
#include <vector>

namespace quantopt::ptx {

class Warp;

/// The copies that a warp's threads have started and not waited for. Groups are each thread's own.
class AsyncCopies {
public:
  void add(unsigned lane, uint64_t address, unsigned bytes, uint32_t instruction) {
    pending.push_back({address, groups[lane], instruction, uint8_t(bytes), uint8_t(lane)});
  }
  void commit(uint32_t lanes);
  /// cp.async.wait_group: of each lane's committed groups, all but the last `left` are complete; their bytes become
  /// ordinary writes of the waiting thread.
  void wait(Warp &warp, uint32_t lanes, uint32_t left);
  /// cp.async.wait_all.
  void waitAll(Warp &warp, uint32_t lanes);
  bool empty() const { return pending.empty(); }

private:
  struct Copy {
    uint64_t address;
    uint32_t group;
    uint32_t instruction;
    uint8_t bytes, lane;
  };
  template <typename IsComplete> void finish(Warp &warp, IsComplete &&isComplete);

  std::vector<Copy> pending;
  /// By lane: the group that is being collected.
  std::array<uint32_t, 32> groups = {};
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_ASYNCCOPIES_H
