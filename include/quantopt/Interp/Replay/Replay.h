//===- Replay.h - a bundle proved launch by launch ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_REPLAY_REPLAY_H
#define QUANTOPT_INTERP_REPLAY_REPLAY_H

#include "mlir/IR/BuiltinOps.h"
#include "quantopt/Runtime/Backend.h"
#include "quantopt/Runtime/Bundle.h"
#include "llvm/ADT/MapVector.h"

namespace quantopt::interp {

/// Tokens that a replay feeds.
struct ReplayOptions {
  /// Token ids of each sequence. Shorter ones are padded on the left.
  std::vector<std::vector<int64_t>> tokens;
  /// How many tokens at the end are decoded one by one, each by every phase that decodes.
  int64_t decodeSteps = 1;
  /// Tokens of a prefill at most; 0: all at once.
  int64_t chunk = 0;
  /// Called after every launch.
  std::function<void(llvm::StringRef phase, llvm::StringRef node)> progress;
};

/// How the launches of one kernel came out.
struct KernelReport {
  unsigned launches = 0;
  /// The largest deviation as a share of its bound; 0 where every bit has to be equal.
  double worst = 0;
  /// Codes that are another one than the interpreter's, next to a tie.
  int64_t ties = 0;
  /// Elements that were compared.
  int64_t elements = 0;
  double seconds = 0;
};

struct ReplayReport {
  /// By kernel, in the order of their first launch.
  llvm::MapVector<llvm::StringRef, KernelReport> kernels;
  /// "prefill, node ..., result 0: ...".
  std::vector<std::string> failures;
  unsigned launches = 0;
};

/// Runs `model`, the module that `bundle` was made of (its phases, in tile ops), on the CPU, and every launch of the
/// plan on `backend` with exactly the inputs that the CPU has there: kernels of kernels.ptx, weights of the bundle, the
/// grid that the plan says, results in the arena where the plan puts them. Results are compared as Checks.h says.
///
/// Errors: a plan whose launches are not the ops of the module; a phase that is no step over token ids and caches; a
/// kernel that fails; tokens that do not fit. What deviates is no error but a failure in the report.
llvm::Expected<ReplayReport> replayBundle(const runtime::Bundle &bundle, mlir::ModuleOp model,
                                          runtime::Backend &backend, const ReplayOptions &options);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_REPLAY_REPLAY_H
