//===- AddedTokens.h - tokens that are found before anything else ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_ADDEDTOKENS_H
#define QUANTOPT_LIB_TOKENIZER_ADDEDTOKENS_H

#include "Normalizer.h"
#include "ObjectReader.h"
#include "Vocabulary.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include <optional>
#include <vector>

namespace quantopt::tokenizer {

struct AddedToken {
  uint32_t id;
  std::string content;
  /// `content`, normalized if `isNormalized`: what is looked for, and decoded.
  std::string spelling;
  /// Matches no part of a word.
  bool isSingleWord;
  /// Takes the white space before or after it along.
  bool stripsLeft, stripsRight;
  /// Is looked for in the normalized text.
  bool isNormalized;
  bool isSpecial;
};

/// Part of a text: a token, or text between tokens.
struct Section {
  llvm::StringRef text;
  const AddedToken *token;
};

class AddedTokens {
public:
  /// Tokens of the field `added_tokens`. Those that the model knows must have its ids. `normalizer` may be null.
  llvm::Error parse(ObjectReader &reader, const Vocabulary &model, const Normalizer *normalizer);

  /// Cuts at tokens that are looked for before (`isNormalized` false) or after normalization: leftmost first, and of
  /// several the longest.
  std::vector<Section> split(llvm::StringRef text, bool isNormalized) const;

  const AddedToken *find(llvm::StringRef content) const { return byContent.lookup(content); }
  /// Null also for the numbers that a DenseMap cannot look up.
  const AddedToken *find(uint32_t id) const { return id < bound ? byId.lookup(id) : nullptr; }
  uint32_t idBound() const { return bound; }

private:
  /// Tokens by the first byte of their spelling, those of the longest first.
  struct Matcher {
    std::vector<const AddedToken *> byFirst[256];
  };
  void addToMatcher(const AddedToken &token);

  std::vector<AddedToken> tokens;
  llvm::StringMap<const AddedToken *> byContent;
  llvm::DenseMap<uint32_t, const AddedToken *> byId;
  Matcher matchers[2];
  uint32_t bound = 0;
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_ADDEDTOKENS_H
