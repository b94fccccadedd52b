//===- EmitOnnx.cpp - the pass emit-onnx ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Target/Onnx/Emission.h"

namespace quantopt {
#define GEN_PASS_DECL_EMITONNXPASS
#define GEN_PASS_DEF_EMITONNXPASS
#include "onnx/OnnxPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

namespace {
struct EmitOnnxPass : quantopt::impl::EmitOnnxPassBase<EmitOnnxPass> {
  using EmitOnnxPassBase::EmitOnnxPassBase;
  void runOnOperation() override {
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
};
} // namespace
