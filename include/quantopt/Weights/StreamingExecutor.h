//===- StreamingExecutor.h - many small jobs under a byte budget -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_WEIGHTS_STREAMINGEXECUTOR_H
#define QUANTOPT_WEIGHTS_STREAMINGEXECUTOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <string>

namespace quantopt {

/// One job: what it reads, computes and writes depends on nothing but itself, so its result cannot depend on the number
/// of threads.
struct StreamingUnit {
  std::string name;
  /// Bytes it holds at its peak.
  uint64_t footprint = 0;
  /// Bytes it completes, for the progress bar.
  uint64_t work = 0;
  std::function<llvm::Error()> run;
};

struct StreamingOptions {
  /// 0: one per core.
  unsigned threads = 0;
  /// Bytes that all running units may hold together. A unit that needs more than all of it runs alone.
  uint64_t maxMemory = uint64_t(128) << 20;
  /// Title of the progress bar on stderr; none if empty.
  std::string progressTitle;
};

/// Runs all units, started in order. The first error cancels the units after it; returned is that of the lowest unit,
/// whatever the number of threads.
llvm::Error runUnits(llvm::ArrayRef<StreamingUnit> units, const StreamingOptions &options);

} // namespace quantopt

#endif // QUANTOPT_WEIGHTS_STREAMINGEXECUTOR_H
