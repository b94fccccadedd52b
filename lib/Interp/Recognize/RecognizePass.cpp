//===- RecognizePass.cpp - llm-recognize, and its proof -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// The pass is here and not beside its patterns because conversions are below the interpreter.
//
//===----------------------------------------------------------------------------===//
#include "ResolveBranches.h"
#include "quantopt/Conversion/OnnxToLlm/OnnxToLlm.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Interp/Recognize/Recognize.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Process.h"

namespace quantopt {
#define GEN_PASS_DEF_RECOGNIZEPASS
#include "onnx/OnnxPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;
using interp::VerificationStep;

void quantopt::recognize(func::FuncOp function) {
  resolveBranches(function);
  recognizeDecoder(function);
}

namespace {
/// What a function computes, kept to be compared with what its next form computes.
class Proof {
public:
  explicit Proof(func::FuncOp function) : function(function) {}

  /// Runs the function as it is. Errors: there are no inputs for it, or it cannot be executed.
  llvm::Error begin() {
    llvm::Expected<std::vector<VerificationStep>> made = interp::makeVerificationSteps(function);
    if (!made)
      return made.takeError();
    llvm::Expected<std::vector<SmallVector<Tensor>>> computed = interp::runVerificationSteps(function, *made);
    if (!computed)
      return computed.takeError();
    steps = std::move(*made);
    results = std::move(*computed);
    return llvm::Error::success();
  }

  llvm::Error end() const {
    llvm::Expected<std::vector<SmallVector<Tensor>>> computed = interp::runVerificationSteps(function, steps);
    if (!computed)
      return llvm::createStringError("made function '" + function.getName() +
                                     "' one that cannot be executed: " + llvm::toString(computed.takeError()));
    return interp::compareVerificationResults(function, steps, results, *computed);
  }

  std::string stepNames() const {
    return llvm::join(llvm::map_range(steps, [](const VerificationStep &step) { return step.name; }), ", ");
  }

private:
  mutable func::FuncOp function;
  std::vector<VerificationStep> steps;
  std::vector<SmallVector<Tensor>> results;
};

/// Whether every recognition of this process is to be proved, as all tests ask for.
static bool isVerificationAsked() {
  return llvm::sys::Process::GetEnv("QUANTOPT_VERIFY_RECOGNITION").value_or("") == "1";
}

struct RecognizePass : quantopt::impl::RecognizePassBase<RecognizePass> {
  using RecognizePassBase::RecognizePassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isDeclaration() || function->hasAttr(onnx::OnnxDialect::functionAttrName))
        continue;
      if (!verify && !isVerificationAsked())
        recognize(function);
      else if (failed(recognizeAndProve(function)))
        signalPassFailure();
      if (summary)
        summarizeRecognition(function);
    }
  }

  LogicalResult recognizeAndProve(func::FuncOp function) {
    Proof proof(function);
    llvm::Error obstacle = proof.begin();
    recognize(function);
    if (obstacle) {
      emitRemark(function.getLoc()) << "llm-recognize is not verified: " << llvm::toString(std::move(obstacle));
      return success();
    }
    if (llvm::Error error = proof.end())
      return emitError(function.getLoc()) << "'llm-recognize' " << llvm::toString(std::move(error));
    if (summary)
      emitRemark(function.getLoc()) << "llm-recognize is verified: " << proof.stepNames();
    return success();
  }
};
} // namespace
