//===- quant-run.cpp - runs a bundle ----------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Prompts.h"
#include "Reference.h"
#include "Report.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include <csignal>

using namespace quantopt;
using namespace quantopt::run;
using namespace quantopt::runtime;
namespace cl = llvm::cl;

static constexpr int cancelledExitCode = 130;
static std::atomic<bool> isCancelled{false};

namespace {
struct Options {
  cl::OptionCategory category{"quant-run options"};
  cl::opt<std::string> bundle{cl::Positional, cl::Required, cl::desc("BUNDLE"), cl::cat(category)};
  cl::list<std::string> prompts{"prompt", cl::value_desc("TEXT"), cl::cat(category),
                                cl::desc("Text to continue; several make a batch, padded on the left")};
  cl::list<std::string> promptFiles{"prompt-file", cl::value_desc("FILE"), cl::cat(category),
                                    cl::desc("The same from a file, - for stdin")};
  cl::list<std::string> tokenIds{"token-ids", cl::value_desc("1,2,3"), cl::cat(category),
                                 cl::desc("Token ids to continue; ids are printed, not text")};
  cl::opt<std::string> device{"device", cl::value_desc("DEVICE"), cl::init("cuda:0"), cl::cat(category),
                              cl::desc("cuda:N; interpreter: the kernels on the CPU, checked strictly; reference: "
                                       "their model on the CPU (default: cuda:0)")};
  cl::opt<uint32_t> maxNewTokens{"max-new-tokens", cl::value_desc("N"), cl::init(64), cl::cat(category),
                                 cl::desc("Most tokens to add to each prompt (default: 64)")};
  cl::opt<double> temperature{"temperature", cl::value_desc("T"), cl::init(0), cl::cat(category),
                              cl::desc("Divides logits; 0 takes the most probable token (default: 0)")};
  cl::opt<uint32_t> topK{"top-k", cl::value_desc("K"), cl::init(0), cl::cat(category),
                         cl::desc("Draw among the K most probable tokens; 0 for all (default: 0)")};
  cl::opt<double> topP{"top-p", cl::value_desc("P"), cl::init(1), cl::cat(category),
                       cl::desc("Draw among the most probable tokens that sum to P (default: 1)")};
  cl::opt<uint64_t> seed{"seed", cl::value_desc("N"), cl::init(0), cl::cat(category),
                         cl::desc("Of the random numbers: the same tokens for the same seed (default: 0)")};
  cl::list<uint32_t> batch{"batch", cl::CommaSeparated, cl::value_desc("N"), cl::cat(category),
                           cl::desc("Sequences, prompts repeated to fill them; a list for --bench (default: one for "
                                    "each prompt)")};
  cl::opt<uint32_t> context{"context", cl::value_desc("N"), cl::init(0), cl::cat(category),
                            cl::desc("Most tokens of a sequence (default: what prompt and new tokens take)")};
  cl::opt<uint32_t> chunk{"chunk", cl::value_desc("N"), cl::init(512), cl::cat(category),
                          cl::desc("Tokens of each prompt to work on at a time (default: 512)")};
  cl::opt<unsigned> threads{"threads", cl::value_desc("N"), cl::init(0), cl::cat(category),
                            cl::desc("Of the interpreter (default: 0, one per processor)")};
  cl::opt<bool> plan{"plan", cl::cat(category),
                     cl::desc("Print files, memory and launches first; on stdout where there is no prompt")};
  cl::opt<bool> bench{"bench", cl::cat(category), cl::desc("Measure prefill and decode, text aside")};
  cl::opt<uint32_t> promptTokens{"prompt-tokens", cl::value_desc("N"), cl::init(128), cl::cat(category),
                                 cl::desc("Tokens of the prompt of --bench, where none is given (default: 128)")};
  cl::opt<bool> quiet{"quiet", cl::cat(category), cl::desc("No progress and no statistics (default: on stderr)")};
};

/// What a run works on.
struct Job {
  std::unique_ptr<Bundle> bundle;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<std::vector<int64_t>> prompts;
};
} // namespace

//===----------------------------------------------------------------------------===//
// Prompts
//===----------------------------------------------------------------------------===//

static llvm::Error readPrompts(const Options &options, Job &job) {
  bool hasTexts = !options.prompts.empty() || !options.promptFiles.empty();
  if (hasTexts && !options.tokenIds.empty())
    return llvm::createStringError("expected either texts or --token-ids");
  for (const std::string &ids : options.tokenIds)
    if (llvm::Error error = parseIds(ids).moveInto(job.prompts.emplace_back()))
      return error;
  if (!hasTexts)
    return llvm::Error::success();
  std::string path = (job.bundle->path() + "/tokenizer.json").str();
  if (!llvm::sys::fs::exists(path))
    return llvm::createStringError("the bundle has no tokenizer.json: give --token-ids in place of text");
  if (llvm::Error error = Tokenizer::load(path).moveInto(job.tokenizer))
    return error;
  std::vector<std::string> texts(options.prompts.begin(), options.prompts.end());
  for (const std::string &file : options.promptFiles)
    if (llvm::Error error = readText(file).moveInto(texts.emplace_back()))
      return error;
  for (const std::string &text : texts)
    if (llvm::Error error = encode(*job.tokenizer, text).moveInto(job.prompts.emplace_back()))
      return error;
  return llvm::Error::success();
}

