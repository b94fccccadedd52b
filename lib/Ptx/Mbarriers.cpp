//===- Mbarriers.cpp - barrier objects in shared memory ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Mbarriers.h"
#include "Block.h"

using namespace quantopt::ptx;

static constexpr uint32_t maximumCount = (1 << 20) - 1;

std::string Mbarriers::describe(uint64_t offset) const {
  std::string text = "mbarrier " + block.shared.describe(offset);
  auto found = barriers.find(offset);
  if (found == barriers.end())
    return text;
  const Mbarrier &barrier = found->second;
  return text + " (phase " + std::to_string(barrier.phase) + ": " + std::to_string(barrier.pending) + " of " +
         std::to_string(barrier.expected) + " arrivals and " + std::to_string(barrier.bytes) + " bytes are missing)";
}

Mbarriers::Mbarrier *Mbarriers::find(Warp &warp, unsigned lane, uint64_t offset) {
  auto found = barriers.find(offset);
  if (found == barriers.end()) {
    warp.fail(1u << lane, "there is no mbarrier at " + block.shared.describe(offset) + ": mbarrier.init makes one");
    return nullptr;
  }
  Mbarrier &barrier = found->second;
  if (barrier.initWarp != warp.index && barrier.initStamp > warp.clock.known[barrier.initWarp]) {
    warp.fail(1u << lane, "race: no barrier came between the initialisation of " + describe(offset) + " at line " +
                              llvm::Twine(barrier.initLine) + " and this use");
    return nullptr;
  }
  return &barrier;
}

bool Mbarriers::init(Warp &warp, unsigned lane, uint64_t offset, uint32_t count) {
  if (count < 1 || count > maximumCount) {
    warp.fail(1u << lane, "an mbarrier expects 1 to 1048575 arrivals, not " + llvm::Twine(count));
    return false;
  }
  if (barriers.count(offset)) {
    warp.fail(1u << lane, describe(offset) + " is initialised already: mbarrier.inval ends it");
    return false;
  }
  if (!block.shared.beginMbarrier(warp, lane, offset))
    return false;
  Mbarrier &barrier = barriers[offset];
  barrier.expected = barrier.pending = count;
  barrier.arriving.assign(warp.clock.known.size(), 0);
  barrier.completed = barrier.arriving;
  barrier.initWarp = warp.index;
  barrier.initLine = warp.current->line;
  barrier.initStamp = warp.clock.known[warp.index];
  barrier.seen.assign(block.warps.size(), -1);
  return true;
}

bool Mbarriers::invalidate(Warp &warp, unsigned lane, uint64_t offset) {
  if (!find(warp, lane, offset))
    return false;
  block.shared.endMbarrier(offset);
  barriers.erase(offset);
  return true;
}

/// Who waits for this phase comes after everything that the warp has done.
void Mbarriers::release(Warp &warp, Mbarrier &barrier) {
  for (size_t i = 0; i < barrier.arriving.size(); ++i)
    barrier.arriving[i] = std::max(barrier.arriving[i], warp.clock.known[i]);
  ++warp.clock.known[warp.index];
}

bool Mbarriers::addBytes(Warp &warp, unsigned lane, Mbarrier &barrier, uint64_t offset, int64_t bytes) {
  barrier.bytes += bytes;
  if (std::abs(barrier.bytes) <= maximumCount)
    return true;
  warp.fail(1u << lane, describe(offset) + " counts more than 1048575 bytes");
  return false;
}

void Mbarriers::completeIfDone(Mbarrier &barrier, uint64_t offset) {
  if (barrier.pending != 0 || barrier.bytes != 0)
    return;
  for (size_t i = 0; i < barrier.completed.size(); ++i)
    barrier.completed[i] = std::max(barrier.completed[i], barrier.arriving[i]);
  barrier.pending = barrier.expected;
  ++barrier.phase;
  ++completions;
  block.wake(wakeKey(offset));
}

