//===- BackendTest.cpp - folders in the layout of ONNX's backend tests --===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Interpreter.h"
#include "quantopt/Onnx/TensorFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <chrono>

using namespace quantopt;
using namespace quantopt::check;

namespace {

enum class Outcome { Passed, Failed, Unsupported };

struct Result {
  Outcome outcome = Outcome::Passed;
  std::string reason;
  /// Worst deviation of a passing case, relative to the largest element.
  double worst = 0;
  /// What the interpreter took.
  double seconds = 0;
};

} // namespace

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

/// Compares the outputs of one data set; an empty string where all are within the tolerance.
static std::string compareOutputs(Model &model, llvm::ArrayRef<Tensor> computed, llvm::ArrayRef<Tensor> expected,
                                  double tolerance, double &worst) {
  if (computed.size() != expected.size())
    return "expected " + std::to_string(expected.size()) + " outputs, computed " + std::to_string(computed.size());
  for (auto [i, pair] : llvm::enumerate(llvm::zip(computed, expected))) {
    const auto &[a, b] = pair;
    auto name = model.function.getResultAttrOfType<mlir::StringAttr>(i, onnx::OnnxDialect::nameAttrName);
    std::string place = "output '" + (name ? name.str() : std::to_string(i)) + "': ";
    if (!a)
      return place + "nothing was computed";
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
    if (!close)
      return place + describe(deviation);
    worst = std::max(worst, deviation.relative());
  }
  return "";
}

static Result unsupported(llvm::Error error) { return {Outcome::Unsupported, llvm::toString(std::move(error)), 0, 0}; }

/// Kernels say of an op they cannot compute that it is unsupported; all else is a failure.
static Result failure(llvm::Error error) {
  Outcome outcome = error.isA<interp::UnsupportedError>() ? Outcome::Unsupported : Outcome::Failed;
  return {outcome, llvm::toString(std::move(error)), 0, 0};
}

static Result runCase(llvm::StringRef folder, const BackendTestOptions &options) {
  llvm::Expected<Model> model = loadModel(options.model.empty() ? join(folder, "model.onnx") : options.model);
  if (!model)
    return unsupported(model.takeError());
  interp::InterpreterOptions interpreterOptions;
  interpreterOptions.precision = options.precision;
  interp::Interpreter interpreter(model->function, model->evaluator.get(), interpreterOptions);
  if (llvm::Error error = interpreter.check())
    return unsupported(std::move(error));
  double tolerance = options.tolerance.value_or(toleranceOf(folder));
  Result result;
  unsigned sets = 0;
  for (;; ++sets) {
    std::string set = join(folder, "test_data_set_" + llvm::Twine(sets));
    if (!llvm::sys::fs::is_directory(set))
      break;
    auto inputs = readTensors(set, "input", *model->context);
    if (!inputs)
      return unsupported(inputs.takeError());
    auto expected = readTensors(set, "output", *model->context);
    if (!expected)
      return unsupported(expected.takeError());
    auto start = std::chrono::steady_clock::now();
    auto computed = interpreter.run(*inputs);
    result.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!computed)
      return failure(computed.takeError());
    std::string mismatch = compareOutputs(*model, *computed, *expected, tolerance, result.worst);
    if (!mismatch.empty())
      return {Outcome::Failed, "data set " + std::to_string(sets) + ", " + mismatch, 0, 0};
  }
  if (sets == 0)
    return {Outcome::Failed, "there are no data sets", 0, 0};
  return result;
}

bool check::runBackendTests(llvm::ArrayRef<std::string> folders, const BackendTestOptions &options) {
  llvm::SmallVector<std::string> cases;
  for (const std::string &folder : folders) {
    size_t before = cases.size();
    collectCases(folder, cases);
    if (cases.size() == before) {
      llvm::errs() << "error: " << folder << " holds no model.onnx, and no folder in it does\n";
      return false;
    }
  }
  unsigned counts[3] = {};
  for (const std::string &folder : cases) {
    Result result = runCase(folder, options);
    ++counts[unsigned(result.outcome)];
    llvm::StringRef name = llvm::sys::path::filename(folder);
    if (result.outcome == Outcome::Failed)
      llvm::outs() << "FAILED " << name << ": " << result.reason << '\n';
    else if (result.outcome == Outcome::Unsupported)
      llvm::outs() << "UNSUPPORTED " << name << ": " << result.reason << '\n';
    else if (!options.quiet)
      llvm::outs() << "passed " << name << llvm::format(" (worst %.1e, %.2f s)\n", result.worst, result.seconds);
    llvm::outs().flush();
  }
  llvm::outs() << counts[0] << " passed, " << counts[1] << " failed, " << counts[2] << " unsupported\n";
  return counts[1] == 0;
}
