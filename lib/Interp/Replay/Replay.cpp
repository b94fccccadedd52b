//===- Replay.cpp - a bundle proved launch by launch -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Replay/Replay.h"
#include "Checks.h"
#include "Launcher.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"
#include "quantopt/Interp/Bundle/BundleModel.h"
#include "quantopt/Interp/Compute/Types.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"
#include <chrono>

using namespace quantopt;
using namespace quantopt::interp;
using mlir::Value;
using runtime::PlannedLaunch;
using runtime::PlannedPhase;

namespace {

/// A phase of the plan with its function: launches and ops in the same order.
struct Phase {
  const PlannedPhase &plan;
  mlir::func::FuncOp function;
  llvm::DenseMap<mlir::Operation *, const PlannedLaunch *> launches;
  std::unique_ptr<Interpreter> interpreter, exact;
};

class Replayer {
public:
  Replayer(const runtime::Bundle &bundle, mlir::ModuleOp model, const ReplayOptions &options)
      : bundle(bundle), plan(bundle.plan()), model(model), options(options), evaluator(model, store),
        weights(&evaluator, /*keepF64=*/true, /*cacheBytes=*/0) {}

  llvm::Error prepare(runtime::Backend &backend);
  llvm::Expected<ReplayReport> run();

private:
  llvm::Error preparePhase(const PlannedPhase &phase);
  llvm::Error prepareTokens();
  void prepareCaches(mlir::func::FuncOp function);
  llvm::Error decodeToken(int64_t index);
  /// One step of tokens [begin, begin + count) of every sequence.
  llvm::Error runStep(Phase &phase, int64_t begin, int64_t count);
  llvm::Expected<llvm::SmallVector<Tensor>> makeInputs(const Phase &phase, int64_t begin, int64_t count) const;
  /// Called with every value that the interpreter computes.
  void observe(Value value, const Tensor &tensor);
  llvm::Error replay(tile::KernelOpInterface op, const PlannedLaunch &launch);

  const runtime::Bundle &bundle;
  const runtime::BundlePlan &plan;
  mlir::ModuleOp model;
  const ReplayOptions &options;
  WeightStore store;
  param::WeightEvaluator evaluator;
  WeightReader weights;
  std::unique_ptr<Launcher> launcher;
  /// Of the plan.
  std::vector<Phase> phases;
  /// Token ids of the batch, padded to one length; padding of each sequence; the cache's table of pages.
  std::vector<std::vector<int64_t>> tokens;
  std::vector<uint32_t> starts;
  Tensor pageTable;
  llvm::StringMap<Tensor> caches;
  ReplayReport report;

  // Of the step that runs.
  Phase *current = nullptr;
  LaunchSize size{0, 0};
  llvm::DenseMap<Value, Tensor> values;
  std::string failure;
};

} // namespace

//===----------------------------------------------------------------------------===//
// Preparation
//===----------------------------------------------------------------------------===//

llvm::Error Replayer::prepare(runtime::Backend &backend) {
  if (!plan.unlowered.empty())
    return llvm::createStringError("the bundle has ops without kernels, among them " + plan.unlowered.front().op);
  if (plan.caches.empty())
    return llvm::createStringError("the bundle has no caches: only steps of a decoder are replayed");
  if (options.tokens.empty() || options.decodeSteps < 0 || options.chunk < 0)
    return llvm::createStringError("expected tokens, and no negative numbers of them");
  for (const PlannedPhase &phase : plan.phases)
    if (llvm::Error error = preparePhase(phase))
      return llvm::createStringError("phase '" + phase.name + "': " + llvm::toString(std::move(error)));
  if (llvm::Error error = prepareTokens())
    return error;
  llvm::Expected<std::unique_ptr<Launcher>> made = Launcher::create(bundle, backend);
  if (!made)
    return made.takeError();
  launcher = std::move(*made);
  return llvm::Error::success();
}

