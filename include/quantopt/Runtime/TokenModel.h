//===- TokenModel.h - what continues sequences of tokens ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_TOKENMODEL_H
#define QUANTOPT_RUNTIME_TOKENMODEL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantopt::runtime {

/// Token ids of a batch of B sequences, S each: shorter prompts have padding on their left.
struct PromptBatch {
  uint32_t sequences = 0;
  uint32_t tokens = 0;
  /// [B][S], row-major.
  std::vector<int64_t> ids;
  /// [B]: how many of a sequence's first ids are padding, which nothing attends to.
  std::vector<uint32_t> padding;

  /// Pads with `padId` on the left. Fails for a prompt without tokens.
  static llvm::Expected<PromptBatch> pad(llvm::ArrayRef<std::vector<int64_t>> prompts, int64_t padId = 0);
};

/// Which rows of logits a step returns: of the last token of each sequence, or of every token.
enum class LogitRows { Last, All };

/// A run that was stopped from outside.
class CancelledError : public llvm::ErrorInfo<CancelledError> {
public:
  static char ID;
  void log(llvm::raw_ostream &os) const override { os << "cancelled"; }
  std::error_code convertToErrorCode() const override { return std::make_error_code(std::errc::operation_canceled); }
};

/// A batch of sequences of the same length with their caches, to which tokens are appended.
class TokenModel {
public:
  virtual ~TokenModel();

  virtual uint32_t batch() const = 0;
  /// Most tokens of a sequence, padding counted in.
  virtual uint32_t context() const = 0;
  virtual uint32_t vocabulary() const = 0;
  /// Tokens in the caches of each sequence.
  virtual uint32_t past() const = 0;

  /// Appends S tokens to every sequence. Only the first ones, while past() is 0, may have padding. Returns logits in
  /// f32, [B][V] or [B][S][V]. Fails, before anything runs, for tokens outside of the vocabulary and where the context
  /// would be exceeded.
  virtual llvm::Expected<std::vector<float>> prefill(const PromptBatch &prompts, LogitRows rows = LogitRows::Last) = 0;
  /// Appends one token to every sequence, ids [B]; returns logits [B][V].
  virtual llvm::Expected<std::vector<float>> decode(llvm::ArrayRef<int64_t> ids) = 0;
  /// Forgets all tokens.
  virtual void reset() = 0;

protected:
  /// The errors of prefill() and decode() above.
  llvm::Error checkStep(const PromptBatch &prompts) const;
};

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_TOKENMODEL_H
