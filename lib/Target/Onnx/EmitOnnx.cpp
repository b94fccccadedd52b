//===- EmitOnnx.cpp - the pass emit-onnx ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "quantopt/Onnx/Export.h"
#include "quantopt/Target/Onnx/Passes.h"

using namespace mlir;
using namespace quantopt;

namespace {
struct EmitOnnx : PassWrapper<EmitOnnx, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EmitOnnx)

  EmitOnnx() = default;
  EmitOnnx(const EmitOnnx &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "emit-onnx"; }
  StringRef getDescription() const final { return "Write the module as an ONNX model"; }

  void runOnOperation() final {
    if (output.empty()) {
      getOperation().emitError() << "emit-onnx needs the file to write: emit-onnx=output=model.onnx";
      return signalPassFailure();
    }
    if (failed(exportOnnx(getOperation(), output)))
      return signalPassFailure();
    markAllAnalysesPreserved();
  }

  Option<std::string> output{*this, "output", llvm::cl::desc("The .onnx file to write")};
};
} // namespace

std::unique_ptr<Pass> quantopt::createEmitOnnxPass(StringRef output) {
  auto pass = std::make_unique<EmitOnnx>();
  pass->output = output.str();
  return pass;
}

void quantopt::registerOnnxTargetPasses() { PassRegistration<EmitOnnx>(); }
