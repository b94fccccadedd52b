//===- VerifyNumerics.cpp - proof of rewrites by execution --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Pipelines/VerifyNumerics.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quantopt;
using interp::VerificationStep;

static llvm::StringSet<> &functionPreservingPasses() {
  static llvm::StringSet<> passes = {"llm-recognize", "llm-fuse-norm-scale", "rot-insert", "rot-absorb", "param-hoist",
                                     "param-dce",     "canonicalize",        "cse",        "inline",     "symbol-dce"};
  return passes;
}

void quantopt::declareFunctionPreserving(StringRef passArgument) { functionPreservingPasses().insert(passArgument); }

namespace {
using Results = std::vector<SmallVector<Tensor>>;

/// What is known of a function: inputs, kept so that every form of it gets the same ones, and the results of its last
/// form.
struct Record {
  std::vector<VerificationStep> steps;
  std::optional<OperationFingerPrint> form;
  Results results;
};

/// The state of one pipeline's proofs.
struct Proof {
  llvm::StringMap<Record> records;
  bool hasFailed = false;
};

/// Executes functions around passes.
class ProofInstrumentation : public PassInstrumentation {
public:
  explicit ProofInstrumentation(std::shared_ptr<Proof> proof) : proof(std::move(proof)) {}

  void runBeforePass(Pass *pass, Operation *op) override {
    if (!isProved(pass))
      return;
    for (func::FuncOp function : functionsOf(op))
      if (failed(prepare(pass, function)))
        return;
  }

  void runAfterPass(Pass *pass, Operation *op) override {
    if (!isProved(pass))
      return;
    for (func::FuncOp function : functionsOf(op))
      if (failed(compare(pass, function)))
        return;
  }

private:
  bool isProved(Pass *pass) const {
    return !proof->hasFailed && functionPreservingPasses().contains(pass->getArgument());
  }

  /// The public functions that a pass over `op` may change.
  static SmallVector<func::FuncOp> functionsOf(Operation *op) {
    SmallVector<func::FuncOp> functions;
    auto add = [&](func::FuncOp function) {
      if (function.isPublic() && !function.isExternal() && !function->hasAttr(onnx::OnnxDialect::functionAttrName))
        functions.push_back(function);
    };
    if (auto function = dyn_cast<func::FuncOp>(op))
      add(function);
    else if (auto module = dyn_cast<ModuleOp>(op))
      llvm::for_each(module.getOps<func::FuncOp>(), add);
    return functions;
  }

  static OperationFingerPrint formOf(func::FuncOp function) {
    return OperationFingerPrint(function->getParentOfType<ModuleOp>());
  }

  LogicalResult fail(Pass *pass, func::FuncOp function, const Twine &message) {
    proof->hasFailed = true;
    return emitError(function.getLoc()) << "'" << pass->getArgument() << "' " << message;
  }

  FailureOr<Results> run(Pass *pass, func::FuncOp function, const Record &record) {
    llvm::Expected<Results> results = interp::runVerificationSteps(function, record.steps);
    if (results)
      return std::move(*results);
    (void)fail(pass, function,
               "cannot be verified: function '" + function.getName() + "': " + llvm::toString(results.takeError()));
    return failure();
  }

  LogicalResult prepare(Pass *pass, func::FuncOp function) {
    Record &record = proof->records[function.getName()];
    OperationFingerPrint form = formOf(function);
    if (record.form == form)
      return success();
    if (record.steps.empty()) {
      llvm::Expected<std::vector<VerificationStep>> steps = interp::makeVerificationSteps(function);
      if (!steps)
        return fail(pass, function,
                    "cannot be verified: function '" + function.getName() + "': " + llvm::toString(steps.takeError()));
      record.steps = std::move(*steps);
    }
    FailureOr<Results> results = run(pass, function, record);
    if (failed(results))
      return failure();
    record.results = std::move(*results);
    record.form = form;
    return success();
  }

  LogicalResult compare(Pass *pass, func::FuncOp function) {
    auto found = proof->records.find(function.getName());
    if (found == proof->records.end())
      return fail(pass, function, "cannot be verified: function '" + function.getName() + "' is new");
    Record &record = found->second;
    OperationFingerPrint form = formOf(function);
    if (record.form == form)
      return success();
    FailureOr<Results> results = run(pass, function, record);
    if (failed(results))
      return failure();
    if (llvm::Error error = interp::compareVerificationResults(function, record.steps, record.results, *results))
      return fail(pass, function, llvm::toString(std::move(error)));
    record.results = std::move(*results);
    record.form = form;
    return success();
  }

  std::shared_ptr<Proof> proof;
};

/// Ends the pipeline: an instrumentation cannot fail one.
struct ReportProofPass : PassWrapper<ReportProofPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ReportProofPass)
  explicit ReportProofPass(std::shared_ptr<Proof> proof) : proof(std::move(proof)) {}
  StringRef getArgument() const override { return "report-numeric-verification"; }
  void runOnOperation() override {
    if (proof->hasFailed)
      signalPassFailure();
    markAllAnalysesPreserved();
  }
  std::shared_ptr<Proof> proof;
};
} // namespace

void quantopt::enableNumericVerification(PassManager &pm) {
  auto proof = std::make_shared<Proof>();
  pm.addInstrumentation(std::make_unique<ProofInstrumentation>(proof));
  pm.addPass(std::make_unique<ReportProofPass>(proof));
  // After a failure no pass may run, least of all one that writes files.
  MLIRContext *context = pm.getContext();
  context->disableMultithreading();
  context->registerActionHandler([proof](llvm::function_ref<void()> run, const tracing::Action &action) {
    auto *execution = dyn_cast<PassExecutionAction>(&action);
    if (!proof->hasFailed || !execution || isa<ReportProofPass>(execution->getPass()))
      run();
  });
}
