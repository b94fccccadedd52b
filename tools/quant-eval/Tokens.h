//===- Tokens.h - token ids to evaluate on ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTEVAL_TOKENS_H
#define QUANTOPT_TOOLS_QUANTEVAL_TOKENS_H

#include "llvm/Support/Error.h"
#include <vector>

namespace quantopt::eval {

/// Ids in a .npy file of integers of any shape.
llvm::Expected<std::vector<int64_t>> readTokenIds(llvm::StringRef path);

/// Ids of a text, by a Hugging Face tokenizer.json, without special tokens around it.
llvm::Expected<std::vector<int64_t>> tokenizeText(llvm::StringRef textPath, llvm::StringRef tokenizerPath);

} // namespace quantopt::eval

#endif // QUANTOPT_TOOLS_QUANTEVAL_TOKENS_H
