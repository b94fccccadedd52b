//===- PreTokenizer.h - how a text is cut into words -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_PRETOKENIZER_H
#define QUANTOPT_LIB_TOKENIZER_PRETOKENIZER_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <memory>

namespace quantopt::tokenizer {

/// Part of a text, in the spelling that the steps so far gave it.
struct Piece {
  llvm::StringRef text;
  /// Whether the whole text begins here.
  bool isFirst;
};

/// Cuts pieces into smaller ones; tokens never cross them.
class PreTokenizer {
public:
  using Sink = llvm::function_ref<llvm::Error(Piece)>;

  virtual ~PreTokenizer() = default;
  /// Hands on the parts of `piece`, in order, none of them empty. They live as long as the call of `sink`.
  virtual llvm::Error split(Piece piece, Sink sink) const = 0;

  /// Known are Sequence, Split, Digits, Punctuation, WhitespaceSplit, ByteLevel and Metaspace. `where` names the object
  /// in messages.
  static llvm::Expected<std::unique_ptr<PreTokenizer>> parse(const llvm::json::Object &object, llvm::StringRef where);
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_PRETOKENIZER_H
