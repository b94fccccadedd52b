//===- ImportModel.cpp - what the fuzz targets of ONNX do -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ImportModel.h"
#include "Context.h"
#include "mlir/IR/Verifier.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/Recognize/Recognize.h"
#include "quantopt/Onnx/Import.h"
#include "llvm/Support/Process.h"

using namespace quantopt;

void quantopt::importFuzzedModel(llvm::StringRef bytes) {
  static const std::string path =
      llvm::sys::Process::GetEnv("QUANTOPT_FUZZ_FOLDER").value_or("/nonexistent") + "/model.onnx";
  mlir::MLIRContext &context = contextForModule();
  std::string diagnostics;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    diagnostics += diagnostic.str() + "\n";
    return mlir::success();
  });
  auto module = importOnnx(llvm::MemoryBuffer::getMemBuffer(bytes, path, /*RequiresNullTerminator=*/false), context);
  if (!module)
    return;
  for (auto function : module->getOps<mlir::func::FuncOp>()) {
    if (function.isDeclaration() || function->hasAttr(onnx::OnnxDialect::functionAttrName))
      continue;
    recognize(function);
  }
  // What recognition makes is valid, or it would have left the nodes alone.
  if (failed(mlir::verify(*module))) {
    llvm::errs() << diagnostics;
    __builtin_trap();
  }
}
