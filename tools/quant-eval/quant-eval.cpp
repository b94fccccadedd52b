//===- quant-eval.cpp - how far a model is from another -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Runs two models on the same tokens, window by window and in lockstep, and compares every prediction: perplexities,
// exact KL divergence over the whole vocabulary, and how often the most probable token is the same.
//
//===----------------------------------------------------------------------------===//
#include "Model.h"
#include "Tokens.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Numerics/Divergence.h"
#include "quantopt/Support/FileAccess.h"
#include "quantopt/Support/Progress.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/ToolOutputFile.h"
#include <chrono>

using namespace quantopt;
using namespace quantopt::eval;
using numerics::PredictionPair;
namespace cl = llvm::cl;

/// Predictions compared at a time: logits of a vocabulary of 50,000 take 25 MB then.
static constexpr int64_t rowsPerChunk = 128;

namespace {
struct Options {
  cl::OptionCategory category{"quant-eval options"};
  cl::opt<std::string> reference{
      "reference", cl::Required, cl::value_desc("FILE"), cl::cat(category),
      cl::desc(
          "Model to compare with (.onnx, .mlir or the folder of a bundle), or its logits for the same tokens (.npy)")};
  cl::opt<std::string> candidate{"candidate", cl::Required, cl::value_desc("FILE"), cl::cat(category),
                                 cl::desc("Model to measure: the same")};
  cl::opt<std::string> device{"device", cl::init("interpreter"), cl::value_desc("DEVICE"), cl::cat(category),
                              cl::desc("Where bundles run: interpreter (their kernels on the CPU, checked strictly), "
                                       "cuda:N, or reference (lib/Interp; default: interpreter)")};
  cl::opt<std::string> text{"text", cl::value_desc("FILE"), cl::cat(category), cl::desc("Text to predict")};
  cl::opt<std::string> tokenizer{"tokenizer", cl::value_desc("tokenizer.json"), cl::cat(category),
                                 cl::desc("Tokenizer of the models, for --text")};
  cl::opt<std::string> tokenIds{"token-ids", cl::value_desc("FILE.npy"), cl::cat(category),
                                cl::desc("Token ids to predict, in place of a text")};
  cl::opt<int64_t> tokens{"tokens", cl::init(0), cl::value_desc("N"), cl::cat(category),
                          cl::desc("Use the first N tokens (default: all whole windows)")};
  cl::opt<int64_t> window{"window", cl::init(1024), cl::value_desc("N"), cl::cat(category),
                          cl::desc("Tokens per window; all but its first are scored (default: 1024)")};
  cl::opt<std::string> json{"json", cl::value_desc("FILE"), cl::cat(category), cl::desc("Write the figures to FILE")};
};
} // namespace

static llvm::Expected<std::vector<int64_t>> readTokens(const Options &options) {
  if (options.text.empty() == options.tokenIds.empty())
    return llvm::createStringError("expected either --text with --tokenizer, or --token-ids");
  if (!options.text.empty() && options.tokenizer.empty())
    return llvm::createStringError("--text needs --tokenizer=tokenizer.json");
  llvm::Expected<std::vector<int64_t>> ids =
      options.text.empty() ? readTokenIds(options.tokenIds) : tokenizeText(options.text, options.tokenizer);
  if (!ids)
    return ids;
  if (options.window < 2 || options.tokens < 0)
    return llvm::createStringError("expected a window of at least 2 tokens, and no negative --tokens");
  if (options.tokens && size_t(options.tokens) > ids->size())
    return llvm::createStringError("there are " + llvm::Twine(ids->size()) +
                                   " tokens, fewer than --tokens=" + llvm::Twine(options.tokens));
  if (options.tokens)
    ids->resize(options.tokens);
  if (ids->size() < size_t(options.window))
    return llvm::createStringError("there are " + llvm::Twine(ids->size()) + " tokens, fewer than one window of " +
                                   llvm::Twine(options.window));
  ids->resize(ids->size() / options.window * options.window);
  return ids;
}

