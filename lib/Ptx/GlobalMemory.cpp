//===- GlobalMemory.cpp - global memory during a launch, watched ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GlobalMemory.h"
#include "Block.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace quantopt::ptx;

GlobalMemory::GlobalMemory(DeviceMemory &memory, DeviceMemory::Allocation *variables, const Program &program,
                           const Kernel &kernel)
    : program(program), shift(llvm::Log2_32(kernel.globalGranule)) {
  // By window of DeviceMemory; the last one holds the variables.
  for (const auto &allocation : memory.allocations())
    for (uint64_t window = allocation->base >> 32; window <= (allocation->base + allocation->size) >> 32; ++window) {
      buffers.resize(std::max<size_t>(buffers.size(), window + 1));
      buffers[window].allocation = allocation.get();
    }
  buffers.emplace_back();
  buffers.back().allocation = variables;
  for (Buffer &buffer : buffers)
    if (buffer.allocation)
      buffer.pages = std::make_unique<std::atomic<Page *>[]>((buffer.allocation->size >> (shift + pageBits)) + 1);
}

//===----------------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------------===//

// In one word: kind, CTA, thread, stamp.
static constexpr unsigned kindBits = 3, ctaBits = 24, threadBits = 10;

GlobalMemory::Access GlobalMemory::Access::unpack(uint64_t word) {
  Access access;
  access.kind = Kind(word & llvm::maskTrailingOnes<uint64_t>(kindBits));
  access.cta = word >> kindBits & llvm::maskTrailingOnes<uint64_t>(ctaBits);
  access.thread = word >> (kindBits + ctaBits) & llvm::maskTrailingOnes<uint64_t>(threadBits);
  access.stamp = word >> (kindBits + ctaBits + threadBits);
  return access;
}

uint64_t GlobalMemory::Access::pack() const {
  return uint64_t(kind) | uint64_t(cta) << kindBits | uint64_t(thread) << (kindBits + ctaBits) |
         uint64_t(stamp) << (kindBits + ctaBits + threadBits);
}

GlobalMemory::Record &GlobalMemory::record(Buffer &buffer, uint64_t piece) {
  std::atomic<Page *> &slot = buffer.pages[piece >> pageBits];
  Page *page = slot.load(std::memory_order_acquire);
  if (!page) {
    std::lock_guard<std::mutex> lock(pageMutex);
    page = slot.load(std::memory_order_relaxed);
    if (!page) {
      pages.push_back(std::make_unique<Page>());
      page = pages.back().get();
      slot.store(page, std::memory_order_release);
    }
  }
  return page->records[piece & llvm::maskTrailingOnes<uint64_t>(pageBits)];
}

/// Grids of more CTAs than fit share numbers far apart.
static uint32_t ctaOf(const Warp &warp) { return warp.block.index & llvm::maskTrailingOnes<uint32_t>(ctaBits); }

GlobalMemory::Access GlobalMemory::now(const Warp &warp, unsigned lane, Kind kind) const {
  Access access;
  access.kind = kind;
  access.cta = ctaOf(warp);
  access.thread = warp.index * warpSize + lane;
  access.stamp = warp.clock.known[warp.index];
  return access;
}

/// Whether an access precedes what the lane does now.
bool GlobalMemory::isOrdered(const Warp &warp, unsigned lane, const Access &earlier) const {
  if (earlier.kind == Kind::None)
    return true;
  if (earlier.kind == Kind::ManyCtas || earlier.kind == Kind::AtomicManyCtas || earlier.cta != ctaOf(warp))
    return false;
  if (earlier.kind == Kind::ManyThreads)
    return earlier.stamp < warp.block.epoch();
  unsigned other = earlier.thread / warpSize;
  if (other != warp.index)
    return earlier.stamp <= warp.clock.known[other];
  return warp.clock.precedes(earlier.stamp, earlier.thread % warpSize, lane);
}

bool GlobalMemory::failRace(Warp &warp, unsigned lane, uint64_t address, const Access &earlier, llvm::StringRef what) {
  std::string who = "several CTAs";
  if (earlier.kind == Kind::ManyThreads)
    who = "other threads of the CTA";
  else if (earlier.kind != Kind::ManyCtas && earlier.kind != Kind::AtomicManyCtas)
    who = "CTA " + std::to_string(earlier.cta) + ", thread " + std::to_string(earlier.thread);
  warp.fail(1u << lane, "race: nothing orders this " + what + " " + describe(address) + " by " + who);
  return false;
}

bool GlobalMemory::noteRead(Warp &warp, unsigned lane, Record &record, uint64_t address, bool isStrong) {
  Access write = Access::unpack(record.write.load(std::memory_order_relaxed));
  bool areAtomic = isStrong && (write.kind == Kind::Atomic || write.kind == Kind::AtomicManyCtas);
  if (!areAtomic && !isOrdered(warp, lane, write))
    return failRace(warp, lane, address, write, "read with the write of");
  if (isStrong)
    return true;
  uint64_t word = record.read.load(std::memory_order_relaxed);
  for (;;) {
    Access earlier = Access::unpack(word), access = now(warp, lane, Kind::Plain);
    if (earlier.kind == Kind::ManyCtas)
      return true;
    if (earlier.kind != Kind::None && earlier.cta != access.cta) {
      access.kind = Kind::ManyCtas;
    } else if (!isOrdered(warp, lane, earlier)) {
      access.kind = Kind::ManyThreads;
      access.stamp = warp.block.epoch();
    }
    uint64_t packed = access.pack();
    if (packed == word || record.read.compare_exchange_weak(word, packed, std::memory_order_relaxed))
      return true;
  }
}

