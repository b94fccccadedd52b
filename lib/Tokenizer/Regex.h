//===- Regex.h - regular expressions of tokenizer files ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_REGEX_H
#define QUANTOPT_LIB_TOKENIZER_REGEX_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <memory>

struct pcre2_real_code_8;

namespace quantopt::tokenizer {

/// Part of a text, in bytes.
struct Span {
  size_t begin, end;
  bool isMatch;
};

/// A regular expression in Oniguruma's syntax (the one of tokenizer files), run by PCRE2. What the two read differently
/// is translated or refused.
class Regex {
public:
  static llvm::Expected<Regex> compile(llvm::StringRef pattern);
  /// Matches `text` itself.
  static llvm::Expected<Regex> literal(llvm::StringRef text);

  /// Cuts a text, which must be UTF-8, into matches, leftmost first, and what is between them. An error if a match
  /// costs more than PCRE2 allows.
  llvm::Error split(llvm::StringRef text, llvm::SmallVectorImpl<Span> &spans) const;

private:
  struct Free {
    void operator()(pcre2_real_code_8 *code) const;
  };
  static llvm::Expected<Regex> compileTranslated(llvm::StringRef pattern, uint32_t options);

  std::unique_ptr<pcre2_real_code_8, Free> code;
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_REGEX_H
