//===- Generate.cpp - tokens after a prompt -------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Generate.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <chrono>

using namespace quantopt::runtime;
using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

llvm::Expected<GenerateStatistics>
quantopt::runtime::generate(TokenModel &model, const PromptBatch &prompts, const GenerateOptions &options,
                            llvm::function_ref<bool(const GeneratedToken &)> report) {
  if (llvm::Error error = options.sampling.check())
    return std::move(error);
  GenerateStatistics statistics;
  if (!options.maxNewTokens)
    return statistics;
  uint64_t needed = uint64_t(model.past()) + prompts.tokens + options.maxNewTokens - 1;
  if (needed > model.context())
    return llvm::createStringError("a prompt of " + llvm::Twine(prompts.tokens) + " tokens and " +
                                   llvm::Twine(options.maxNewTokens) + " new ones need a context of " +
                                   llvm::Twine(needed) + " tokens, and there are " + llvm::Twine(model.context()) +
                                   ": shorten the prompt, or ask for fewer tokens");
  Clock::time_point begin = Clock::now();
  llvm::Expected<std::vector<float>> logits = model.prefill(prompts);
  if (!logits)
    return logits.takeError();
  statistics.prefillSeconds = secondsSince(begin);
  statistics.promptRows = prompts.ids.size();

  std::vector<int64_t> ids(model.batch());
  std::vector<bool> isDone(model.batch());
  begin = Clock::now();
  for (uint32_t step = 0;; ++step) {
    for (uint32_t sequence = 0; sequence < model.batch(); ++sequence) {
      if (isDone[sequence])
        continue;
      auto row = llvm::ArrayRef(*logits).slice(size_t(sequence) * model.vocabulary(), model.vocabulary());
      double uniform = uniformNumber(options.sampling.seed, sequence, step);
      ids[sequence] = sample(row, options.sampling, uniform);
      bool isStop = llvm::is_contained(options.stopTokens, ids[sequence]);
      ++statistics.newTokens;
      statistics.decodeTokens += step > 0;
      isDone[sequence] = !report({sequence, ids[sequence], isStop}) || isStop;
    }
    if (step + 1 == options.maxNewTokens || llvm::all_of(isDone, [](bool done) { return done; }))
      break;
    // Sequences that have ended repeat their last token, which nobody sees.
    logits = model.decode(ids);
    if (!logits)
      return logits.takeError();
    ++statistics.decodeSteps;
  }
  statistics.decodeSeconds = secondsSince(begin);
  return statistics;
}
