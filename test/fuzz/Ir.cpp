//===- Ir.cpp - fuzzes the text of modules --------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/Parser/Parser.h"
#include "quantopt/InitAllDialects.h"

using namespace quantopt;

static constexpr unsigned modulesPerContext = 500;

/// Parses and verifies, then prints and parses again what was accepted.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static std::unique_ptr<mlir::MLIRContext> context;
  static unsigned modules = 0;
  if (!context || ++modules % modulesPerContext == 0) {
    mlir::DialectRegistry dialects;
    registerAllDialects(dialects);
    context = std::make_unique<mlir::MLIRContext>(dialects, mlir::MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
  }
  mlir::ScopedDiagnosticHandler handler(context.get(), [](mlir::Diagnostic &) { return mlir::success(); });
  std::string text(reinterpret_cast<const char *>(data), size);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
  if (!module)
    return 0;
  std::string printed;
  llvm::raw_string_ostream stream(printed);
  module->print(stream);
  (void)mlir::parseSourceString<mlir::ModuleOp>(printed, context.get());
  return 0;
}
