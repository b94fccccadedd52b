//===- SharedMemory.cpp - a CTA's shared memory, watched -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "SharedMemory.h"
#include "Block.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace quantopt::ptx;

void SharedMemory::reset(const Kernel &newKernel, uint32_t dynamicBytes, unsigned warps) {
  kernel = &newKernel;
  granule = kernel->sharedGranule;
  shift = llvm::Log2_32(granule);
  numWarps = warps;
  uint64_t size = 0;
  for (const Variable &variable : kernel->shared)
    size = std::max(size, variable.address + (variable.size ? variable.size : dynamicBytes));
  numPieces = llvm::divideCeil(size, granule);
  serial = 0;
  bytes.assign(numPieces * granule, 0);
  writes.assign(numPieces, Write());
  readers.assign(numPieces, 0);
  // Entries are valid where `readers` says so.
  reads.resize(numPieces * numWarps * (kernel->usesAsyncProxy ? 2 : 1));
  for (const Variable &variable : kernel->shared) {
    uint64_t variableSize = variable.size ? variable.size : dynamicBytes;
    for (uint64_t piece = variable.address >> shift; piece < llvm::divideCeil(variable.address + variableSize, granule);
         ++piece)
      writes[piece].kind = Kind::Uninitialised;
  }
}

std::string SharedMemory::describe(uint64_t offset) const {
  const Variable *best = nullptr;
  for (const Variable &variable : kernel->shared)
    if (variable.address <= offset)
      best = &variable;
  if (!best)
    return "shared address " + std::to_string(int64_t(offset));
  return "'" + best->name + "' + " + std::to_string(offset - best->address);
}

bool SharedMemory::isInside(Warp &warp, unsigned lane, uint64_t offset, unsigned count) {
  if (offset & (count - 1)) {
    warp.fail(1u << lane,
              "shared address " + llvm::Twine(int64_t(offset)) + " is not a multiple of " + llvm::Twine(count));
    return false;
  }
  if (offset < bytes.size() && count <= bytes.size() - offset && writes[offset >> shift].kind != Kind::Outside &&
      writes[(offset + count - 1) >> shift].kind != Kind::Outside)
    return true;
  warp.fail(1u << lane, llvm::Twine(count) + " bytes at " + describe(offset) + " are outside of shared memory");
  return false;
}

inline bool SharedMemory::isOrdered(const Warp &warp, unsigned lane, const Write &write) const {
  unsigned other = write.thread / warpSize;
  if (other != warp.index)
    return write.stamp <= warp.clock.known[other];
  return warp.clock.precedes(write.stamp, write.thread % warpSize, lane);
}

bool SharedMemory::failWrite(Warp &warp, unsigned lane, uint64_t offset, const Write &earlier, llvm::StringRef what) {
  const Instruction &writer = kernel->instructions[earlier.instruction];
  unsigned actor = earlier.thread / warpSize;
  llvm::StringRef how = isAgent(actor) ? "written by the bulk copy at line " : "written at line ";
  warp.fail(1u << lane, what + " " + describe(offset) + ", " + how + llvm::Twine(writer.line) + " by warp " +
                            llvm::Twine(actor % numWarps) + ", lane " + llvm::Twine(earlier.thread % warpSize));
  return false;
}

inline void SharedMemory::noteRead(Actor actor, unsigned lane, uint64_t piece) {
  Read &record = reads[actor.index * numPieces + piece];
  if (!(readers[piece] >> actor.index & 1) || record.stamp != actor.stamp)
    record = {actor.stamp, 0};
  record.lanes |= 1u << lane;
  readers[piece] |= uint64_t(1) << actor.index;
}

inline bool SharedMemory::isShownToProxy(const Warp &warp, const Write &write) const {
  unsigned actor = write.thread / warpSize;
  return isAgent(actor) || write.stamp <= warp.clock.known[2 * numWarps + actor];
}

