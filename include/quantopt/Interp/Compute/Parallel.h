//===- Parallel.h - loops of kernels shared among threads ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_PARALLEL_H
#define QUANTOPT_INTERP_COMPUTE_PARALLEL_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>

namespace quantopt::compute {

/// Number of threads that kernels use, for the whole process; 0, the default, is one per processor. Results never
/// depend on it.
void setThreadCount(unsigned count);

/// quantopt::parallelFor and parallelForRanges on that many threads.
void parallelFor(int64_t count, llvm::function_ref<void(int64_t)> body);
void parallelForRanges(int64_t count, int64_t grain, llvm::function_ref<void(int64_t, int64_t)> body);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_PARALLEL_H
