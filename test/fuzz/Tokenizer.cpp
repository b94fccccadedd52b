//===- Tokenizer.cpp - fuzzes tokenizer.json and texts --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Tokenizer/Tokenizer.h"

/// Up to the last line break the tokenizer, then a text for it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  auto [file, text] = bytes.rsplit('\n');
  auto tokenizer = quantopt::Tokenizer::parse(file);
  if (!tokenizer) {
    llvm::consumeError(tokenizer.takeError());
    return 0;
  }
  auto ids = (*tokenizer)->encode(text);
  if (!ids)
    llvm::consumeError(ids.takeError());
  return 0;
}
