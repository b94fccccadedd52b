//===- TokenModel.cpp - what continues sequences of tokens ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/TokenModel.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace quantopt::runtime;

char CancelledError::ID = 0;
TokenModel::~TokenModel() = default;

llvm::Expected<PromptBatch> PromptBatch::pad(llvm::ArrayRef<std::vector<int64_t>> prompts, int64_t padId) {
  PromptBatch batch;
  batch.sequences = prompts.size();
  for (auto [i, prompt] : llvm::enumerate(prompts)) {
    if (prompt.empty())
      return llvm::createStringError("prompt " + llvm::Twine(i + 1) + " has no tokens");
    batch.tokens = std::max<uint32_t>(batch.tokens, prompt.size());
  }
  for (const std::vector<int64_t> &prompt : prompts) {
    batch.padding.push_back(batch.tokens - prompt.size());
    batch.ids.insert(batch.ids.end(), batch.padding.back(), padId);
    llvm::append_range(batch.ids, prompt);
  }
  return batch;
}

llvm::Error TokenModel::checkStep(const PromptBatch &prompts) const {
  if (prompts.sequences != batch() || prompts.ids.size() != size_t(prompts.sequences) * prompts.tokens)
    return llvm::createStringError("expected ids of a batch of " + llvm::Twine(batch()) + " sequences, not of " +
                                   llvm::Twine(prompts.sequences));
  if (!prompts.tokens)
    return llvm::createStringError("expected at least one token for each sequence");
  if (uint64_t(past()) + prompts.tokens > context())
    return llvm::createStringError("the context is full: " + llvm::Twine(past()) + " tokens and " +
                                   llvm::Twine(prompts.tokens) + " new ones are more than its " +
                                   llvm::Twine(context()));
  for (int64_t id : prompts.ids)
    if (id < 0 || id >= int64_t(vocabulary()))
      return llvm::createStringError("token " + llvm::Twine(id) + " is not in the vocabulary of " +
                                     llvm::Twine(vocabulary()) + " tokens");
  if (!prompts.padding.empty() && prompts.padding.size() != prompts.sequences)
    return llvm::createStringError("expected a padding for each of " + llvm::Twine(prompts.sequences) + " sequences");
  for (uint32_t padding : prompts.padding)
    if (padding && (past() || padding >= prompts.tokens))
      return llvm::createStringError("padding of " + llvm::Twine(padding) +
                                     " tokens: it stands before a sequence's first token, and only there");
  return llvm::Error::success();
}
