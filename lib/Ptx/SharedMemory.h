//===- SharedMemory.h - a CTA's shared memory, watched -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_SHAREDMEMORY_H
#define QUANTOPT_LIB_PTX_SHAREDMEMORY_H

#include "Warp.h"

namespace quantopt::ptx {

/// Bytes with a record of who touched them. Records are kept for pieces of `granule` bytes, the least access that the
/// kernel makes: accesses are aligned to their size, so each covers whole pieces.
class SharedMemory {
public:
  void reset(const Kernel &kernel, uint32_t dynamicBytes, unsigned numWarps);

  // Offsets are within the memory. The functions return false after telling the warp what is wrong.
  /// Strong reads (volatile, relaxed, acquire) do not race with atomic accesses, and leave no record.
  bool read(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, void *to, bool isStrong = false);
  bool write(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, const void *from);
  /// Checks an atomic access and gives its bytes, to be read and changed in place. Without `reads` they may be
  /// uninitialised.
  uint8_t *atomic(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, bool reads = true);
  /// Writes like an asynchronous copy: nobody may touch the bytes until arrive().
  bool copy(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, const void *from);
  /// The copy is complete and visible to the thread.
  void arrive(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, uint32_t instruction);
  /// Called before every instruction that writes: lanes of one instruction may write the same value to one place.
  void beginInstruction() { ++serial; }

  // What bulk copies and wgmma do: the accesses are those of the warp's agent, and writes of threads must have been
  // shown to it by a fence.proxy.async.
  bool readAsync(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, void *to);
  bool writeAsync(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, const void *from);
  /// 8 bytes that only mbarrier instructions may touch until the end.
  bool beginMbarrier(Warp &warp, unsigned lane, uint64_t offset);
  void endMbarrier(uint64_t offset);

  /// "'tile' + 64"
  std::string describe(uint64_t offset) const;
  uint64_t size() const { return bytes.size(); }

private:
  enum class Kind : uint8_t { Outside, Uninitialised, Written, Atomic, Pending, Mbarrier };
  struct Write {
    uint32_t stamp = 0;
    uint32_t serial = 0;
    uint32_t instruction = 0;
    uint16_t thread = 0;
    Kind kind = Kind::Outside;
  };
  struct Read {
    uint32_t stamp = 0;
    uint32_t lanes = 0;
  };

  /// Who makes an access: the threads of a warp, or its agent.
  struct Actor {
    unsigned index;
    uint32_t stamp;
  };
  static Actor threadsOf(const Warp &warp) { return {warp.index, warp.clock.known[warp.index]}; }
  Actor agentOf(const Warp &warp) const { return {numWarps + warp.index, warp.agentStamp}; }
  bool isAgent(unsigned index) const { return index >= numWarps; }

  bool isInside(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes);
  /// Whether a write precedes what the lane does now.
  bool isOrdered(const Warp &warp, unsigned lane, const Write &write) const;
  /// Whether a write is known to the asynchronous proxy, too.
  bool isShownToProxy(const Warp &warp, const Write &write) const;
  bool checkWrite(Warp &warp, unsigned lane, uint64_t piece, bool isAsync);
  void noteRead(Actor actor, unsigned lane, uint64_t piece);
  bool checkReads(Warp &warp, unsigned lane, uint64_t piece);
  bool startWrite(Warp &warp, Actor actor, unsigned lane, uint64_t offset, unsigned bytes, const void *from, Kind kind);
  bool failWrite(Warp &warp, unsigned lane, uint64_t offset, const Write &earlier, llvm::StringRef what);
  bool overlaps(Warp &warp, unsigned lane, uint64_t piece, uint64_t offset, const void *from);

  const Kernel *kernel = nullptr;
  unsigned granule = 1, shift = 0, numWarps = 1;
  uint64_t numPieces = 0;
  uint32_t serial = 0;
  std::vector<uint8_t> bytes;
  std::vector<Write> writes;
  /// Which actors have a record in `reads` since the last write of a piece.
  std::vector<uint64_t> readers;
  /// By actor, then by piece.
  std::vector<Read> reads;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_SHAREDMEMORY_H
