//===- Check.h - what quant-check does ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANT_CHECK_CHECK_H
#define QUANTOPT_TOOLS_QUANT_CHECK_CHECK_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"
#include "quantopt/Interp/KernelContext.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::check {

/// An imported model with all that executing it takes.
struct Model {
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<WeightStore> store;
  std::unique_ptr<param::WeightEvaluator> evaluator;
  mlir::func::FuncOp function;
};
/// Function @main of an .onnx file, or of a file with MLIR. Errors are the diagnostics of reading it.
llvm::Expected<Model> loadModel(llvm::StringRef path);

/// The largest deviation between tensors of equal shape.
struct Deviation {
  /// |computed - expected| there, and the largest |expected|.
  double difference = 0, largest = 0;
  int64_t element = 0;
  double computed = 0, expected = 0;
  double relative() const { return difference == 0 ? 0 : difference / largest; }
};
/// Equal infinities and NaNs deviate by 0, others by infinity.
Deviation compare(const Tensor &computed, const Tensor &expected);
/// "worst element 17: computed 1.5, expected 1.25, 0.2 of the largest".
std::string describe(const Deviation &deviation);

struct BackendTestOptions {
  /// Relative to the largest element of an output; nothing: what the folder says, or 1e-4.
  std::optional<double> tolerance;
  interp::Precision precision = interp::Precision::F32;
  /// Run this model on the data sets in place of the folder's: another form of it.
  std::string model;
  /// Do not list what passes.
  bool quiet = false;
};
/// Runs folders in the layout of ONNX's backend tests, prints an outcome for each and the totals; whether none failed.
bool runBackendTests(llvm::ArrayRef<std::string> folders, const BackendTestOptions &options);

/// Executes each node of a model alone on recorded inputs and compares with recorded outputs; prints counts and worst
/// deviations by operator. False after a deviation, or where a node is not covered by the recording. Nodes whose
/// results the recording takes from another folder are left to the recording there.
bool runReplay(llvm::StringRef modelPath, llvm::StringRef folder, double tolerance);

/// Whether a prefill of `tokens` tokens and `steps` tokens decoded through the cache give, bit for bit, the logits and
/// caches of one prefill of all of them.
bool runDecode(llvm::StringRef modelPath, int64_t tokens, int64_t steps, interp::Precision precision);

} // namespace quantopt::check

#endif // QUANTOPT_TOOLS_QUANT_CHECK_CHECK_H
