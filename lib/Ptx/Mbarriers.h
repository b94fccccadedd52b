//===- Mbarriers.h - barrier objects in shared memory ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_MBARRIERS_H
#define QUANTOPT_LIB_PTX_MBARRIERS_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace quantopt::ptx {

class Block;
class Warp;

/// The mbarriers of a CTA, by their offset in shared memory. A phase is complete when all expected arrivals have come
/// and the bytes that were announced have been copied; then the next one begins.
///
/// Errors: anything done to a barrier that is not initialised, that no fence has shown to the asynchronous proxy that
/// signals it, or whose initialisation no barrier orders; more arrivals than the phase expects; a count of bytes out of
/// range; a thread that slept through a whole phase, so that parities no longer tell it which one is complete.
/// Functions return false after telling the warp.
class Mbarriers {
public:
  explicit Mbarriers(Block &block) : block(block) {}

  bool init(Warp &warp, unsigned lane, uint64_t offset, uint32_t count);
  bool invalidate(Warp &warp, unsigned lane, uint64_t offset);
  /// Announces `bytes`, then arrives `count` times; gives the state before. `drops`: later phases expect as many fewer.
  bool arrive(Warp &warp, unsigned lane, uint64_t offset, uint32_t count, uint32_t bytes, bool releases, bool drops,
              uint64_t &state);
  /// expect_tx without an arrival.
  bool expectBytes(Warp &warp, unsigned lane, uint64_t offset, uint32_t bytes);
  /// A bulk copy of the warp's agent has come this far.
  bool completeBytes(Warp &warp, unsigned lane, uint64_t offset, uint32_t bytes);

  enum class Test { Failed, Pending, Complete };
  /// Whether the phase of this parity, or of a state that arrive gave, is complete; if so the warp is ordered after it.
  Test testParity(Warp &warp, unsigned lane, uint64_t offset, bool parity, bool acquires);
  Test testState(Warp &warp, unsigned lane, uint64_t offset, uint64_t state, bool acquires);
  /// mbarrier.pending_count.
  static uint32_t pendingCount(uint64_t state) { return uint32_t(state) & 0xfffff; }

  /// fence.mbarrier_init, and part of fence.proxy.async: what the warp has initialised may be signalled.
  void fenceInits(const Warp &warp);
  /// What is in flight at the end of the CTA, or nothing.
  std::string findUnfinished() const;
  /// "mbarrier 'bars' + 16 (phase 3: 1 of 2 arrivals and 4096 bytes are missing)"
  std::string describe(uint64_t offset) const;
  /// What waiting warps are woken by: unique to the barrier.
  static uint64_t wakeKey(uint64_t offset) { return offset << 1 | 1; }
  /// Phases completed so far, of all barriers.
  uint64_t progress() const { return completions; }

private:
  struct Mbarrier {
    uint32_t expected = 0, pending = 0;
    int64_t bytes = 0;
    /// Phases that are complete.
    uint32_t phase = 0;
    /// What arrivals of the present phase know, and what waiters learn.
    std::vector<uint32_t> arriving, completed;
    unsigned initWarp = 0, initLine = 0;
    uint32_t initStamp = 0;
    bool isShownToProxy = false;
    /// By warp: the phase after the last one that it knows to be complete; -1 where it has not looked yet.
    std::vector<int64_t> seen;
    /// The last phase with a bulk copy, its line, and whether anybody waited for it.
    int64_t copyPhase = -1;
    unsigned copyLine = 0;
    bool isCopyAwaited = true;
  };

  Mbarrier *find(Warp &warp, unsigned lane, uint64_t offset);
  void release(Warp &warp, Mbarrier &barrier);
  bool addBytes(Warp &warp, unsigned lane, Mbarrier &barrier, uint64_t offset, int64_t bytes);
  void completeIfDone(Mbarrier &barrier, uint64_t offset);
  Test finishTest(Warp &warp, unsigned lane, Mbarrier &barrier, uint64_t offset, bool acquires);

  Block &block;
  std::map<uint64_t, Mbarrier> barriers;
  uint64_t completions = 0;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_MBARRIERS_H
