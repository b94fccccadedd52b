//===- VerifyNumerics.h - proof of rewrites by execution ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PIPELINES_VERIFYNUMERICS_H
#define QUANTOPT_PIPELINES_VERIFYNUMERICS_H

#include "mlir/Pass/PassManager.h"

namespace quantopt {

/// Says that the pass with this argument may not change what functions compute. The project's own passes and MLIR's
/// (canonicalize, cse, inline, symbol-dce) are declared already.
void declareFunctionPreserving(llvm::StringRef passArgument);

/// Runs every public function before and after each function-preserving pass of `pm`, in f64, on the same random
/// inputs (interp::makeVerificationSteps). When a result differs by more than `interp::maxRelativeMeanSquareError`, or
/// when a function cannot be executed, an error says so, no later pass runs, and the pipeline fails. Call it last: a
/// pass that reports the failure is appended. Turns multithreading of `pm`'s context off.
void enableNumericVerification(mlir::PassManager &pm);

} // namespace quantopt

#endif // QUANTOPT_PIPELINES_VERIFYNUMERICS_H
