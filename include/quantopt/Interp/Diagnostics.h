//===- Diagnostics.h - what MLIR reports, as errors ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_DIAGNOSTICS_H
#define QUANTOPT_INTERP_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"

namespace quantopt::interp {

/// Collects what is reported in a context while it lives, in place of printing it.
class CollectedDiagnostics {
public:
  explicit CollectedDiagnostics(mlir::MLIRContext &context);

  /// "<prefix>: <errors, with ; between>".
  llvm::Error error(const llvm::Twine &prefix) const;
  /// Remarks and warnings.
  llvm::ArrayRef<std::string> remarks() const { return others; }

private:
  std::string errors;
  std::vector<std::string> others;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_DIAGNOSTICS_H
