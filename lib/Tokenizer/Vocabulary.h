//===- Vocabulary.h - tokens of a model by id and by spelling --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_VOCABULARY_H
#define QUANTOPT_LIB_TOKENIZER_VOCABULARY_H

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <optional>
#include <vector>

namespace quantopt::tokenizer {

class Vocabulary {
public:
  /// No vocabulary comes near it; it bounds what a broken file may allocate.
  static constexpr uint32_t largestId = (1u << 24) - 1;

  /// An object of spellings and ids. Ids may have gaps, but none is there twice.
  llvm::Error parse(const llvm::json::Object &object, llvm::StringRef where);

  std::optional<uint32_t> idOf(llvm::StringRef token) const {
    auto entry = ids.find(token);
    return entry == ids.end() ? std::nullopt : std::optional(entry->second);
  }
  std::optional<llvm::StringRef> tokenOf(uint32_t id) const {
    return id < tokens.size() && tokens[id].data() ? std::optional(tokens[id]) : std::nullopt;
  }
  uint32_t idBound() const { return tokens.size(); }

private:
  llvm::StringMap<uint32_t> ids;
  /// Keys of `ids`; null where there is no token.
  std::vector<llvm::StringRef> tokens;
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_VOCABULARY_H
