//===- ClusterBarrier.cpp - barrier.cluster in a cluster of one ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ClusterBarrier.h"
#include "Block.h"

using namespace quantopt::ptx;

/// Not a key of anything else: mbarriers' are odd, warp groups' have the highest bit.
static constexpr uint64_t wakeKey = 2;

ClusterBarrier::ClusterBarrier(Block &block)
    : block(block), arrivals(block.warps.size() * warpSize), waits(block.warps.size() * warpSize) {}

bool ClusterBarrier::isComplete(uint32_t phase) const {
  bool complete = true;
  for (const std::unique_ptr<Warp> &warp : block.warps)
    forEachLane(warp->alive(), [&](unsigned lane) { complete &= arrivals[warp->index * warpSize + lane] > phase; });
  return complete;
}

void ClusterBarrier::arrive(Warp &warp) {
  uint32_t *arrived = &arrivals[warp.index * warpSize], *waited = &waits[warp.index * warpSize];
  uint32_t culprits = 0, phase = arrived[llvm::countr_zero(warp.active)];
  forEachLane(warp.active, [&](unsigned lane) { culprits |= uint32_t(arrived[lane]++ != waited[lane]) << lane; });
  if (culprits)
    return warp.fail(culprits, "arrives again at the cluster's barrier without a barrier.cluster.wait");
  if (phase == clocks.size())
    clocks.emplace_back(warp.clock.known.size());
  std::vector<uint32_t> &clock = clocks[phase];
  for (size_t i = 0; i < clock.size(); ++i)
    clock[i] = std::max(clock[i], warp.clock.known[i]);
  ++warp.clock.known[warp.index];
  if (isComplete(phase))
    block.wake(wakeKey);
}

void ClusterBarrier::wait(Warp &warp) {
  uint32_t *arrived = &arrivals[warp.index * warpSize], *waited = &waits[warp.index * warpSize];
  uint32_t culprits = 0, phase = waited[llvm::countr_zero(warp.active)];
  forEachLane(warp.active, [&](unsigned lane) { culprits |= uint32_t(arrived[lane] == waited[lane]) << lane; });
  if (culprits)
    return warp.fail(culprits, "waits at the cluster's barrier without having arrived");
  if (!isComplete(phase))
    return warp.waitFor(wakeKey, "the cluster's barrier");
  forEachLane(warp.active, [&](unsigned lane) { ++waited[lane]; });
  for (size_t i = 0; i < warp.clock.known.size(); ++i)
    if (i != warp.index)
      warp.clock.known[i] = std::max(warp.clock.known[i], clocks[phase][i]);
  if (warp.active == warp.alive())
    warp.syncLanes(warp.active);
}
