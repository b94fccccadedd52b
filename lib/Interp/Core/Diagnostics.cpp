//===- Diagnostics.cpp - what MLIR reports, as errors -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Diagnostics.h"

using namespace mlir;
using namespace quantopt::interp;

CollectedDiagnostics::CollectedDiagnostics(MLIRContext &context)
    : handler(&context, [this](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
          errors += (errors.empty() ? "" : "; ") + diagnostic.str();
        else
          others.push_back(diagnostic.str());
      }) {}

llvm::Error CollectedDiagnostics::error(const llvm::Twine &prefix) const {
  return llvm::createStringError(prefix + ": " + errors);
}
