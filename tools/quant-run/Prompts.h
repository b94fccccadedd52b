//===- Prompts.h - token ids in, text out ------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTRUN_PROMPTS_H
#define QUANTOPT_TOOLS_QUANTRUN_PROMPTS_H

#include "quantopt/Runtime/Generate.h"
#include "quantopt/Tokenizer/Tokenizer.h"
#include "llvm/Support/raw_ostream.h"

namespace quantopt::run {

/// Ids of a text.
llvm::Expected<std::vector<int64_t>> encode(const Tokenizer &tokenizer, llvm::StringRef text);
/// Ids as "1,2,3" gives them.
llvm::Expected<std::vector<int64_t>> parseIds(llvm::StringRef text);
/// Contents of a file.
llvm::Expected<std::string> readText(llvm::StringRef path);

/// Writes tokens as they come: as text where there is a tokenizer, else as numbers. Of several sequences each is
/// written as a whole once all have ended, behind its number.
class TokenWriter {
public:
  TokenWriter(const Tokenizer *tokenizer, uint32_t sequences, llvm::raw_ostream &stream);
  llvm::Error write(const runtime::GeneratedToken &token);
  void finish();

private:
  const Tokenizer *tokenizer;
  llvm::raw_ostream &stream;
  std::vector<TextStream> streams;
  std::vector<std::string> texts;
};

} // namespace quantopt::run

#endif // QUANTOPT_TOOLS_QUANTRUN_PROMPTS_H
