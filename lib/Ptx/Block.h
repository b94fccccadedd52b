//===- Block.h - a CTA being run -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_BLOCK_H
#define QUANTOPT_LIB_PTX_BLOCK_H

#include "ClusterBarrier.h"
#include "GlobalMemory.h"
#include "Mbarriers.h"
#include "SharedMemory.h"
#include "WarpGroups.h"
#include "quantopt/Ptx/Interpreter.h"

namespace quantopt::ptx {

/// What all CTAs of a launch share.
struct LaunchContext {
  const Program &program;
  const Kernel &kernel;
  const Launch &launch;
  const RunOptions &options;
  GlobalMemory &global;
  /// The block of parameters.
  std::vector<uint8_t> parameters;
};

/// What one instruction did, summed over a CTA.
struct InstructionCounts {
  uint64_t executions = 0;
  uint64_t sharedRequests = 0, sharedCycles = 0, sharedConflicts = 0;
  Counters::Traffic loads, stores;

  void add(const InstructionCounts &other) {
    executions += other.executions;
    sharedRequests += other.sharedRequests;
    sharedCycles += other.sharedCycles;
    sharedConflicts += other.sharedConflicts;
    loads.add(other.loads);
    stores.add(other.stores);
  }
};

/// One CTA: runs its warps in turns, each until it has to wait.
class Block {
public:
  Block(const LaunchContext &context, uint64_t index);
  llvm::Error run();

  /// bar.sync and bar.arrive: `threads` of the CTA are expected, 0 for all. With `waits` the warp waits for them.
  void arriveAtBarrier(Warp &warp, unsigned barrier, uint32_t threads, bool waits);
  /// bar.red: like arriveAtBarrier; the instruction's result is set when all have arrived.
  void reduceAtBarrier(Warp &warp, unsigned barrier, uint32_t threads, uint32_t predicate);
  /// Lets the warps that wait for a key run their instruction again.
  void wake(uint64_t key);
  /// Where a warp's clock has the warp's agent: what its bulk copies and wgmma do beside it.
  unsigned agentOf(const Warp &warp) const { return warps.size() + warp.index; }
  /// fence.proxy.async: what the warp knows of generic writes, the asynchronous proxy will know where the warp's
  /// knowledge goes.
  void fenceProxy(Warp &warp);
  /// setmaxnreg: fails where warps have asked for more registers than there are.
  void setMaximumRegisters(Warp &warp, unsigned count);
  /// Barriers of the whole CTA so far.
  uint32_t epoch() const { return barriersPassed; }
  /// Index of the CTA in the grid, and its coordinates.
  const uint64_t index;
  Dim3 coordinates;

  const LaunchContext &context;
  SharedMemory shared;
  std::vector<std::unique_ptr<Warp>> warps;
  Mbarriers mbarriers{*this};
  std::unique_ptr<ClusterBarrier> clusterBarrier;
  /// Of kernels with wgmma.
  std::unique_ptr<WarpGroups> warpGroups;
  /// By instruction.
  std::vector<InstructionCounts> counts;
  /// The first failure of any warp.
  std::string failure;

private:
  struct Barrier {
    uint32_t expected = 0, arrived = 0;
    std::vector<uint32_t> clock;
    /// Warps that take part, and those of them that wait.
    llvm::SmallVector<Warp *, 8> participants, waiting;
    /// bar.red: threads whose predicate holds.
    uint32_t holding = 0;
    unsigned line = 0;
  };

  void setSpecialRegisters(Warp &warp);
  void step(Warp &warp);
  bool runTurn(Warp &warp);
  bool checkReads(Warp &warp, const Instruction &instruction, uint32_t lanes);
  void completeBarrier(Barrier &barrier);
  void finishReduction(Warp &warp, uint32_t holding, uint32_t expected);
  bool expireWaits();
  llvm::Error finish();
  void failDeadlock();

  uint32_t numThreads;
  uint32_t barriersPassed = 0;
  /// Turns in which nothing but time limits went by, and the phases of mbarriers that were complete at the last one.
  unsigned idleTurns = 0;
  uint64_t lastProgress = 0;
  /// By warp: of setmaxnreg.
  std::vector<unsigned> maximumRegisters;
  std::array<Barrier, 16> barriers;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_BLOCK_H
