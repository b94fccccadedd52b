//===- MemoryAccess.cpp - memory as instructions name it -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "MemoryAccess.h"
#include <cstring>

using namespace quantopt::ptx;

StateSpace quantopt::ptx::resolve(StateSpace space, uint64_t &address) {
  if (space == StateSpace::Const)
    return StateSpace::Global;
  if (space != StateSpace::Generic)
    return space;
  if (address - sharedWindow < windowSize) {
    address -= sharedWindow;
    return StateSpace::Shared;
  }
  if (address - paramWindow < windowSize) {
    address -= paramWindow;
    return StateSpace::Param;
  }
  return StateSpace::Global;
}

static bool loadParameter(Warp &warp, unsigned lane, uint64_t offset, unsigned bytes, void *to) {
  const std::vector<uint8_t> &parameters = warp.block.context.parameters;
  if (offset & (bytes - 1)) {
    warp.fail(1u << lane,
              "parameter address " + llvm::Twine(int64_t(offset)) + " is not a multiple of " + llvm::Twine(bytes));
    return false;
  }
  if (offset >= parameters.size() || bytes > parameters.size() - offset) {
    warp.fail(1u << lane, llvm::Twine(bytes) + " bytes at parameter address " + llvm::Twine(int64_t(offset)) +
                              " are outside of the " + llvm::Twine(parameters.size()) + " bytes of parameters");
    return false;
  }
  std::memcpy(to, &parameters[offset], bytes);
  return true;
}

bool quantopt::ptx::loadLane(Warp &warp, StateSpace space, unsigned lane, uint64_t address, unsigned bytes, void *to,
                             bool isStrong) {
  switch (resolve(space, address)) {
  case StateSpace::Shared:
    return warp.block.shared.read(warp, lane, address, bytes, to, isStrong);
  case StateSpace::Param:
    return loadParameter(warp, lane, address, bytes, to);
  default:
    return warp.block.context.global.read(warp, lane, address, bytes, to, isStrong);
  }
}

bool quantopt::ptx::storeLane(Warp &warp, StateSpace space, unsigned lane, uint64_t address, unsigned bytes,
                              const void *from) {
  switch (resolve(space, address)) {
  case StateSpace::Shared:
    return warp.block.shared.write(warp, lane, address, bytes, from);
  case StateSpace::Param:
    warp.fail(1u << lane, "parameters cannot be written");
    return false;
  default:
    return warp.block.context.global.write(warp, lane, address, bytes, from);
  }
}

uint8_t *quantopt::ptx::atomicLane(Warp &warp, StateSpace space, unsigned lane, uint64_t address, unsigned bytes,
                                   bool reads) {
  switch (resolve(space, address)) {
  case StateSpace::Shared:
    return warp.block.shared.atomic(warp, lane, address, bytes, reads);
  case StateSpace::Param:
    warp.fail(1u << lane, "parameters cannot be written");
    return nullptr;
  default:
    return warp.block.context.global.atomic(warp, lane, address, bytes, reads);
  }
}

//===----------------------------------------------------------------------------===//
// Counting
//===----------------------------------------------------------------------------===//

/// Cycles that 32 banks of 4 bytes need for a phase of up to 32 words: lanes that name the same word share it,
/// different words of one bank take turns.
static unsigned phaseCycles(llvm::ArrayRef<uint64_t> words) {
  constexpr unsigned banks = 32;
  uint64_t perBank[banks][32];
  uint8_t counts[banks] = {};
  unsigned most = 0;
  for (uint64_t word : words) {
    uint64_t *bank = perBank[word % banks];
    uint8_t &count = counts[word % banks];
    if (std::find(bank, bank + count, word) != bank + count)
      continue;
    bank[count++] = word;
    most = std::max<unsigned>(most, count);
  }
  return most;
}

