//===- Parallel.cpp - loops of kernels shared among threads -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Support/Parallel.h"
#include <atomic>

using namespace quantopt;

static std::atomic<unsigned> threadCount{0};

void compute::setThreadCount(unsigned count) { threadCount = count; }

void compute::parallelFor(int64_t count, llvm::function_ref<void(int64_t)> body) {
  quantopt::parallelFor(count, threadCount, body);
}

void compute::parallelForRanges(int64_t count, int64_t grain, llvm::function_ref<void(int64_t, int64_t)> body) {
  quantopt::parallelForRanges(count, grain, threadCount, body);
}