/// Whether what a piece holds may be read.
inline bool SharedMemory::checkWrite(Warp &warp, unsigned lane, uint64_t piece, bool isAsync) {
  const Write &write = writes[piece];
  if (write.kind == Kind::Uninitialised) {
    warp.fail(1u << lane, "reads " + describe(piece << shift) + ", which was never written");
    return false;
  }
  if (write.kind == Kind::Mbarrier)
    return failWrite(warp, lane, piece << shift, write, "only mbarrier instructions may read");
  if (write.kind == Kind::Pending)
    return failWrite(warp, lane, piece << shift, write, "no wait_group came between a cp.async and this read of");
  if (!isOrdered(warp, lane, write))
    return failWrite(warp, lane, piece << shift, write,
                     isAgent(write.thread / warpSize) ? "no wait for the copy's mbarrier came before this read of"
                                                      : "race: no barrier came before this read of");
  if (isAsync && !isShownToProxy(warp, write))
    return failWrite(warp, lane, piece << shift, write, "no fence.proxy.async came before this asynchronous read of");
  return true;
}

bool SharedMemory::read(Warp &warp, unsigned lane, uint64_t offset, unsigned count, void *to, bool isStrong) {
  if (!isInside(warp, lane, offset, count))
    return false;
  Actor actor = threadsOf(warp);
  for (uint64_t piece = offset >> shift, end = piece + (count >> shift); piece < end; ++piece) {
    if (isStrong && writes[piece].kind == Kind::Atomic)
      continue;
    if (!checkWrite(warp, lane, piece, /*isAsync=*/false))
      return false;
    if (!isStrong)
      noteRead(actor, lane, piece);
  }
  std::memcpy(to, &bytes[offset], count);
  return true;
}

bool SharedMemory::readAsync(Warp &warp, unsigned lane, uint64_t offset, unsigned count, void *to) {
  if (!isInside(warp, lane, offset, count))
    return false;
  Actor actor = agentOf(warp);
  for (uint64_t piece = offset >> shift, end = piece + (count >> shift); piece < end; ++piece) {
    if (!checkWrite(warp, lane, piece, /*isAsync=*/true))
      return false;
    noteRead(actor, lane, piece);
  }
  std::memcpy(to, &bytes[offset], count);
  return true;
}

/// Whether every read since the last write precedes what the lane does now.
bool SharedMemory::checkReads(Warp &warp, unsigned lane, uint64_t piece) {
  for (uint64_t mask = readers[piece]; mask; mask &= mask - 1) {
    unsigned reader = llvm::countr_zero(mask);
    const Read &record = reads[reader * numPieces + piece];
    uint32_t culprits = 0;
    if (reader != warp.index)
      culprits = record.stamp > warp.clock.known[reader] ? record.lanes : 0;
    else
      forEachLane(record.lanes, [&](unsigned other) {
        culprits |= uint32_t(!warp.clock.precedes(record.stamp, other, lane)) << other;
      });
    if (!culprits)
      continue;
    warp.fail(1u << lane, isAgent(reader)
                              ? "race: no wait and barrier came between reads by a wgmma or bulk copy of warp " +
                                    llvm::Twine(reader - numWarps) + " and this write of " + describe(piece << shift)
                              : "race: no barrier came between reads by warp " + llvm::Twine(reader) + ", " +
                                    describeLanes(culprits) + ", and this write of " + describe(piece << shift));
    return false;
  }
  return true;
}

/// Another lane has written the piece in this very instruction: fine where both write the same.
bool SharedMemory::overlaps(Warp &warp, unsigned lane, uint64_t piece, uint64_t offset, const void *from) {
  uint64_t begin = piece << shift;
  if (from && std::memcmp(&bytes[begin], static_cast<const uint8_t *>(from) + (begin - offset), granule) == 0)
    return true;
  return failWrite(warp, lane, begin, writes[piece], "race: lanes write different values to");
}