/// A prompt of numbers for --bench.
static std::vector<int64_t> makeBenchPrompt(const BundlePlan &plan, uint32_t tokens) {
  std::vector<int64_t> ids;
  for (uint32_t i = 0; i < tokens; ++i)
    ids.push_back(int64_t(i) * 7919 % plan.model->vocabulary);
  return ids;
}

static llvm::Expected<PromptBatch> makeBatch(const Job &job, uint32_t sequences) {
  std::vector<std::vector<int64_t>> prompts;
  for (uint32_t i = 0; i < sequences; ++i)
    prompts.push_back(job.prompts[i % job.prompts.size()]);
  return PromptBatch::pad(prompts);
}

//===----------------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------------===//

static SessionOptions sessionOptions(const Options &options, const BundlePlan &plan, uint32_t batch,
                                     uint32_t promptTokens) {
  SessionOptions session;
  session.batch = batch;
  session.context = options.context;
  uint64_t needed = uint64_t(promptTokens) + options.maxNewTokens;
  if (!session.context && promptTokens && plan.model)
    session.context = std::min<uint64_t>(needed, plan.model->maxContext);
  session.chunk = options.chunk;
  session.cancel = &isCancelled;
  return session;
}

static llvm::Error showPlan(const Options &options, const Job &job, uint32_t batch, uint32_t promptTokens,
                            llvm::raw_ostream &os) {
  SessionOptions session = sessionOptions(options, job.bundle->plan(), batch, promptTokens);
  llvm::Expected<SessionSizes> sizes = SessionSizes::compute(job.bundle->plan(), session);
  if (!sizes)
    return sizes.takeError();
  uint64_t rows = uint64_t(batch) * std::min(options.chunk.getValue(), promptTokens ? promptTokens : sizes->context);
  printPlan(*job.bundle, session, *sizes, rows, os);
  return llvm::Error::success();
}

/// Writes what the model adds to the prompts.
static llvm::Expected<GenerateStatistics> continuePrompts(const Options &options, const Job &job, TokenModel &model,
                                                          const PromptBatch &prompts,
                                                          llvm::ArrayRef<int64_t> stopTokens,
                                                          LaunchProgress &progress) {
  GenerateOptions generation;
  generation.maxNewTokens = options.maxNewTokens;
  generation.sampling = {options.temperature, options.topK, options.topP, options.seed};
  generation.stopTokens = stopTokens;
  TokenWriter writer(job.tokenizer.get(), model.batch(), llvm::outs());
  llvm::Error failure = llvm::Error::success();
  auto statistics = generate(model, prompts, generation, [&](const GeneratedToken &token) {
    progress.clear();
    if (!failure)
      failure = writer.write(token);
    return !failure;
  });
  progress.clear();
  if (failure) {
    llvm::consumeError(statistics.takeError());
    return std::move(failure);
  }
  if (statistics)
    writer.finish();
  return statistics;
}

static llvm::Error runPrompts(const Options &options, const Job &job, Model &model, uint32_t batch) {
  llvm::Expected<PromptBatch> prompts = makeBatch(job, batch);
  if (!prompts)
    return prompts.takeError();
  auto session = Session::create(model, sessionOptions(options, model.plan(), batch, prompts->tokens));
  if (!session)
    return session.takeError();
  LaunchProgress progress(llvm::errs());
  if (!options.quiet && !model.backend().measuresTime())
    (*session)->setObserver([&](const ObservedLaunch &launch, bool isAfter) {
      if (!isAfter)
        progress.show(launch);
      return llvm::Error::success();
    });
  auto statistics = continuePrompts(options, job, **session, *prompts, model.bundle().stopTokens(), progress);
  if (!statistics)
    return statistics.takeError();
  if (options.quiet)
    return llvm::Error::success();
  printMemory((*session)->memory(), llvm::errs());
  printSpeed(*statistics, model.backend().measuresTime() ? "" : "interpreter", llvm::errs());
  return llvm::Error::success();
}

static llvm::Error runReference(const Options &options, const Job &job, uint32_t batch) {
  llvm::Expected<PromptBatch> prompts = makeBatch(job, batch);
  if (!prompts)
    return prompts.takeError();
  auto model = createReference(*job.bundle, sessionOptions(options, job.bundle->plan(), batch, prompts->tokens),
                               options.threads);
  if (!model)
    return model.takeError();
  LaunchProgress progress(llvm::errs());
  auto statistics = continuePrompts(options, job, **model, *prompts, job.bundle->stopTokens(), progress);
  if (statistics && !options.quiet)
    printSpeed(*statistics, "reference", llvm::errs());
  return statistics.takeError();
}

/// Bytes that a decode step has to read at least: all weights, and the caches of `tokens` tokens of each sequence.
static double decodeBytes(const Model &model, uint32_t batch, double tokens) {
  return double(model.bundle().weightBytes()) + double(model.plan().cacheTokenBytes()) * tokens * batch;
}

