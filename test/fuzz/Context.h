//===- Context.h - the MLIR context of fuzz targets -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_FUZZ_CONTEXT_H
#define QUANTOPT_TEST_FUZZ_CONTEXT_H

#include "quantopt/InitAllDialects.h"

namespace quantopt {

/// A context with all dialects for one module. A new one for every 500 modules, since a context keeps all types and
/// attributes that it has seen.
inline mlir::MLIRContext &contextForModule() {
  constexpr unsigned modulesPerContext = 500;
  static std::unique_ptr<mlir::MLIRContext> context;
  static unsigned modules = 0;
  if (modules++ % modulesPerContext == 0) {
    mlir::DialectRegistry dialects;
    registerAllDialects(dialects);
    context = std::make_unique<mlir::MLIRContext>(dialects, mlir::MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
  }
  return *context;
}

} // namespace quantopt

#endif // QUANTOPT_TEST_FUZZ_CONTEXT_H
