//===- BackendTest.cpp - folders in the layout of ONNX's backend tests --===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "quantopt/Onnx/TensorFile.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <chrono>

using namespace quantopt;
using namespace quantopt::check;

static std::string join(llvm::StringRef folder, const llvm::Twine &name) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name);
  return std::string(path);
}

/// Folders below that hold a model, or the folder itself; sorted.
static void collectCases(llvm::StringRef folder, llvm::SmallVectorImpl<std::string> &cases) {
  if (llvm::sys::fs::exists(join(folder, "model.onnx"))) {
    cases.push_back(folder.str());
    return;
  }
  llvm::SmallVector<std::string> children;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code))
    if (llvm::sys::fs::exists(join(entry->path(), "model.onnx")))
      children.push_back(entry->path());
  llvm::sort(children);
  cases.append(children.begin(), children.end());
}

/// 1e-4 of the largest element, unless the folder's fixture.json says otherwise.
static double toleranceOf(llvm::StringRef folder) {
  constexpr double usual = 1e-4;
  auto file = llvm::MemoryBuffer::getFile(join(folder, "fixture.json"));
  if (!file)
    return usual;
  llvm::Expected<llvm::json::Value> json = llvm::json::parse((*file)->getBuffer());
  if (!json) {
    llvm::consumeError(json.takeError());
    return usual;
  }
  const llvm::json::Object *object = json->getAsObject();
  return object ? object->getNumber("tolerance").value_or(usual) : usual;
}

/// The tensors PREFIX_0.pb, PREFIX_1.pb, ...; a null tensor where a file is empty (an omitted optional value).
static llvm::Expected<llvm::SmallVector<Tensor>> readTensors(llvm::StringRef folder, llvm::StringRef prefix,
                                                             mlir::MLIRContext &context) {
  llvm::SmallVector<Tensor> tensors;
  for (unsigned i = 0;; ++i) {
    std::string path = join(folder, prefix + "_" + llvm::Twine(i) + ".pb");
    if (!llvm::sys::fs::exists(path))
      return tensors;
    llvm::Expected<Tensor> tensor = readValueFile(path, context);
    if (!tensor)
      return tensor.takeError();
    tensors.push_back(std::move(*tensor));
  }
}

/// Whether two values that are no numbers, or their elements, are equal.
static bool holdSame(const Tensor &a, const Tensor &b) {
  if (!a || !b || a.dtype() != b.dtype() || a.shape() != b.shape())
    return !a && !b;
  if (a.dtype() == DType::Sequence)
    return llvm::all_of(llvm::zip(a.elements(), b.elements()),
                        [](const auto &pair) { return holdSame(std::get<0>(pair), std::get<1>(pair)); });
  if (a.dtype() == DType::String)
    return a.data<StringHandle>() == b.data<StringHandle>();
  return compare(a, b).difference == 0;
}

/// Compares the outputs of one data set and keeps the worst element; an empty string where all are within the
/// tolerance.
static std::string compareOutputs(Model &model, llvm::ArrayRef<Tensor> computed, llvm::ArrayRef<Tensor> expected,
                                  double tolerance, CaseResult &result) {
  if (computed.size() != expected.size())
    return "expected " + std::to_string(expected.size()) + " outputs, computed " + std::to_string(computed.size());
  for (auto [i, pair] : llvm::enumerate(llvm::zip(computed, expected))) {
    const auto &[a, b] = pair;
    auto name = model.function.getResultAttrOfType<mlir::StringAttr>(i, onnx::OnnxDialect::nameAttrName);
    std::string output = name ? name.str() : std::to_string(i), place = "output '" + output + "': ";
    if (!a || !b) {
      if (!a && !b)
        continue;
      return place + (a ? "expected none, but one was computed" : "nothing was computed");
    }
    if (a.shape() != b.shape() || (a.dtype() != b.dtype() && a.dtype() != DType::F64))
      return place + "computed " + compute::toString(a.shape()) + " of " + toString(a.dtype()).str() + ", expected " +
             compute::toString(b.shape()) + " of " + toString(b.dtype()).str();
    if (!isNumeric(a.dtype())) {
      if (!holdSame(a, b))
        return place + "other " + toString(a.dtype()).str() + " elements than expected";
      continue;
    }
    Deviation deviation = compare(a, b);
    bool close = isFloat(a.dtype()) ? deviation.difference <= tolerance * deviation.largest : deviation.difference == 0;
    if (!close || !result.worst || result.worst->deviation.relative() < deviation.relative())
      result.worst = {result.dataSets, output, deviation};
    if (!close)
      return place + describe(deviation);
  }
  return "";
}

static void unsupported(CaseResult &result, llvm::Error error) {
  result.outcome = Outcome::Unsupported;
  result.reason = llvm::toString(std::move(error));
}

static void fail(CaseResult &result, llvm::Error error) {
  result.outcome = Outcome::Failed;
  result.reason = llvm::toString(std::move(error));
}

/// Kernels say of an op they cannot compute that it is unsupported; all else is a failure.
static void failToRun(CaseResult &result, llvm::Error error) {
  error = llvm::handleErrors(std::move(error), [&](std::unique_ptr<interp::UnsupportedOperatorError> cause) {
    result.outcome = Outcome::Unsupported;
    result.operators = cause->operators().str();
    return llvm::Error(std::move(cause));
  });
  if (result.outcome != Outcome::Unsupported)
    result.outcome = Outcome::Failed;
  result.reason = llvm::toString(std::move(error));
}

