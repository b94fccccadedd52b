//===- EmitOnnx.cpp - the pass emit-onnx ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "quantopt/Target/Onnx/Emission.h"
#include "quantopt/Target/Onnx/Passes.h"

using namespace mlir;
using namespace quantopt;

namespace {
struct EmitOnnx : PassWrapper<EmitOnnx, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EmitOnnx)

  EmitOnnx() = default;
  EmitOnnx(const EmitOnnx &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "emit-onnx"; }
  StringRef getDescription() const final {
    return "Write the module as an ONNX model, lowered and with its weights computed into a file beside it";
  }

  void runOnOperation() final {
    EmissionOptions options;
    options.output = output;
    options.threads = threads;
    options.maxMemory = maxMemory << 20;
    options.printPlan = plan;
    options.accuracyLevel = accuracyLevel;
    if (failed(emitOnnx(getOperation(), options)))
      return signalPassFailure();
    markAllAnalysesPreserved();
  }

  Option<std::string> output{*this, "output", llvm::cl::desc("The .onnx file to write")};
  Option<unsigned> threads{*this, "threads", llvm::cl::init(0), llvm::cl::desc("Threads; 0: one per core")};
  Option<uint64_t> maxMemory{*this, "max-memory", llvm::cl::init(128),
                             llvm::cl::desc("Working memory of all threads together for weights, in MiB")};
  Option<bool> plan{*this, "plan", llvm::cl::init(false),
                    llvm::cl::desc("Print sizes and memory on stderr before weights are computed")};
  Option<int64_t> accuracyLevel{*this, "accuracy-level", llvm::cl::init(0),
                                llvm::cl::desc("accuracy_level of MatMulNBits nodes (0: f32, 4: 8-bit activations)")};
};
} // namespace

std::unique_ptr<Pass> quantopt::createEmitOnnxPass(StringRef output) {
  auto pass = std::make_unique<EmitOnnx>();
  pass->output = output.str();
  return pass;
}

void quantopt::registerOnnxTargetPasses() { PassRegistration<EmitOnnx>(); }
