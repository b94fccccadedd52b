//===- Tokenizer.h - text to token ids and back -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Byte-pair encoding as a Hugging Face tokenizer.json describes it: GPT-2, SmolLM2, LLaMA 2 and 3, Mistral, Qwen,
// Gemma. What a file asks for that is not known here is an error that names it, for a tokenizer that is nearly right is
// worse than none.
//
// Regular expressions are PCRE2's, with Unicode properties. Normal forms and character classes are ICU's, which LLVM's
// development package brings along.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOKENIZER_TOKENIZER_H
#define QUANTOPT_TOKENIZER_TOKENIZER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <optional>
#include <vector>

namespace quantopt {

namespace tokenizer {
struct Parts;
} // namespace tokenizer

/// A tokenizer. Its functions may be called from several threads.
class Tokenizer {
public:
  /// Reads a tokenizer.json. Errors name the file and the field.
  static llvm::Expected<std::unique_ptr<Tokenizer>> load(llvm::StringRef path);
  /// The same from the file's text.
  static llvm::Expected<std::unique_ptr<Tokenizer>> parse(llvm::StringRef json);
  ~Tokenizer();

  /// Ids of a text, in UTF-8 and shorter than 2 GiB. `addSpecialTokens` adds those that the file puts around a text,
  /// such as one that begins it; special tokens spelled out in the text are found in any case.
  llvm::Expected<std::vector<uint32_t>> encode(llvm::StringRef text, bool addSpecialTokens = true) const;

  /// Bytes that ids stand for. They are UTF-8 where the ids are those of a text; any ids may give parts of characters.
  /// An id that no token has is an error.
  llvm::Expected<std::string> decode(llvm::ArrayRef<uint32_t> ids, bool skipSpecialTokens = true) const;

  /// Id of a token as the file spells it, such as "<|im_end|>".
  std::optional<uint32_t> idOf(llvm::StringRef token) const;
  /// Spelling of a token; ids may have gaps.
  std::optional<llvm::StringRef> tokenOf(uint32_t id) const;
  /// Whether the file calls the token special: it steers the model and is no text.
  bool isSpecial(uint32_t id) const;
  /// One more than the largest id.
  uint32_t idBound() const;

private:
  friend class TextStream;
  explicit Tokenizer(std::unique_ptr<tokenizer::Parts> parts);
  /// Bytes of the next token of a text, of which `decoded` tokens and `stripped` leading characters are gone by.
  llvm::Error decodeNext(uint32_t id, bool skipSpecialTokens, size_t &decoded, size_t &stripped,
                         std::string &bytes) const;

  std::unique_ptr<tokenizer::Parts> parts;
};

/// Text of tokens as they come, in whole characters: bytes of a character that may still be completed are held back,
/// bytes that cannot be one become U+FFFD.
class TextStream {
public:
  explicit TextStream(const Tokenizer &tokenizer, bool skipSpecialTokens = true)
      : tokenizer(tokenizer), skipSpecialTokens(skipSpecialTokens) {}

  /// Text that the next token completes; may be empty.
  llvm::Expected<std::string> push(uint32_t id);
  /// What was held back, at the end: U+FFFD or nothing.
  std::string finish();

private:
  const Tokenizer &tokenizer;
  bool skipSpecialTokens;
  size_t decoded = 0, stripped = 0;
  std::string held;
};

} // namespace quantopt

#endif // QUANTOPT_TOKENIZER_TOKENIZER_H
