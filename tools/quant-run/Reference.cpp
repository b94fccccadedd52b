//===- Reference.cpp - a bundle's model in lib/Interp -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Reference.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/InitAllDialects.h"
#include "quantopt/Interp/Bundle/BundleModel.h"
#include "quantopt/Interp/Interpreter.h"
#include "quantopt/Support/Conversion.h"

using namespace quantopt;
using namespace quantopt::runtime;

namespace {
class Reference : public TokenModel {
public:
  Reference(const Bundle &bundle, const SessionOptions &options, const SessionSizes &sizes)
      : plan(bundle.plan()), options(options), sizes(sizes),
        path((bundle.path() + "/" + interp::bundleModelName).str()) {
    if (plan.model->isPaged)
      pool.emplace(sizes.pages, plan.pageTokens(), options.batch, plan.pagesPerSequence());
  }
  llvm::Error load(unsigned threads);

  uint32_t batch() const override { return options.batch; }
  uint32_t context() const override { return sizes.context; }
  uint32_t vocabulary() const override { return plan.model->vocabulary; }
  uint32_t past() const override { return pastTokens; }
  llvm::Expected<std::vector<float>> prefill(const PromptBatch &prompts, LogitRows rows) override;
  llvm::Expected<std::vector<float>> decode(llvm::ArrayRef<int64_t> ids) override;
  void reset() override;

private:
  llvm::Error fail(llvm::Error error) const {
    return llvm::createStringError("'" + path + "': " + llvm::toString(std::move(error)));
  }
  llvm::Expected<std::vector<float>> run(llvm::StringRef phase, llvm::ArrayRef<int64_t> ids, LogitRows rows);

  const BundlePlan &plan;
  SessionOptions options;
  SessionSizes sizes;
  std::string path;
  std::unique_ptr<mlir::MLIRContext> mlirContext;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  WeightStore store;
  std::unique_ptr<param::WeightEvaluator> evaluator;
  std::map<std::string, std::unique_ptr<interp::Interpreter>> interpreters;
  std::map<std::string, mlir::func::FuncOp> functions;
  std::optional<PagePool> pool;
  std::vector<uint32_t> padding;
  uint32_t pastTokens = 0;
  /// By name.
  llvm::StringMap<Tensor> caches;
};
} // namespace

llvm::Error Reference::load(unsigned threads) {
  if (!plan.files.count(interp::bundleModelName.str()))
    return llvm::createStringError("the bundle has no " + interp::bundleModelName + ", which --device=reference runs");
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlirContext = std::make_unique<mlir::MLIRContext>(registry);
  if (llvm::Error error = interp::readBundleModel(path, *mlirContext).moveInto(module))
    return error;
  evaluator = std::make_unique<param::WeightEvaluator>(*module, store);
  for (const char *phase : {"prefill", "decode"}) {
    functions[phase] = module->lookupSymbol<mlir::func::FuncOp>(phase);
    if (!functions[phase])
      return llvm::createStringError("'" + path + "': there is no function @" + phase);
    interp::InterpreterOptions interpreterOptions;
    interpreterOptions.threads = threads;
    auto interpreter =
        std::make_unique<interp::Interpreter>(functions[phase], evaluator.get(), std::move(interpreterOptions));
    if (llvm::Error error = interpreter->check())
      return fail(std::move(error));
    interpreters[phase] = std::move(interpreter);
  }
  reset();
  return llvm::Error::success();
}

void Reference::reset() {
  pastTokens = 0;
  padding.assign(options.batch, 0);
  for (uint32_t sequence = 0; pool && sequence < options.batch; ++sequence)
    pool->release(sequence);
  for (const PlannedCache &cache : plan.caches)
    caches[cache.name] =
        Tensor::zeros(DType::U8, {int64_t(sizes.pages), int64_t(cache.heads), cache.layout.blockBytes()});
}

llvm::Expected<std::vector<float>> Reference::run(llvm::StringRef phase, llvm::ArrayRef<int64_t> ids, LogitRows rows) {
  if (options.cancel && options.cancel->load())
    return llvm::make_error<CancelledError>();
  mlir::func::FuncOp function = functions[phase.str()];
  uint32_t tokens = ids.size() / options.batch;
  for (uint32_t sequence = 0; pool && sequence < options.batch; ++sequence)
    if (llvm::Error error = pool->grow(sequence, pastTokens + tokens).takeError())
      return std::move(error);
  Tensor pages;
  if (pool) {
    pages = Tensor(DType::I32, {options.batch, int64_t(pool->table().size()) / options.batch});
    llvm::copy(pool->table(), pages.mutableData<int32_t>().begin());
  }
  auto inputs = interp::makeStepInputs(function, {ids.vec(), padding, pastTokens, pages, caches});
  if (!inputs)
    return fail(inputs.takeError());
  llvm::Expected<llvm::SmallVector<Tensor>> results = interpreters[phase.str()]->run(*inputs);
  if (!results)
    return fail(results.takeError());
  interp::keepCaches(function, *results, caches);
  Tensor logits;
  for (auto [i, result] : llvm::enumerate(*results))
    if (!logits && !function.getResultAttr(i, llm::stateAttrName))
      logits = convert(result, DType::F32);
  if (!logits || logits.numElements() != int64_t(ids.size()) * vocabulary())
    return llvm::createStringError("'" + path + "': @" + phase + " returns no logits");
  pastTokens += tokens;
  llvm::ArrayRef<float> values = logits.data<float>();
  if (rows == LogitRows::All)
    return values.vec();
  std::vector<float> last;
  for (size_t sequence = 1; sequence <= options.batch; ++sequence)
    llvm::append_range(last, values.slice((sequence * tokens - 1) * vocabulary(), vocabulary()));
  return last;
}

llvm::Expected<std::vector<float>> Reference::prefill(const PromptBatch &prompts, LogitRows rows) {
  if (llvm::Error error = checkStep(prompts))
    return std::move(error);
  if (!prompts.padding.empty() && !pastTokens)
    padding = prompts.padding;
  return run("prefill", prompts.ids, rows);
}

llvm::Expected<std::vector<float>> Reference::decode(llvm::ArrayRef<int64_t> ids) {
  if (llvm::Error error = checkStep({uint32_t(ids.size()), 1, ids.vec(), {}}))
    return std::move(error);
  return run("decode", ids, LogitRows::Last);
}

llvm::Expected<std::unique_ptr<TokenModel>>
quantopt::run::createReference(const Bundle &bundle, const SessionOptions &options, unsigned threads) {
  llvm::Expected<SessionSizes> sizes = SessionSizes::compute(bundle.plan(), options);
  if (!sizes)
    return sizes.takeError();
  auto reference = std::make_unique<Reference>(bundle, options, *sizes);
  if (llvm::Error error = reference->load(threads))
    return std::move(error);
  return reference;
}
