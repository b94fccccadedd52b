//===- Warp.h - the state of 32 threads that run together ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_WARP_H
#define QUANTOPT_LIB_PTX_WARP_H

#include "AsyncCopies.h"
#include "BulkGroups.h"
#include "Program.h"
#include "llvm/ADT/bit.h"
#include <utility>

namespace quantopt::ptx {

class Block;

constexpr unsigned warpSize = 32;
constexpr uint32_t allLanes = ~0u;

/// Calls function(lane) for every lane of a mask; the usual one, all lanes, is a loop that vectorises.
template <typename Function> inline void forEachLane(uint32_t mask, Function &&function) {
  if (mask == allLanes) {
    for (unsigned lane = 0; lane < warpSize; ++lane)
      function(lane);
    return;
  }
  for (; mask; mask &= mask - 1)
    function(unsigned(llvm::countr_zero(mask)));
}

/// What is known about the order of accesses: a vector clock of warps (Lamport; Flanagan and Freund, "FastTrack",
/// 2009), and within the warp which lanes a bar.warp.sync has ordered.
struct WarpClock {
  /// By warp of the CTA: accesses stamped up to this precede what this warp does now. The own entry is the stamp of
  /// accesses being made.
  ///
  /// Where the kernel uses the asynchronous proxy, two more parts follow, as long as the first: agents, which are what
  /// the warps' bulk copies and wgmma do beside them (Block::agentOf), and writes of warps that a fence.proxy.async has
  /// shown to that proxy. All of them are passed on alike.
  std::vector<uint32_t> known;
  /// Own accesses up to this precede every lane.
  uint32_t synced = 0;
  /// By lane, then by other lane: after a bar.warp.sync of some lanes. Empty until there is one.
  std::vector<std::array<uint32_t, warpSize>> lanes;

  /// Whether what lane `other` of this warp did at `stamp` precedes what `lane` does now.
  bool precedes(uint32_t stamp, unsigned other, unsigned lane) const {
    return other == lane || stamp <= synced || (!lanes.empty() && stamp <= lanes[lane][other]);
  }
};

class Warp {
public:
  Warp(Block &block, unsigned index, uint32_t lanes);

  //===--- For functions that compute instructions. ---------------------------------===//

  /// Lanes that execute the present instruction.
  uint32_t active = 0;

  template <typename T> const T *source(const Operand &operand) const {
    const uint8_t *base = operand.kind == Operand::Kind::Constant ? constants : registers.data();
    return reinterpret_cast<const T *>(base + operand.offset);
  }
  template <typename T> T *destination(const Operand &operand) {
    return reinterpret_cast<T *>(registers.data() + operand.offset);
  }
  /// A lane's value of any width up to 64 bits.
  uint64_t value(const Operand &operand, unsigned lane) const;
  void setValue(const Operand &operand, unsigned lane, uint64_t value);
  /// As a mask, negation applied.
  uint32_t predicate(const Operand &operand) const {
    uint32_t mask = operand.kind == Operand::Kind::Constant ? operand.index : predicates[operand.index];
    return operand.isNegated ? ~mask : mask;
  }
  /// Sets the active lanes' bits; nothing for `_`.
  void setPredicate(const Operand &operand, uint32_t mask) {
    if (operand.kind == Operand::Kind::Predicate)
      predicates[operand.index] = (predicates[operand.index] & ~active) | (mask & active);
  }
  void addresses(const AddressOperand &address, uint64_t *result) const;

  /// Ends the launch. `lanes` are the ones to blame.
  void fail(uint32_t lanes, const llvm::Twine &what);
  bool failed() const { return isFailed; }
  /// Tells where one of the active lanes has never written a register; then false.
  bool checkWritten(const Operand &operand);
  /// Suspends the warp; when Block::wake is called with the key it runs the present instruction again.
  void waitFor(uint64_t key, std::string what);
  /// Whether the warp was resumed although what it waited for has not come, because nothing else could run.
  bool takeTimeout() { return std::exchange(isTimedOut, false); }

  //===--- Control. -----------------------------------------------------------------===//

  /// Lanes that have not exited, and the ones on the path that is being run.
  uint32_t alive() const { return living; }
  uint32_t onPath() const { return paths.back().lanes; }
  void branch(uint32_t taken, uint32_t target, uint32_t reconvergence);
  void exit(uint32_t lanes);

  enum class State : uint8_t { Ready, Waiting, Done };
  State state = State::Ready;
  /// Lets other warps run before the next instruction.
  bool yields = false;
  /// What a waiting warp waits for.
  std::string waitsFor;

  /// bar.warp.sync: orders what these lanes did.
  void syncLanes(uint32_t lanes);

  Block &block;
  const unsigned index;
  const Instruction *current = nullptr;
  WarpClock clock;
  AsyncCopies copies;
  BulkGroups bulkGroups;
  /// The stamp of what the warp's agent does now: one higher for each bulk copy and wgmma.
  uint32_t agentStamp = 0;

private:
  friend class Block;

  /// Lanes that run on from pc until they meet others at `reconvergence`.
  struct Path {
    uint32_t pc, reconvergence, lanes;
  };
  void settle();

  llvm::SmallVector<Path, 8> paths;
  uint32_t living;
  uint64_t issued = 0;
  bool isFailed = false, isTimedOut = false;
  /// What wakes the warp; 0 for barriers.
  uint64_t wakeKey = 0;
  const uint8_t *constants;
  std::vector<uint8_t> registers;
  std::vector<uint32_t> predicates;
  /// By register: lanes that have written it.
  std::vector<uint32_t> written;
};

/// "lanes 0-3,7"
std::string describeLanes(uint32_t lanes);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_WARP_H