bool GlobalMemory::noteWrite(Warp &warp, unsigned lane, Record &record, uint64_t address, Kind kind) {
  uint64_t word = record.write.load(std::memory_order_relaxed);
  for (;;) {
    Access earlier = Access::unpack(word), access = now(warp, lane, kind);
    bool areAtomic = kind == Kind::Atomic && (earlier.kind == Kind::Atomic || earlier.kind == Kind::AtomicManyCtas);
    if (!areAtomic && !isOrdered(warp, lane, earlier))
      return failRace(warp, lane, address, earlier, "write with the write of");
    if (areAtomic && (earlier.kind == Kind::AtomicManyCtas || earlier.cta != access.cta))
      access.kind = Kind::AtomicManyCtas;
    if (record.write.compare_exchange_weak(word, access.pack(), std::memory_order_relaxed))
      break;
  }
  Access read = Access::unpack(record.read.load(std::memory_order_relaxed));
  if (!isOrdered(warp, lane, read))
    return failRace(warp, lane, address, read, "write with the read of");
  return true;
}

//===----------------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------------===//

std::string GlobalMemory::describe(uint64_t address) const {
  uint64_t window = address >> 32;
  const Buffer *buffer = window < buffers.size() - 1 ? &buffers[window] : nullptr;
  if (buffer && buffer->allocation)
    return "'" + buffer->allocation->name + "' + " + std::to_string(int64_t(address - buffer->allocation->base));
  for (const Variable &variable : program.variables)
    if (address >= variable.address && address < variable.address + variable.size)
      return "'" + variable.name + "' + " + std::to_string(address - variable.address);
  return "address 0x" + llvm::utohexstr(address, true);
}

GlobalMemory::Buffer *GlobalMemory::locate(Warp &warp, unsigned lane, uint64_t address, unsigned bytes) {
  if (address & (bytes - 1)) {
    warp.fail(1u << lane, describe(address) + " is not a multiple of " + llvm::Twine(bytes));
    return nullptr;
  }
  uint64_t window = address >> 32;
  Buffer *buffer = window < buffers.size() - 1 ? &buffers[window] : nullptr;
  if (buffer && buffer->allocation) {
    uint64_t offset = address - buffer->allocation->base;
    if (offset < buffer->allocation->size && bytes <= buffer->allocation->size - offset)
      return buffer;
    warp.fail(1u << lane, llvm::Twine(bytes) + " bytes at " + describe(address) + " are outside of its " +
                              llvm::Twine(buffer->allocation->size) + " bytes");
    return nullptr;
  }
  for (const Variable &variable : program.variables)
    if (address >= variable.address && address + bytes <= variable.address + variable.size)
      return &buffers.back();
  warp.fail(1u << lane, describe(address) + " is outside of every buffer");
  return nullptr;
}

bool GlobalMemory::read(Warp &warp, unsigned lane, uint64_t address, unsigned bytes, void *to, bool isStrong) {
  Buffer *buffer = locate(warp, lane, address, bytes);
  if (!buffer)
    return false;
  uint64_t offset = address - buffer->allocation->base;
  const uint8_t *written = &buffer->allocation->written[offset];
  for (unsigned i = 0; i < bytes; ++i)
    if (!written[i]) {
      warp.fail(1u << lane, "reads " + describe(address + i) + ", which was never written");
      return false;
    }
  for (uint64_t piece = offset >> shift, last = (offset + bytes - 1) >> shift; piece <= last; ++piece)
    if (!noteRead(warp, lane, record(*buffer, piece), address, isStrong))
      return false;
  std::memcpy(to, &buffer->allocation->bytes[offset], bytes);
  return true;
}

bool GlobalMemory::write(Warp &warp, unsigned lane, uint64_t address, unsigned bytes, const void *from) {
  Buffer *buffer = locate(warp, lane, address, bytes);
  if (!buffer)
    return false;
  uint64_t offset = address - buffer->allocation->base;
  for (uint64_t piece = offset >> shift, end = (offset + bytes) >> shift; piece < end; ++piece)
    if (!noteWrite(warp, lane, record(*buffer, piece), address, Kind::Plain))
      return false;
  std::memcpy(&buffer->allocation->bytes[offset], from, bytes);
  std::memset(&buffer->allocation->written[offset], 1, bytes);
  return true;
}

uint8_t *GlobalMemory::atomic(Warp &warp, unsigned lane, uint64_t address, unsigned bytes, bool reads) {
  Buffer *buffer = locate(warp, lane, address, bytes);
  if (!buffer)
    return nullptr;
  uint64_t offset = address - buffer->allocation->base;
  llvm::MutableArrayRef<uint8_t> written(&buffer->allocation->written[offset], bytes);
  if (reads && llvm::is_contained(written, 0)) {
    warp.fail(1u << lane, "reads " + describe(address) + ", which was never written");
    return nullptr;
  }
  for (uint64_t piece = offset >> shift, end = (offset + bytes) >> shift; piece < end; ++piece)
    if (!noteWrite(warp, lane, record(*buffer, piece), address, Kind::Atomic))
      return nullptr;
  llvm::fill(written, 1);
  return &buffer->allocation->bytes[offset];
}
