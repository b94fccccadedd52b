//===- StreamingExecutor.cpp - many small jobs under a byte budget ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/StreamingExecutor.h"
#include "quantopt/Support/MemoryBudget.h"
#include "quantopt/Support/Parallel.h"
#include "quantopt/Support/Progress.h"

using namespace quantopt;

llvm::Error quantopt::runUnits(llvm::ArrayRef<StreamingUnit> units, const StreamingOptions &options) {
  MemoryBudget budget(options.maxMemory);
  int64_t work = 0;
  for (const StreamingUnit &unit : units)
    work += unit.work;
  Progress progress(options.progressTitle, work, /*isSilent=*/options.progressTitle.empty());
  return parallelTryFor(units.size(), options.threads, [&](int64_t i) -> llvm::Error {
    MemoryReservation reservation(budget, units[i].footprint);
    if (llvm::Error error = units[i].run())
      return error;
    progress.advance(units[i].work);
    return llvm::Error::success();
  });
}
