//===- Parallel.h - loops on many threads ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_PARALLEL_H
#define QUANTOPT_SUPPORT_PARALLEL_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace quantopt {

// How work is divided never depends on the number of threads, so a body that writes results of its own indices only
// gives the same bits on any number. `threads` counts the caller; 0 stands for one per processor. Loops may be nested.

/// Runs body(i) once for every i in [0, count).
void parallelFor(int64_t count, unsigned threads, llvm::function_ref<void(int64_t)> body);

/// Runs body(begin, end) for [0, grain), [grain, 2·grain), ..., the last range shorter.
void parallelForRanges(int64_t count, int64_t grain, unsigned threads, llvm::function_ref<void(int64_t, int64_t)> body);

/// Runs body(i) until one fails; returns the error of the least failing i.
llvm::Error parallelTryFor(int64_t count, unsigned threads, llvm::function_ref<llvm::Error(int64_t)> body);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_PARALLEL_H
