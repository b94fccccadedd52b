//===- BundlePlan.cpp - fuzzes plan.json ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/BundlePlan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto plan = quantopt::runtime::BundlePlan::parse({reinterpret_cast<const char *>(data), size});
  if (!plan) {
    llvm::consumeError(plan.takeError());
    return 0;
  }
  // References of an accepted plan are valid, and its sums do not overflow.
  for (const auto &phase : plan->phases)
    for (const auto &launch : phase.launches)
      if (launch.operands.size() != plan->kernels[launch.kernel].arguments.size())
        __builtin_trap();
  (void)plan->findDecodePhase(1);
  (void)plan->pagesPerSequence();
  (void)plan->cacheTokenBytes();
  (void)plan->arenaRowBytes();
  return 0;
}
