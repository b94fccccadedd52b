//===- AsyncCopies.cpp - cp.async groups of a warp -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AsyncCopies.h"
#include "Block.h"

using namespace quantopt::ptx;

void AsyncCopies::commit(uint32_t lanes) {
  forEachLane(lanes, [&](unsigned lane) { ++groups[lane]; });
}

template <typename IsComplete> void AsyncCopies::finish(Warp &warp, IsComplete &&isComplete) {
  size_t kept = 0;
  for (size_t i = 0; i < pending.size(); ++i) {
    if (isComplete(pending[i]))
      warp.block.shared.arrive(warp, pending[i].lane, pending[i].address, pending[i].bytes, pending[i].instruction);
    else
      pending[kept++] = pending[i];
  }
  pending.resize(kept);
}

void AsyncCopies::wait(Warp &warp, uint32_t lanes, uint32_t left) {
  finish(warp, [&](const Copy &copy) {
    return (lanes >> copy.lane & 1) && copy.group < groups[copy.lane] && groups[copy.lane] - copy.group > left;
  });
}

void AsyncCopies::waitAll(Warp &warp, uint32_t lanes) {
  finish(warp, [&](const Copy &copy) { return lanes >> copy.lane & 1; });
}
