//===- Decoder.h - tokens to bytes -----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_DECODER_H
#define QUANTOPT_LIB_TOKENIZER_DECODER_H

#include "Regex.h"
#include "llvm/Support/JSON.h"
#include <optional>
#include <vector>

namespace quantopt::tokenizer {

class ObjectReader;

/// Turns tokens into bytes, each by itself, but for spaces that are taken off the beginning of a text.
class Decoder {
public:
  /// Adds the steps of an object: Sequence, ByteLevel, ByteFallback, Replace, Strip, Metaspace or Fuse. `where` names
  /// it in messages. Without any step, tokens stand for themselves, with spaces between them.
  llvm::Error parse(const llvm::json::Object &object, llvm::StringRef where);

  /// Appends the bytes of a token. `isFirst`: it begins a text, of which `stripped` leading characters have been taken
  /// off; more of them may be.
  llvm::Error append(llvm::StringRef token, bool isFirst, size_t &stripped, std::string &bytes) const;

private:
  struct Step {
    enum Kind { ByteLevel, ByteFallback, Replace, Strip } kind;
    /// Of Replace.
    std::optional<Regex> pattern = std::nullopt;
    /// What Replace puts, or the character that Strip takes off: so many times at most.
    std::string content = "";
    size_t start = 0, stop = 0;
    /// Of Replace: the first token of a text loses its matches.
    bool dropsFirst = false;
  };

  llvm::Error addStep(ObjectReader &reader, llvm::StringRef type);
  llvm::Error addReplace(ObjectReader &reader);
  llvm::Error addStrip(ObjectReader &reader);
  llvm::Error addMetaspace(ObjectReader &reader);
  static llvm::Expected<std::string> run(const Step &step, llvm::StringRef token, bool isFirst);

  std::vector<Step> steps;
  /// Whether the steps make one text of all tokens, and how many of which character are taken off its beginning then.
  bool isFused = false;
  std::string leading;
  size_t mostLeading = 0;
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_DECODER_H