bool Mbarriers::arrive(Warp &warp, unsigned lane, uint64_t offset, uint32_t count, uint32_t bytes, bool releases,
                       bool drops, uint64_t &state) {
  Mbarrier *barrier = find(warp, lane, offset);
  if (!barrier || !addBytes(warp, lane, *barrier, offset, bytes))
    return false;
  if (count > barrier->pending) {
    warp.fail(1u << lane, "arrives " + llvm::Twine(count) + " times at " + describe(offset) + ": more than it expects");
    return false;
  }
  state = uint64_t(barrier->phase) << 20 | barrier->pending;
  if (releases)
    release(warp, *barrier);
  barrier->pending -= count;
  barrier->expected -= drops ? count : 0;
  completeIfDone(*barrier, offset);
  return true;
}

bool Mbarriers::expectBytes(Warp &warp, unsigned lane, uint64_t offset, uint32_t bytes) {
  Mbarrier *barrier = find(warp, lane, offset);
  return barrier && addBytes(warp, lane, *barrier, offset, bytes);
}

bool Mbarriers::completeBytes(Warp &warp, unsigned lane, uint64_t offset, uint32_t bytes) {
  Mbarrier *barrier = find(warp, lane, offset);
  if (!barrier)
    return false;
  if (!barrier->isShownToProxy) {
    warp.fail(1u << lane, "no fence.mbarrier_init or fence.proxy.async came between the initialisation of " +
                              describe(offset) + " at line " + llvm::Twine(barrier->initLine) +
                              " and this copy that signals it");
    return false;
  }
  if (!addBytes(warp, lane, *barrier, offset, -int64_t(bytes)))
    return false;
  // The copy's writes precede what follows the wait. So does what the issuing warp knew: the copy came after it.
  uint32_t &arriving = barrier->arriving[block.agentOf(warp)];
  arriving = std::max(arriving, warp.agentStamp);
  barrier->copyPhase = barrier->phase;
  barrier->copyLine = warp.current->line;
  barrier->isCopyAwaited = false;
  completeIfDone(*barrier, offset);
  return true;
}

Mbarriers::Test Mbarriers::finishTest(Warp &warp, unsigned lane, Mbarrier &barrier, uint64_t offset, bool acquires) {
  int64_t &seen = barrier.seen[warp.index];
  if (seen >= 0 && barrier.phase > seen + 1) {
    warp.fail(1u << lane, "phase " + llvm::Twine(seen) + " of " + describe(offset) +
                              " went by while this warp waited for nothing: the parity that it asks for may be that "
                              "of another phase");
    return Test::Failed;
  }
  seen = barrier.phase;
  barrier.isCopyAwaited |= barrier.copyPhase < int64_t(barrier.phase);
  if (acquires)
    for (size_t i = 0; i < barrier.completed.size(); ++i)
      if (i != warp.index)
        warp.clock.known[i] = std::max(warp.clock.known[i], barrier.completed[i]);
  return Test::Complete;
}

Mbarriers::Test Mbarriers::testParity(Warp &warp, unsigned lane, uint64_t offset, bool parity, bool acquires) {
  Mbarrier *barrier = find(warp, lane, offset);
  if (!barrier)
    return Test::Failed;
  // The phase before the first counts as complete.
  if ((barrier->phase & 1) == parity)
    return Test::Pending;
  return finishTest(warp, lane, *barrier, offset, acquires);
}

Mbarriers::Test Mbarriers::testState(Warp &warp, unsigned lane, uint64_t offset, uint64_t state, bool acquires) {
  Mbarrier *barrier = find(warp, lane, offset);
  if (!barrier)
    return Test::Failed;
  uint64_t phase = state >> 20;
  if (phase == barrier->phase)
    return Test::Pending;
  if (phase + 1 != barrier->phase) {
    warp.fail(1u << lane, "the state is of phase " + llvm::Twine(phase) + ", neither the present one of " +
                              describe(offset) + " nor the one before");
    return Test::Failed;
  }
  return finishTest(warp, lane, *barrier, offset, acquires);
}

void Mbarriers::fenceInits(const Warp &warp) {
  for (auto &[offset, barrier] : barriers)
    barrier.isShownToProxy |= barrier.initWarp == warp.index || barrier.initStamp <= warp.clock.known[barrier.initWarp];
}

std::string Mbarriers::findUnfinished() const {
  for (const auto &[offset, barrier] : barriers)
    if (!barrier.isCopyAwaited)
      return "the CTA ends while the bulk copy of line " + std::to_string(barrier.copyLine) +
             " may be in flight: nothing waited for " + describe(offset);
  return "";
}
