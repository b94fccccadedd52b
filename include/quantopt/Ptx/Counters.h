//===- Counters.h - what a launch did ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PTX_COUNTERS_H
#define QUANTOPT_PTX_COUNTERS_H

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <map>
#include <string>

namespace quantopt::ptx {

/// Sums over all warps of a launch; the same for any number of threads.
struct Counters {
  /// Instructions that warps issued (also with every lane predicated off), by opcode with all its modifiers.
  std::map<std::string, uint64_t> instructions;
  uint64_t warpInstructions = 0;
  /// mma.sync and wgmma instructions.
  uint64_t matrixInstructions = 0;

  /// Shared memory: requests (one a warp instruction), cycles that banks need for them, and how many of those are
  /// conflicts: cycles beyond the one per phase. A phase is 32 lanes of up to 4 bytes, 16 of 8, 8 of 16, or one matrix
  /// of ldmatrix.
  uint64_t sharedRequests = 0, sharedCycles = 0, sharedConflicts = 0;

  /// Global memory. Bytes count once a request however many lanes name them; sectors are the 32-byte pieces touched.
  struct Traffic {
    uint64_t requests = 0, bytes = 0, sectors = 0;
    void add(const Traffic &other);
  };
  Traffic globalLoads, globalStores;

  /// The same by source line, for lines with memory instructions.
  struct Line {
    std::string instruction;
    uint64_t executions = 0, sharedCycles = 0, sharedConflicts = 0, globalRequests = 0, globalSectors = 0;
  };
  std::map<unsigned, Line> lines;

  void merge(const Counters &other);
  llvm::json::Value toJson() const;
  /// A table for people.
  void print(llvm::raw_ostream &os) const;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_PTX_COUNTERS_H