static llvm::Error benchBatch(const Options &options, const Job &job, Model &model, uint32_t batch) {
  llvm::Expected<PromptBatch> prompts = makeBatch(job, batch);
  if (!prompts)
    return prompts.takeError();
  auto session = Session::create(model, sessionOptions(options, model.plan(), batch, prompts->tokens));
  if (!session)
    return session.takeError();
  GenerateOptions generation;
  generation.maxNewTokens = options.maxNewTokens;
  llvm::Expected<GenerateStatistics> statistics = GenerateStatistics();
  // A device is measured in its second run: by then all is loaded and recorded.
  for (int run = 0; run < (model.backend().measuresTime() ? 2 : 1); ++run) {
    (*session)->reset();
    statistics = generate(**session, *prompts, generation, [](const GeneratedToken &) { return true; });
    if (!statistics)
      return statistics.takeError();
  }
  auto &os = llvm::outs();
  os << llvm::format("%6u %8u %12.1f", batch, prompts->tokens,
                     double(statistics->promptRows) / statistics->prefillSeconds);
  if (statistics->decodeSteps) {
    double step = statistics->decodeSeconds / double(statistics->decodeSteps);
    double bytes = decodeBytes(model, batch, prompts->tokens + double(statistics->decodeSteps) / 2);
    os << llvm::format("%12.1f %12.3f %16.0f %10.1f", batch / step, 1e3 * step, bytes, bytes / step * 1e-9);
  }
  os << '\n';
  os.flush();
  return llvm::Error::success();
}

static llvm::Error runBench(const Options &options, Job &job, Model &model, llvm::ArrayRef<uint32_t> batches) {
  if (!model.backend().measuresTime())
    llvm::outs() << "interpreter: not a measurement of speed\n";
  llvm::outs() << " batch   prompt    prefill/s    decode/s      ms/step       bytes/step       GB/s\n";
  llvm::outs().flush();
  for (uint32_t batch : batches)
    if (llvm::Error error = benchBatch(options, job, model, batch))
      return error;
  return llvm::Error::success();
}

static llvm::Error runBundle(const Options &options) {
  Job job;
  if (llvm::Error error = Bundle::open(options.bundle).moveInto(job.bundle))
    return error;
  if (llvm::Error error = readPrompts(options, job))
    return error;
  const BundlePlan &plan = job.bundle->plan();
  bool hasPrompts = !job.prompts.empty();
  if (options.bench && !hasPrompts && plan.model)
    job.prompts.push_back(makeBenchPrompt(plan, options.promptTokens));
  std::vector<uint32_t> batches(options.batch.begin(), options.batch.end());
  if (batches.empty())
    batches.push_back(std::max<uint32_t>(job.prompts.size(), 1));
  if (batches.size() > 1 && !options.bench)
    return llvm::createStringError("several batch sizes are for --bench");
  uint32_t promptTokens = 0;
  for (const std::vector<int64_t> &prompt : job.prompts)
    promptTokens = std::max<uint32_t>(promptTokens, prompt.size());
  if (options.plan) {
    llvm::raw_ostream &os = job.prompts.empty() ? llvm::outs() : llvm::errs();
    if (llvm::Error error = showPlan(options, job, batches.back(), promptTokens, os))
      return error;
    if (job.prompts.empty())
      return llvm::Error::success();
  }
  if (llvm::Error error = plan.checkRunnable())
    return error;
  if (job.prompts.empty())
    return llvm::createStringError("expected --prompt, --prompt-file, --token-ids, --bench or --plan");
  if (options.device == "reference") {
    if (options.bench)
      return llvm::createStringError("--bench measures kernels: choose another device than reference");
    return runReference(options, job, batches.back());
  }

  llvm::Expected<std::unique_ptr<Backend>> backend = createBackend(options.device, options.threads);
  if (!backend)
    return backend.takeError();
  llvm::Expected<std::unique_ptr<Model>> model = Model::load(std::move(job.bundle), std::move(*backend));
  if (!model)
    return model.takeError();
  if (!(*model)->note().empty() && !options.quiet)
    llvm::errs() << "note: " << (*model)->note() << '\n';
  return options.bench ? runBench(options, job, **model, batches) : runPrompts(options, job, **model, batches.back());
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  // LLVM's shared library brings a --threads of its own, among others.
  cl::ResetCommandLineParser();
  Options options;
  cl::HideUnrelatedOptions({&options.category, &inputCategory()});
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "quantopt " QUANTOPT_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv, "runs a bundle that quant-opt --emit-bundle wrote: prompt in, text out\n");
  // The second one ends the program at once.
  struct sigaction action = {};
  action.sa_handler = [](int) { isCancelled = true; };
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);

  llvm::Error failure = runBundle(options);
  if (!failure)
    return 0;
  if (failure.isA<CancelledError>()) {
    llvm::consumeError(std::move(failure));
    llvm::outs() << '\n';
    llvm::errs() << "cancelled\n";
    return cancelledExitCode;
  }
  llvm::errs() << "error: " << llvm::toString(std::move(failure)) << '\n';
  return 1;
}