llvm::Error Replayer::preparePhase(const PlannedPhase &phase) {
  if (phase.name != "prefill" && !phase.decodes())
    return llvm::createStringError("it neither prefills nor decodes");
  if (phase.maxRows && *phase.maxRows < options.tokens.size())
    return llvm::createStringError("it is for " + llvm::Twine(*phase.maxRows) + " sequences at most, and all phases " +
                                   "are replayed: take fewer sequences");
  auto function = model.lookupSymbol<mlir::func::FuncOp>(phase.name);
  if (!function)
    return llvm::createStringError("the model has no function of that name");
  Phase result{phase, function, llvm::DenseMap<mlir::Operation *, const PlannedLaunch *>(), nullptr, nullptr};
  size_t next = 0;
  for (auto op : function.getOps<tile::KernelOpInterface>()) {
    llvm::StringRef planned =
        next < phase.launches.size() ? llvm::StringRef(plan.kernels[phase.launches[next].kernel].name) : "nothing";
    if (op.getKernelName() != planned)
      return llvm::createStringError("launch " + llvm::Twine(next) + " is " + planned + ", but the model has " +
                                     op.getKernelName());
    result.launches[op] = &phase.launches[next++];
  }
  if (next != phase.launches.size())
    return llvm::createStringError("the plan has " + llvm::Twine(phase.launches.size()) + " launches, the model " +
                                   llvm::Twine(next));
  InterpreterOptions interpreterOptions;
  interpreterOptions.observe = [this](Value value, const Tensor &tensor) { observe(value, tensor); };
  result.interpreter = std::make_unique<Interpreter>(function, &evaluator, interpreterOptions);
  InterpreterOptions doubles;
  doubles.precision = Precision::F64;
  result.exact = std::make_unique<Interpreter>(function, &evaluator, doubles);
  if (llvm::Error missing = result.interpreter->check())
    return missing;
  prepareCaches(function);
  phases.push_back(std::move(result));
  return llvm::Error::success();
}

/// Caches of the function, filled with what no kernel may read: bytes that are NaN as scales and values.
void Replayer::prepareCaches(mlir::func::FuncOp function) {
  int64_t sequences = options.tokens.size(), pages = sequences;
  if (plan.model && plan.model->isPaged)
    pages *= plan.pagesPerSequence();
  for (auto argument : function.getArguments()) {
    auto name = function.getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(), llm::stateAttrName);
    if (!name || caches.contains(name))
      continue;
    llvm::SmallVector<int64_t> shape(llvm::cast<mlir::RankedTensorType>(argument.getType()).getShape());
    shape[0] = pages;
    Tensor cache(DType::U8, shape);
    llvm::fill(cache.mutableData<uint8_t>(), uint8_t(0xff));
    caches[name] = cache;
  }
}

llvm::Error Replayer::prepareTokens() {
  int64_t length = 0, vocabulary = plan.model ? plan.model->vocabulary : 0;
  for (const auto &sequence : options.tokens)
    length = std::max<int64_t>(length, sequence.size());
  if (length <= options.decodeSteps)
    return llvm::createStringError("expected more than " + llvm::Twine(options.decodeSteps) +
                                   " tokens, for as many are decoded after a prefill");
  if (plan.model && length > plan.model->maxContext)
    return llvm::createStringError(llvm::Twine(length) + " tokens are more than the bundle's context of " +
                                   llvm::Twine(plan.model->maxContext));
  for (const auto &sequence : options.tokens) {
    for (int64_t id : sequence)
      if (id < 0 || (vocabulary && id >= vocabulary))
        return llvm::createStringError("there is no token " + llvm::Twine(id));
    starts.push_back(length - sequence.size());
    tokens.emplace_back(starts.back(), 0);
    tokens.back().insert(tokens.back().end(), sequence.begin(), sequence.end());
  }
  if (!plan.model || !plan.model->isPaged)
    return llvm::Error::success();
  // Pages of sequences alternate, from the last one down. What is not used yet is no page.
  int64_t columns = plan.pagesPerSequence(), used = llvm::divideCeil(length, plan.pageTokens()), count = tokens.size();
  pageTable = Tensor(DType::I32, {count, columns});
  for (int64_t b = 0; b < count; ++b)
    for (int64_t i = 0; i < columns; ++i)
      pageTable.mutableData<int32_t>()[b * columns + i] =
          i < used ? int32_t(count * columns - 1 - (i * count + b)) : -1;
  return llvm::Error::success();
}

//===----------------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------------===//