static void countShared(InstructionCounts &counts, const uint64_t *addresses, uint32_t lanes, unsigned bytes) {
  unsigned phases = std::max(bytes / 4, 1u), lanesPerPhase = warpSize / phases;
  ++counts.sharedRequests;
  for (unsigned begin = 0; begin < warpSize; begin += lanesPerPhase) {
    llvm::SmallVector<uint64_t, 32> words;
    for (unsigned lane = begin; lane < begin + lanesPerPhase; ++lane)
      for (unsigned word = 0; lanes >> lane & 1 && word < phases; ++word)
        words.push_back(addresses[lane] / 4 + word);
    if (words.empty())
      continue;
    unsigned cycles = phaseCycles(words);
    counts.sharedCycles += cycles;
    counts.sharedConflicts += cycles - 1;
  }
}

static void countGlobal(Counters::Traffic &traffic, const uint64_t *addresses, uint32_t lanes, unsigned bytes) {
  constexpr uint64_t sectorBytes = 32;
  llvm::SmallVector<uint64_t, warpSize> begins;
  forEachLane(lanes, [&](unsigned lane) { begins.push_back(addresses[lane]); });
  if (!llvm::is_sorted(begins))
    std::sort(begins.begin(), begins.end());
  ++traffic.requests;
  // Accesses are of one size and aligned to it: they coincide or are apart, and lie in one sector unless larger.
  uint64_t lastBegin = ~uint64_t(0), lastSector = ~uint64_t(0);
  for (uint64_t begin : begins) {
    if (begin == lastBegin)
      continue;
    lastBegin = begin;
    traffic.bytes += bytes;
    for (uint64_t sector = begin / sectorBytes; sector <= (begin + bytes - 1) / sectorBytes; ++sector) {
      traffic.sectors += sector != lastSector;
      lastSector = sector;
    }
  }
}

static InstructionCounts &countsOf(Warp &warp, const Instruction &instruction) {
  return warp.block.counts[&instruction - warp.block.context.kernel.instructions.data()];
}

void quantopt::ptx::countRequest(Warp &warp, const Instruction &instruction, StateSpace space,
                                 const uint64_t *addresses, unsigned bytes, bool isStore) {
  // Constants come from a cache of their own.
  if (!warp.block.context.options.counters || !warp.active || space == StateSpace::Const)
    return;
  InstructionCounts &counts = countsOf(warp, instruction);
  uint64_t first = addresses[llvm::countr_zero(warp.active)];
  StateSpace actual = resolve(space, first);
  if (actual == StateSpace::Shared)
    countShared(counts, addresses, warp.active, bytes);
  else if (actual == StateSpace::Global)
    countGlobal(isStore ? counts.stores : counts.loads, addresses, warp.active, bytes);
}

void quantopt::ptx::countBulkCopy(Warp &warp, const Instruction &instruction, uint64_t address, unsigned bytes,
                                  bool isStore) {
  if (!warp.block.context.options.counters || !bytes)
    return;
  constexpr uint64_t sectorBytes = 32;
  InstructionCounts &counts = countsOf(warp, instruction);
  Counters::Traffic &traffic = isStore ? counts.stores : counts.loads;
  ++traffic.requests;
  traffic.bytes += bytes;
  traffic.sectors += (address + bytes - 1) / sectorBytes - address / sectorBytes + 1;
}

void quantopt::ptx::countMatrixRequest(Warp &warp, const Instruction &instruction, const uint64_t *rows,
                                       unsigned matrices) {
  if (!warp.block.context.options.counters)
    return;
  InstructionCounts &counts = countsOf(warp, instruction);
  ++counts.sharedRequests;
  for (unsigned matrix = 0; matrix < matrices; ++matrix) {
    llvm::SmallVector<uint64_t, 32> words;
    for (unsigned row = 0; row < 8; ++row)
      for (unsigned word = 0; word < 4; ++word)
        words.push_back(rows[matrix * 8 + row] / 4 + word);
    unsigned cycles = phaseCycles(words);
    counts.sharedCycles += cycles;
    counts.sharedConflicts += cycles - 1;
  }
}
