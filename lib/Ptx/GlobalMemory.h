//===- GlobalMemory.h - global memory during a launch, watched -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_GLOBALMEMORY_H
#define QUANTOPT_LIB_PTX_GLOBALMEMORY_H

#include "Warp.h"
#include "quantopt/Ptx/DeviceMemory.h"
#include <atomic>
#include <mutex>

namespace quantopt::ptx {

/// Buffers and module variables as the CTAs of one launch see them, all at once and from many threads. Who touched what
/// is recorded for pieces of the least access that the kernel makes.
class GlobalMemory {
public:
  GlobalMemory(DeviceMemory &memory, DeviceMemory::Allocation *variables, const Program &program, const Kernel &kernel);

  // As in SharedMemory, with generic addresses.
  /// A cp.async may read a part of a piece; it counts as a read of all of it. Strong reads (volatile, relaxed, acquire)
  /// do not race with atomic accesses, and leave no record.
  bool read(Warp &warp, unsigned lane, uint64_t address, unsigned bytes, void *to, bool isStrong = false);
  bool write(Warp &warp, unsigned lane, uint64_t address, unsigned bytes, const void *from);
  /// Checks an atomic access; the caller holds atomicMutex() while it changes the bytes.
  uint8_t *atomic(Warp &warp, unsigned lane, uint64_t address, unsigned bytes, bool reads = true);
  std::mutex &atomicMutex() { return mutex; }

private:
  /// Who touched a piece last: one thread, for reads also several threads of one CTA (then the stamp counts the CTA's
  /// barriers) or several CTAs.
  enum class Kind : uint8_t { None, Plain, ManyThreads, ManyCtas, Atomic, AtomicManyCtas };
  struct Access {
    Kind kind = Kind::None;
    uint32_t cta = 0, thread = 0, stamp = 0;
    static Access unpack(uint64_t word);
    uint64_t pack() const;
  };
  struct Record {
    std::atomic<uint64_t> write{0}, read{0};
  };
  static constexpr unsigned pageBits = 12;
  struct Page {
    Record records[1 << pageBits];
  };
  struct Buffer {
    DeviceMemory::Allocation *allocation = nullptr;
    std::unique_ptr<std::atomic<Page *>[]> pages;
  };

  Buffer *locate(Warp &warp, unsigned lane, uint64_t address, unsigned bytes);
  Record &record(Buffer &buffer, uint64_t piece);
  Access now(const Warp &warp, unsigned lane, Kind kind) const;
  bool isOrdered(const Warp &warp, unsigned lane, const Access &earlier) const;
  bool noteRead(Warp &warp, unsigned lane, Record &record, uint64_t address, bool isStrong);
  bool noteWrite(Warp &warp, unsigned lane, Record &record, uint64_t address, Kind kind);
  bool failRace(Warp &warp, unsigned lane, uint64_t address, const Access &earlier, llvm::StringRef what);
  std::string describe(uint64_t address) const;

  const Program &program;
  unsigned shift;
  std::mutex mutex;
  std::vector<Buffer> buffers;
  std::vector<std::unique_ptr<Page>> pages;
  std::mutex pageMutex;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_GLOBALMEMORY_H
