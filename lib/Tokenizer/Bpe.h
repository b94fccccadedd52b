//===- Bpe.h - byte-pair encoding of words ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_BPE_H
#define QUANTOPT_LIB_TOKENIZER_BPE_H

#include "Vocabulary.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include <array>
#include <mutex>

namespace quantopt::tokenizer {

/// Byte-pair encoding (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016): a word
/// begins as its characters; of all neighbours that have a merge, those of the lowest rank are joined, the leftmost
/// first, until none is left. Takes O(n log n) for n characters; words seen before are looked up. Long words, such as
/// whole texts where a file cuts none, are cut between characters that no merge joins, which changes nothing.
class Bpe {
public:
  /// The file's object "model".
  static llvm::Expected<std::unique_ptr<Bpe>> parse(const llvm::json::Object &object);

  /// Appends the ids of a word. Characters without a token become bytes or the unknown token where the file has those;
  /// else they are dropped.
  void encode(llvm::StringRef word, std::vector<uint32_t> &ids) const;

  const Vocabulary &vocabulary() const { return tokens; }

private:
  struct Merge {
    uint32_t rank, id;
  };
  struct Symbols;

  llvm::Error parseMerges(const llvm::json::Array &list);
  llvm::Error addMerge(llvm::StringRef left, llvm::StringRef right, uint32_t rank);
  void findByteTokens();
  void addUnknown(llvm::StringRef character, std::optional<uint32_t> &pending, Symbols &symbols) const;
  Symbols symbolsOf(llvm::StringRef word) const;
  void merge(Symbols &symbols) const;
  /// Takes the part off a word's front behind which no merge reaches.
  llvm::StringRef takePart(llvm::StringRef &word) const;
  void encodePart(llvm::StringRef word, std::vector<uint32_t> &ids) const;
  void encodeAnew(llvm::StringRef word, std::vector<uint32_t> &ids) const;
  /// Merge of two neighbours, or null.
  const Merge *mergeOf(uint32_t left, uint32_t right) const;

  Vocabulary tokens;
  /// By the ids of left and right.
  llvm::DenseMap<uint64_t, Merge> merges;
  /// Characters that some merge brings together.
  llvm::DenseSet<uint64_t> joined;
  std::optional<uint32_t> unknown;
  bool fusesUnknown = false, ignoresMerges = false;
  /// "<0x00>" to "<0xFF>", where characters without a token become bytes.
  std::array<std::optional<uint32_t>, 256> byteTokens;

  /// Words seen before. Long ones are rarely seen twice.
  mutable std::mutex mutex;
  mutable llvm::StringMap<llvm::SmallVector<uint32_t, 4>> cache;
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_BPE_H