/// The predictions of tokens 1.. of one window.
static llvm::Error compareWindow(Model &reference, Model &candidate, llvm::ArrayRef<int64_t> ids, Progress &progress,
                                 std::vector<PredictionPair> &pairs) {
  for (Model *model : {&reference, &candidate}) {
    if (llvm::Error error = model->start(ids))
      return error;
    progress.advance();
  }
  int64_t scored = ids.size() - 1;
  size_t first = pairs.size();
  pairs.resize(first + scored);
  for (int64_t begin = 0; begin < scored; begin += rowsPerChunk) {
    int64_t count = std::min(rowsPerChunk, scored - begin);
    llvm::Expected<Tensor> p = reference.logits(begin, count);
    if (!p)
      return p.takeError();
    llvm::Expected<Tensor> q = candidate.logits(begin, count);
    if (!q)
      return q.takeError();
    int64_t vocabulary = p->dim(-1);
    if (q->dim(-1) != vocabulary)
      return llvm::createStringError("the models have different vocabularies: " + llvm::Twine(vocabulary) + " and " +
                                     llvm::Twine(q->dim(-1)) + " tokens");
    compute::parallelFor(count, [&](int64_t row) {
      pairs[first + begin + row] =
          numerics::comparePredictions(p->data<float>().slice(row * vocabulary, vocabulary),
                                       q->data<float>().slice(row * vocabulary, vocabulary), ids[begin + row + 1]);
    });
    progress.advance();
  }
  return llvm::Error::success();
}

static llvm::Expected<std::vector<PredictionPair>> compareModels(const Options &options) {
  llvm::Expected<std::vector<int64_t>> ids = readTokens(options);
  if (!ids)
    return ids.takeError();
  auto reference = Model::load(options.reference, options.device);
  if (!reference)
    return reference.takeError();
  auto candidate = Model::load(options.candidate, options.device);
  if (!candidate)
    return candidate.takeError();
  int64_t window = options.window, windows = ids->size() / window;
  int64_t chunks = (window - 1 + rowsPerChunk - 1) / rowsPerChunk;
  Progress progress("evaluating", (2 + chunks) * windows);
  std::vector<PredictionPair> pairs;
  for (int64_t i = 0; i < windows; ++i) {
    llvm::ArrayRef<int64_t> tokens = llvm::ArrayRef(*ids).slice(i * window, window);
    if (llvm::Error error = compareWindow(**reference, **candidate, tokens, progress, pairs))
      return std::move(error);
  }
  return pairs;
}

static void print(const numerics::DivergenceSummary &summary, double seconds) {
  auto line = [](llvm::StringRef name, const char *format, double value) {
    llvm::outs() << llvm::left_justify(name, 22) << llvm::format(format, value) << '\n';
  };
  line("reference perplexity", "%12.4f", summary.referencePerplexity);
  line("perplexity", "%12.4f", summary.perplexity);
  line("KLD mean", "%12.6g", summary.mean);
  line("KLD standard error", "%12.6g", summary.standardError);
  line("KLD p99", "%12.6g", summary.p99);
  line("KLD max", "%12.6g", summary.max);
  line("top-1 agreement, %", "%12.2f", 100 * summary.topAgreement);
  line("tokens scored", "%12.0f", double(summary.count));
  line("seconds", "%12.1f", seconds);
}

static llvm::Error writeJson(llvm::StringRef path, const numerics::DivergenceSummary &summary, double seconds) {
  std::error_code code;
  llvm::ToolOutputFile file(path, code, llvm::sys::fs::OF_Text);
  if (code)
    return llvm::createStringError(code, "cannot write '" + path + "': " + code.message());
  file.os() << llvm::formatv("{0:2}",
                             llvm::json::Value(llvm::json::Object{{"perplexity", summary.perplexity},
                                                                  {"reference_perplexity", summary.referencePerplexity},
                                                                  {"kld_mean", summary.mean},
                                                                  {"kld_p99", summary.p99},
                                                                  {"kld_max", summary.max},
                                                                  {"kld_standard_error", summary.standardError},
                                                                  {"top1_agreement", summary.topAgreement},
                                                                  {"tokens_scored", summary.count},
                                                                  {"seconds", seconds}}))
            << '\n';
  file.keep();
  return llvm::Error::success();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  cl::HideUnrelatedOptions({&options.category, &inputCategory()});
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "quantopt " QUANTOPT_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv, "compares the predictions of two models on the same tokens\n");
  auto start = std::chrono::steady_clock::now();
  llvm::ExitOnError exitOnError("error: ");
  numerics::DivergenceSummary summary = numerics::summarize(exitOnError(compareModels(options)));
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print(summary, seconds);
  if (!options.json.empty())
    exitOnError(writeJson(options.json, summary, seconds));
  return 0;
}
