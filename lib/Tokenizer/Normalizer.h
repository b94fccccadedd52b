//===- Normalizer.h - what is done to a text before it is cut --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_NORMALIZER_H
#define QUANTOPT_LIB_TOKENIZER_NORMALIZER_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <memory>

namespace quantopt::tokenizer {

class Normalizer {
public:
  virtual ~Normalizer() = default;
  virtual llvm::Expected<std::string> normalize(llvm::StringRef text) const = 0;

  /// Known are Sequence, NFC, NFD, NFKC, NFKD, Prepend and Replace. `where` names the object in messages.
  static llvm::Expected<std::unique_ptr<Normalizer>> parse(const llvm::json::Object &object, llvm::StringRef where);
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_NORMALIZER_H