static void countOps(Model &model, CaseResult &result) {
  model.function.walk([&](mlir::Operation *op) {
    if (op->getName().getDialectNamespace() == "llm")
      ++result.layers[op->getName().stripDialect().str()];
    else if (auto node = llvm::dyn_cast<onnx::NodeOpInterface>(op))
      ++result.nodes[node.getDomain().empty() ? node.getOpType().str() : node.getQualifiedType()];
  });
}

static double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs data set `set`; whether the next one is to be run.
static bool runDataSet(llvm::StringRef set, Model &model, interp::FormRunner &runner, double tolerance,
                       CaseResult &result) {
  auto inputs = readTensors(set, "input", *model.context);
  if (!inputs)
    return unsupported(result, inputs.takeError()), false;
  auto expected = readTensors(set, "output", *model.context);
  if (!expected)
    return unsupported(result, expected.takeError()), false;
  auto start = std::chrono::steady_clock::now();
  auto computed = runner.run(*inputs);
  result.runSeconds += secondsSince(start);
  if (!computed)
    return failToRun(result, computed.takeError()), false;
  std::string mismatch = compareOutputs(model, *computed, *expected, tolerance, result);
  if (mismatch.empty())
    return true;
  return fail(result, llvm::createStringError("data set " + llvm::Twine(result.dataSets) + ", " + mismatch)), false;
}

static void runCase(const BackendTestOptions &options, CaseResult &result) {
  std::string firstSet = join(result.folder, "test_data_set_0");
  if (!llvm::sys::fs::is_directory(firstSet))
    return unsupported(result, llvm::createStringError("there is nothing to compare with: no folder test_data_set_0"));
  auto start = std::chrono::steady_clock::now();
  llvm::Expected<Model> model =
      loadModel(options.model.empty() ? join(result.folder, "model.onnx") : options.model, result.form);
  result.loadSeconds = secondsSince(start);
  if (!model)
    return fail(result, model.takeError());
  countOps(*model, result);
  result.remarks = model->remarks;
  interp::InterpreterOptions interpreterOptions;
  interpreterOptions.precision = options.precision;
  // A model that comes rotated comes with data in its bases; what is rotated here has the data of the original.
  interp::GivenBases given = result.form == Form::Rotated ? interp::GivenBases::Standard : interp::GivenBases::Own;
  interp::FormRunner runner(model->function, model->evaluator.get(), interpreterOptions, given);
  if (llvm::Error error = runner.check())
    return failToRun(result, std::move(error));
  double tolerance = options.tolerance.value_or(toleranceOf(result.folder));
  for (std::string set = firstSet; llvm::sys::fs::is_directory(set);
       set = join(result.folder, "test_data_set_" + llvm::Twine(result.dataSets))) {
    if (!runDataSet(set, *model, runner, tolerance, result))
      return;
    ++result.dataSets;
  }
}

/// Runs a case so that a crash ends it alone.
static CaseResult runGuarded(llvm::StringRef folder, Form form, const BackendTestOptions &options) {
  CaseResult result;
  result.folder = folder.str();
  result.form = form;
  llvm::CrashRecoveryContext recovery;
  if (!recovery.RunSafely([&] { runCase(options, result); }))
    fail(result, llvm::createStringError("crashed, signal " + llvm::Twine(recovery.RetCode - 128)));
  return result;
}

/// Prints how many cases had which outcome; whether none failed.
static bool printTotals(llvm::ArrayRef<CaseResult> results, const BackendTestOptions &options) {
  bool noneFailed = true;
  for (Form form : options.forms) {
    unsigned counts[3] = {};
    for (const CaseResult &result : results)
      counts[unsigned(result.outcome)] += result.form == form;
    if (options.forms.size() > 1)
      llvm::outs() << toString(form) << ": ";
    llvm::outs() << counts[0] << " passed, " << counts[1] << " failed, " << counts[2] << " unsupported\n";
    noneFailed &= counts[unsigned(Outcome::Failed)] == 0;
  }
  return noneFailed;
}

bool check::runBackendTests(llvm::ArrayRef<std::string> folders, const BackendTestOptions &options) {
  bool isComplete = true;
  llvm::SmallVector<std::string> cases;
  for (const std::string &folder : folders) {
    size_t before = cases.size();
    collectCases(folder, cases);
    if (cases.size() == before) {
      llvm::errs() << "error: " << folder << " holds no model.onnx, and no folder in it does\n";
      isComplete = false;
    }
  }
  llvm::CrashRecoveryContext::Enable();
  std::vector<CaseResult> results;
  for (const std::string &folder : cases)
    for (Form form : options.forms) {
      results.push_back(runGuarded(folder, form, options));
      if (results.back().outcome != Outcome::Passed || !options.quiet)
        print(results.back(), options.forms.size() > 1, llvm::outs());
      llvm::outs().flush();
    }
  bool noneFailed = printTotals(results, options);
  if (options.json.empty())
    return isComplete && noneFailed;
  if (llvm::Error error = writeJson(results, options.precision, options.json)) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
    return false;
  }
  return isComplete && noneFailed;
}