bool SharedMemory::startWrite(Warp &warp, Actor actor, unsigned lane, uint64_t offset, unsigned count, const void *from,
                              Kind kind) {
  if (!isInside(warp, lane, offset, count))
    return false;
  uint32_t instruction = warp.current - kernel->instructions.data();
  for (uint64_t piece = offset >> shift, end = piece + (count >> shift); piece < end; ++piece) {
    Write &write = writes[piece];
    bool areAtomic = kind == Kind::Atomic && write.kind == Kind::Atomic;
    if (write.kind >= Kind::Written && write.serial == serial && !areAtomic) {
      if (!overlaps(warp, lane, piece, offset, from))
        return false;
      continue;
    }
    if (write.kind == Kind::Pending)
      return failWrite(warp, lane, piece << shift, write, "no wait_group came between a cp.async and this write of");
    if (write.kind == Kind::Mbarrier)
      return failWrite(warp, lane, piece << shift, write, "only mbarrier instructions may write");
    if (write.kind >= Kind::Written && !areAtomic && !isOrdered(warp, lane, write))
      return failWrite(warp, lane, piece << shift, write, "race: no barrier came before this write of");
    if (write.kind >= Kind::Written && isAgent(actor.index) && !isShownToProxy(warp, write))
      return failWrite(warp, lane, piece << shift, write,
                       "no fence.proxy.async came before this asynchronous write of");
    if (readers[piece] && !checkReads(warp, lane, piece))
      return false;
    readers[piece] = 0;
    write = {actor.stamp, serial, instruction, uint16_t(actor.index * warpSize + lane), kind};
  }
  return true;
}

bool SharedMemory::write(Warp &warp, unsigned lane, uint64_t offset, unsigned count, const void *from) {
  if (!startWrite(warp, threadsOf(warp), lane, offset, count, from, Kind::Written))
    return false;
  std::memcpy(&bytes[offset], from, count);
  return true;
}

bool SharedMemory::writeAsync(Warp &warp, unsigned lane, uint64_t offset, unsigned count, const void *from) {
  if (!startWrite(warp, agentOf(warp), lane, offset, count, from, Kind::Written))
    return false;
  std::memcpy(&bytes[offset], from, count);
  return true;
}

bool SharedMemory::beginMbarrier(Warp &warp, unsigned lane, uint64_t offset) {
  return startWrite(warp, threadsOf(warp), lane, offset, 8, nullptr, Kind::Mbarrier);
}

void SharedMemory::endMbarrier(uint64_t offset) {
  std::fill_n(writes.begin() + (offset >> shift), 8 >> shift, Write{0, 0, 0, 0, Kind::Uninitialised});
}

bool SharedMemory::copy(Warp &warp, unsigned lane, uint64_t offset, unsigned count, const void *from) {
  if (!startWrite(warp, threadsOf(warp), lane, offset, count, from, Kind::Pending))
    return false;
  std::memcpy(&bytes[offset], from, count);
  return true;
}

uint8_t *SharedMemory::atomic(Warp &warp, unsigned lane, uint64_t offset, unsigned count, bool reads) {
  if (!isInside(warp, lane, offset, count))
    return nullptr;
  if (reads && writes[offset >> shift].kind == Kind::Uninitialised) {
    warp.fail(1u << lane, "reads " + describe(offset) + ", which was never written");
    return nullptr;
  }
  return startWrite(warp, threadsOf(warp), lane, offset, count, nullptr, Kind::Atomic) ? &bytes[offset] : nullptr;
}

void SharedMemory::arrive(Warp &warp, unsigned lane, uint64_t offset, unsigned count, uint32_t instruction) {
  Write done = {warp.clock.known[warp.index], serial, instruction, uint16_t(warp.index * warpSize + lane),
                Kind::Written};
  std::fill_n(writes.begin() + (offset >> shift), count >> shift, done);
}
