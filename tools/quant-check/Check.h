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
#include <map>

namespace quantopt::check {

/// What a model is run as.
enum class Form {
  /// As it was read.
  Onnx,
  /// After llm-recognize.
  Llm,
  /// After llm-recognize, llm-fuse-norm-scale and rot-insert at all sites.
  Rotated,
};
llvm::StringRef toString(Form form);

/// An imported model with all that executing it takes.
struct Model {
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<WeightStore> store;
  std::unique_ptr<param::WeightEvaluator> evaluator;
  mlir::func::FuncOp function;
  /// What passes remarked and warned of.
  std::vector<std::string> remarks;
};
/// Function @main of an .onnx file, or of a file with MLIR, in a form. Errors are the diagnostics of reading it, or of
/// the passes.
llvm::Expected<Model> loadModel(llvm::StringRef path, Form form = Form::Onnx);

/// The largest deviation between tensors of equal shape.
struct Deviation {
  /// |computed - expected| there, and the largest |expected|.
  double difference = 0, largest = 0;
  /// Where the worst element is.
  llvm::SmallVector<int64_t> index;
  double computed = 0, expected = 0;
  double relative() const { return difference == 0 ? 0 : difference / largest; }
};
/// Equal infinities and NaNs deviate by 0, others by infinity.
Deviation compare(const Tensor &computed, const Tensor &expected);
/// "worst element [0, 17]: computed 1.5, expected 1.25".
std::string describe(const Deviation &deviation);

struct BackendTestOptions {
  /// Relative to the largest element of an output; nothing: what the folder says, or 1e-4.
  std::optional<double> tolerance;
  interp::Precision precision = interp::Precision::F32;
  /// Run this model on the data sets in place of the folder's: another form of it.
  std::string model;
  /// Do not list what passes.
  bool quiet = false;
  llvm::SmallVector<Form> forms{Form::Onnx};
  /// Write the outcomes to this file; empty: do not.
  std::string json;
};

enum class Outcome { Passed, Failed, Unsupported };
/// "passed", "failed", "unsupported".
llvm::StringRef toString(Outcome outcome);

/// The element of all outputs of a case that is farthest off, relative to the largest of its output.
struct WorstElement {
  unsigned dataSet = 0;
  std::string output;
  Deviation deviation;
};

/// What became of one model in one form.
struct CaseResult {
  std::string folder;
  Form form = Form::Onnx;
  Outcome outcome = Outcome::Passed;
  /// Why it did not pass.
  std::string reason;
  /// Operators that are not supported, with commas between; empty where something else is not.
  std::string operators;
  unsigned dataSets = 0;
  /// Empty where nothing was compared. Of a failure: of the first output that is off.
  std::optional<WorstElement> worst;
  /// Reading the model and bringing it into the form; executing it.
  double loadSeconds = 0, runSeconds = 0;
  /// What the form consists of: ops of dialect llm, and operators of the nodes that are left.
  std::map<std::string, unsigned> layers, nodes;
  std::vector<std::string> remarks;
};
/// One line, or more where the reason has more.
void print(const CaseResult &result, bool showForm, llvm::raw_ostream &stream);
/// The outcomes in the format that `--json` documents. Errors: those of writing.
llvm::Error writeJson(llvm::ArrayRef<CaseResult> results, interp::Precision precision, llvm::StringRef path);

/// Runs folders in the layout of ONNX's backend tests, prints an outcome for each and the totals; whether none failed.
/// Whatever happens in one case, crashes included, is an outcome of this case.
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
