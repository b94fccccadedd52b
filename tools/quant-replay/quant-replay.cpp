//===- quant-replay.cpp - proves a bundle launch by launch --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/InitAllDialects.h"
#include "quantopt/Interp/Bundle/BundleModel.h"
#include "quantopt/Interp/Replay/Replay.h"
#include "quantopt/Support/FileAccess.h"
#include "quantopt/Support/Progress.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include <random>

using namespace quantopt;
namespace cl = llvm::cl;

namespace {
struct Options {
  cl::OptionCategory category{"quant-replay options"};
  cl::opt<std::string> bundle{cl::Positional, cl::Required, cl::desc("BUNDLE"), cl::cat(category)};
  cl::opt<std::string> model{"model", cl::value_desc("FILE"), cl::cat(category),
                             cl::desc("The model that the bundle was made of (default: model.mlir of the bundle)")};
  cl::list<std::string> tokenIds{"token-ids", cl::value_desc("1,2,3"), cl::cat(category),
                                 cl::desc("Token ids; several make a batch, padded on the left")};
  cl::list<uint32_t> randomTokens{"random-tokens", cl::CommaSeparated, cl::value_desc("N"), cl::cat(category),
                                  cl::desc("So many random tokens for each sequence (default: 24,17)")};
  cl::opt<uint32_t> decode{"decode", cl::value_desc("N"), cl::init(2), cl::cat(category),
                           cl::desc("Decode that many of the last tokens one by one (default: 2)")};
  cl::opt<uint32_t> chunk{"chunk", cl::value_desc("N"), cl::init(0), cl::cat(category),
                          cl::desc("Tokens of a prefill at most; 0 for all at once (default: 0)")};
  cl::opt<std::string> device{"device", cl::value_desc("DEVICE"), cl::init("interpreter"), cl::cat(category),
                              cl::desc("interpreter: kernels on the CPU, checked strictly; or cuda:N (default: "
                                       "interpreter)")};
  cl::opt<bool> quiet{"quiet", cl::cat(category), cl::desc("No progress (default: on stderr)")};
};
} // namespace

static llvm::Expected<std::vector<int64_t>> parseIds(llvm::StringRef text) {
  std::vector<int64_t> ids;
  for (llvm::StringRef part : llvm::split(text, ','))
    if (part.trim().getAsInteger(10, ids.emplace_back()))
      return llvm::createStringError("expected token ids as 1,2,3, got '" + text + "'");
  return ids;
}

static llvm::Error readTokens(const Options &options, int64_t vocabulary, interp::ReplayOptions &replay) {
  for (llvm::StringRef text : options.tokenIds)
    if (llvm::Error error = parseIds(text).moveInto(replay.tokens.emplace_back()))
      return error;
  std::vector<uint32_t> lengths(options.randomTokens.begin(), options.randomTokens.end());
  if (lengths.empty() && options.tokenIds.empty())
    lengths = {24, 17};
  std::mt19937_64 random(1);
  for (uint32_t length : lengths)
    for (std::vector<int64_t> &sequence = replay.tokens.emplace_back(); sequence.size() < length;)
      sequence.push_back(int64_t(random() % uint64_t(vocabulary)));
  return llvm::Error::success();
}

static void print(const interp::ReplayReport &report) {
  llvm::outs() << "launches  of its bound  ties/codes and values  seconds  kernel\n";
  for (const auto &[name, kernel] : report.kernels)
    llvm::outs() << llvm::format("%8u  %12.3f  %10lld/%-10lld  %7.2f  ", kernel.launches, kernel.worst,
                                 (long long)kernel.ties, (long long)kernel.elements, kernel.seconds)
                 << name << '\n';
  for (const std::string &failure : report.failures)
    llvm::outs() << "FAILED " << failure << '\n';
  llvm::outs() << report.launches << " launches of " << report.kernels.size() << " kernels, " << report.failures.size()
               << " failed\n";
}

/// Launches of the prefill, in chunks, and of every phase that decodes.
static int64_t countLaunches(const runtime::BundlePlan &plan, const interp::ReplayOptions &replay) {
  int64_t longest = 0, count = 0;
  for (const std::vector<int64_t> &ids : replay.tokens)
    longest = std::max<int64_t>(longest, ids.size());
  int64_t prompt = longest - replay.decodeSteps;
  int64_t chunks = replay.chunk ? (prompt + replay.chunk - 1) / replay.chunk : 1;
  for (const runtime::PlannedPhase &phase : plan.phases)
    count += int64_t(phase.launches.size()) * (phase.decodes() ? replay.decodeSteps : chunks);
  return count;
}

/// Whether no launch failed.
static llvm::Expected<bool> run(const Options &options) {
  auto bundle = runtime::Bundle::open(options.bundle);
  if (!bundle)
    return bundle.takeError();
  auto backend = runtime::createBackend(options.device);
  if (!backend)
    return backend.takeError();
  mlir::DialectRegistry dialects;
  registerAllDialects(dialects);
  mlir::MLIRContext context(dialects, mlir::MLIRContext::Threading::DISABLED);
  std::string ownModel = options.bundle + "/" + interp::bundleModelName.str();
  auto model = interp::readBundleModel(options.model.empty() ? ownModel : options.model.getValue(), context);
  if (!model)
    return model.takeError();
  interp::ReplayOptions replay;
  replay.decodeSteps = options.decode;
  replay.chunk = options.chunk;
  const auto &plan = (*bundle)->plan();
  if (llvm::Error error = readTokens(options, plan.model ? plan.model->vocabulary : 1, replay))
    return error;
  auto report = [&] {
    Progress progress("replaying", countLaunches(plan, replay), options.quiet);
    replay.progress = [&](llvm::StringRef, llvm::StringRef) { progress.advance(); };
    return interp::replayBundle(**bundle, **model, **backend, replay);
  }();
  if (!report)
    return report.takeError();
  print(*report);
  return report->failures.empty();
}

int main(int argc, char **argv) {
  llvm::InitLLVM initialize(argc, argv);
  Options options;
  cl::HideUnrelatedOptions({&options.category, &inputCategory()});
  cl::SetVersionPrinter([](llvm::raw_ostream &stream) { stream << "quant-replay " << QUANTOPT_VERSION << '\n'; });
  cl::ParseCommandLineOptions(argc, argv,
                              "proves a bundle launch by launch: each kernel, fed what the CPU interpreter has there, "
                              "gives its results\n\n"
                              "Exit codes: 0: every launch does; 1: one does not, or an error.\n"
                              "Example: quant-replay out/bundle --token-ids=1,2,3,4 --token-ids=5,6,7 --decode=2\n");
  llvm::Expected<bool> passed = run(options);
  if (!passed) {
    llvm::errs() << "error: " << llvm::toString(passed.takeError()) << '\n';
    return 1;
  }
  return *passed ? 0 : 1;
}