llvm::Expected<llvm::SmallVector<Tensor>> Replayer::makeInputs(const Phase &phase, int64_t begin, int64_t count) const {
  std::vector<int64_t> ids;
  for (const std::vector<int64_t> &sequence : tokens)
    llvm::append_range(ids, llvm::ArrayRef(sequence).slice(begin, count));
  return makeStepInputs(phase.function, {ids, starts, begin, pageTable, caches});
}

llvm::Error Replayer::runStep(Phase &phase, int64_t begin, int64_t count) {
  current = &phase;
  size = {int64_t(tokens.size()), count};
  values.clear();
  auto inputs = makeInputs(phase, begin, count);
  if (!inputs)
    return inputs.takeError();
  for (auto [argument, input] : llvm::zip(phase.function.getArguments(), *inputs))
    values[argument] = input;
  auto results = phase.interpreter->run(*inputs);
  if (!results)
    return results.takeError();
  if (!failure.empty())
    return llvm::createStringError(failure);
  keepCaches(phase.function, *results, caches);
  return llvm::Error::success();
}

void Replayer::observe(Value value, const Tensor &tensor) {
  values[value] = tensor;
  auto op = llvm::dyn_cast_or_null<tile::KernelOpInterface>(value.getDefiningOp());
  bool isLast = op && value == op->getResults().back();
  if (!isLast || !failure.empty())
    return;
  const PlannedLaunch &launch = *current->launches.lookup(op);
  if (llvm::Error error = replay(op, launch))
    failure = "phase '" + current->plan.name + "', node '" + launch.node + "', " + op.getKernelName() + ": " +
              llvm::toString(std::move(error));
}

llvm::Error Replayer::replay(tile::KernelOpInterface op, const PlannedLaunch &planned) {
  llvm::SmallVector<Tensor> operands, expected;
  for (Value operand : op->getOperands())
    operands.push_back(values.lookup(operand));
  for (Value result : op->getResults())
    expected.push_back(values.lookup(result));
  auto begin = std::chrono::steady_clock::now();
  auto actual = launcher->run(current->plan, planned, op, operands, expected, size);
  if (!actual)
    return actual.takeError();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  auto outcome = checkLaunch({op, operands, expected, *actual, *current->exact, weights});
  if (!outcome)
    return outcome.takeError();
  KernelReport &kernel = report.kernels[plan.kernels[planned.kernel].name];
  ++report.launches;
  ++kernel.launches;
  kernel.worst = std::max(kernel.worst, outcome->worst);
  kernel.ties += outcome->ties;
  kernel.elements += outcome->elements;
  kernel.seconds += seconds;
  if (!outcome->failure.empty())
    report.failures.push_back(current->plan.name + ", node '" + planned.node + "', " +
                              plan.kernels[planned.kernel].name + ": " + outcome->failure);
  if (options.progress)
    options.progress(current->plan.name, planned.node);
  return llvm::Error::success();
}

/// One token of every sequence, by every phase that decodes.
llvm::Error Replayer::decodeToken(int64_t index) {
  llvm::StringMap<Tensor> before = caches;
  for (Phase &phase : phases) {
    if (!phase.plan.decodes())
      continue;
    caches = before;
    if (llvm::Error error = runStep(phase, index, 1))
      return error;
  }
  return llvm::Error::success();
}

llvm::Expected<ReplayReport> Replayer::run() {
  int64_t length = tokens[0].size(), prompt = length - options.decodeSteps;
  int64_t chunk = options.chunk ? options.chunk : prompt;
  for (Phase &phase : phases)
    for (int64_t begin = 0; begin < prompt && !phase.plan.decodes(); begin += chunk)
      if (llvm::Error error = runStep(phase, begin, std::min(chunk, prompt - begin)))
        return error;
  for (int64_t begin = prompt; begin < length; ++begin)
    if (llvm::Error error = decodeToken(begin))
      return error;
  return std::move(report);
}

llvm::Expected<ReplayReport> interp::replayBundle(const runtime::Bundle &bundle, mlir::ModuleOp model,
                                                  runtime::Backend &backend, const ReplayOptions &options) {
  Replayer replayer(bundle, model, options);
  if (llvm::Error error = replayer.prepare(backend))
    return error;
  return replayer.run();
}
