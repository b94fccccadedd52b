//===- Generate.h - tokens after a prompt -------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_GENERATE_H
#define QUANTOPT_RUNTIME_GENERATE_H

#include "quantopt/Runtime/Sampling.h"
#include "quantopt/Runtime/TokenModel.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace quantopt::runtime {

struct GenerateOptions {
  uint32_t maxNewTokens = 16;
  SamplingOptions sampling;
  /// A sequence ends with one of these, which is reported too.
  llvm::ArrayRef<int64_t> stopTokens;
};

struct GenerateStatistics {
  double prefillSeconds = 0, decodeSeconds = 0;
  /// Rows that prefill ran, padding included.
  uint64_t promptRows = 0;
  /// Steps after prefill, and the tokens that they gave to sequences that had not ended.
  uint64_t decodeSteps = 0, decodeTokens = 0;
  /// Tokens that all sequences took together, stop tokens included.
  uint64_t newTokens = 0;
};

/// A token that was drawn.
struct GeneratedToken {
  uint32_t sequence;
  int64_t id;
  bool isStop;
};

/// Continues the prompts, from where the model stands, until every sequence has ended or has maxNewTokens. `report`
/// gets each token once it is drawn, step by step and sequence by sequence; false ends that sequence. Fails before
/// anything runs where the context has no room: it must hold the prompt and all new tokens but the last.
llvm::Expected<GenerateStatistics> generate(TokenModel &model, const PromptBatch &prompts,
                                            const GenerateOptions &options,
                                            llvm::function_ref<bool(const GeneratedToken &)> report);

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_GENERATE_H
