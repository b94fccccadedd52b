//===- Bpe.cpp - byte-pair encoding of words -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Bpe.h"
#include "ObjectReader.h"
#include "Unicode.h"
#include "llvm/Support/FormatVariadic.h"
#include <queue>

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

static constexpr size_t longestCachedWord = 64, largestCache = 1 << 16;

/// Key of a pair of ids, or of characters.
static uint64_t pairOf(uint32_t left, uint32_t right) { return uint64_t(left) << 32 | right; }

//===----------------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------------===//

llvm::Expected<std::unique_ptr<Bpe>> Bpe::parse(const json::Object &object) {
  ObjectReader reader(object, "model");
  auto model = std::make_unique<Bpe>();
  if (reader.has("type"))
    reader.choice("type", {"BPE"});
  for (llvm::StringRef key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    reader.refuse(key);
  model->fusesUnknown = reader.boolean("fuse_unk", false);
  model->ignoresMerges = reader.boolean("ignore_merges", false);
  bool hasByteTokens = reader.boolean("byte_fallback", false);
  bool hasUnknown = reader.has("unk_token");
  llvm::StringRef unknown = reader.string("unk_token", "");
  const json::Object &vocabulary = reader.objectOf("vocab");
  const json::Array &merges = reader.array("merges");
  if (llvm::Error error = reader.finish())
    return std::move(error);
  if (llvm::Error error = model->tokens.parse(vocabulary, "model.vocab"))
    return std::move(error);
  if (llvm::Error error = model->parseMerges(merges))
    return std::move(error);
  if (hasUnknown) {
    model->unknown = model->tokens.idOf(unknown);
    if (!model->unknown)
      return llvm::createStringError("model.unk_token: '" + unknown + "' is not in the vocabulary");
  }
  if (hasByteTokens)
    model->findByteTokens();
  return model;
}

void Bpe::findByteTokens() {
  for (unsigned byte = 0; byte < 256; ++byte)
    byteTokens[byte] = tokens.idOf(llvm::formatv("<0x{0:X-2}>", byte).str());
}

/// "left right", or a list of the two.
static std::optional<std::pair<llvm::StringRef, llvm::StringRef>> parsePair(const json::Value &value) {
  if (std::optional<llvm::StringRef> text = value.getAsString())
    return text->count(' ') == 1 ? std::optional(text->split(' ')) : std::nullopt;
  const json::Array *pair = value.getAsArray();
  if (!pair || pair->size() != 2 || !(*pair)[0].getAsString() || !(*pair)[1].getAsString())
    return std::nullopt;
  return std::pair(*(*pair)[0].getAsString(), *(*pair)[1].getAsString());
}

llvm::Error Bpe::parseMerges(const json::Array &list) {
  merges.reserve(list.size());
  for (size_t rank = 0; rank < list.size(); ++rank) {
    auto pair = parsePair(list[rank]);
    if (!pair)
      return llvm::createStringError("model.merges[" + llvm::Twine(rank) + "]: expected \"left right\" or a pair");
    if (llvm::Error error = addMerge(pair->first, pair->second, rank))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error Bpe::addMerge(llvm::StringRef left, llvm::StringRef right, uint32_t rank) {
  llvm::SmallString<64> both(left);
  both += right;
  uint32_t ids[3];
  const llvm::StringRef spellings[] = {left, right, both};
  for (unsigned i = 0; i < 3; ++i) {
    std::optional<uint32_t> id = tokens.idOf(spellings[i]);
    if (!id)
      return llvm::createStringError("model.merges[" + llvm::Twine(rank) + "]: '" + spellings[i] +
                                     "' is not in the vocabulary");
    ids[i] = *id;
  }
  // A pair that is there twice counts as it comes last.
  merges[pairOf(ids[0], ids[1])] = {rank, ids[2]};
  if (!left.empty() && !right.empty())
    joined.insert(pairOf(startOfUtf8(left.substr(lastInUtf8(left))).character, startOfUtf8(right).character));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------------===//

/// A word on its way: a list of tokens, linked by index; -1 ends it. A token that was joined to its left is gone.
struct Bpe::Symbols {
  struct Symbol {
    uint32_t id;
    int32_t previous, next;
    bool isGone;
  };
  std::vector<Symbol> list;

  void add(uint32_t id) {
    int32_t index = list.size();
    if (index)
      list.back().next = index;
    list.push_back({id, index - 1, -1, false});
  }
};

void Bpe::encode(llvm::StringRef word, std::vector<uint32_t> &ids) const {
  if (ignoresMerges)
    if (std::optional<uint32_t> id = tokens.idOf(word))
      return ids.push_back(*id);
  while (word.size() > longestCachedWord)
    encodePart(takePart(word), ids);
  if (!word.empty())
    encodePart(word, ids);
}

/// What happens on one side of such a place does not depend on the other. Both characters must be tokens: bytes of
/// other characters could have merges, and an unknown token could be fused.
llvm::StringRef Bpe::takePart(llvm::StringRef &word) const {
  size_t end = 0;
  std::optional<char32_t> left;
  for (; end < word.size();) {
    Utf8Start start = startOfUtf8(word.substr(end));
    bool isToken = tokens.idOf(word.substr(end, start.length)).has_value();
    if (left && isToken && !joined.contains(pairOf(*left, start.character)))
      break;
    left = isToken ? std::optional(start.character) : std::nullopt;
    end += start.length;
  }
  llvm::StringRef part = word.take_front(end);
  word = word.drop_front(end);
  return part;
}

void Bpe::encodePart(llvm::StringRef word, std::vector<uint32_t> &ids) const {
  if (word.size() > longestCachedWord)
    return encodeAnew(word, ids);
  std::lock_guard<std::mutex> lock(mutex);
  auto known = cache.find(word);
  if (known != cache.end()) {
    ids.insert(ids.end(), known->second.begin(), known->second.end());
    return;
  }
  size_t first = ids.size();
  encodeAnew(word, ids);
  if (cache.size() < largestCache)
    cache[word].assign(ids.begin() + first, ids.end());
}

/// A character without a token. An unknown token waits in `pending`, so that the next one may be fused with it; it
/// waits even while bytes are added, as in the reference.
void Bpe::addUnknown(llvm::StringRef character, std::optional<uint32_t> &pending, Symbols &symbols) const {
  if (llvm::all_of(character.bytes(), [&](uint8_t byte) { return byteTokens[byte].has_value(); })) {
    for (uint8_t byte : character.bytes())
      symbols.add(*byteTokens[byte]);
    return;
  }
  if (!unknown)
    return;
  if (pending && !fusesUnknown)
    symbols.add(*pending);
  pending = unknown;
}

Bpe::Symbols Bpe::symbolsOf(llvm::StringRef word) const {
  Symbols symbols;
  symbols.list.reserve(word.size());
  std::optional<uint32_t> pending;
  while (!word.empty()) {
    llvm::StringRef character = word.take_front(startOfUtf8(word).length);
    word = word.drop_front(character.size());
    std::optional<uint32_t> id = tokens.idOf(character);
    if (!id) {
      addUnknown(character, pending, symbols);
      continue;
    }
    if (pending)
      symbols.add(*pending);
    pending = std::nullopt;
    symbols.add(*id);
  }
  if (pending)
    symbols.add(*pending);
  return symbols;
}

const Bpe::Merge *Bpe::mergeOf(uint32_t left, uint32_t right) const {
  auto entry = merges.find(pairOf(left, right));
  return entry == merges.end() ? nullptr : &entry->second;
}

void Bpe::merge(Symbols &symbols) const {
  // A pair is found by its left index; it is stale once one of the two has changed.
  struct Candidate {
    uint32_t rank;
    int32_t left;
    uint32_t id;
    bool operator<(const Candidate &other) const { return std::pair(rank, left) > std::pair(other.rank, other.left); }
  };
  auto &list = symbols.list;
  auto candidateAt = [&](int32_t left) -> std::optional<Candidate> {
    if (left < 0 || list[left].next < 0)
      return std::nullopt;
    const Merge *found = mergeOf(list[left].id, list[list[left].next].id);
    return found ? std::optional(Candidate{found->rank, left, found->id}) : std::nullopt;
  };
  std::vector<Candidate> first;
  for (int32_t i = 0; i + 1 < int32_t(list.size()); ++i)
    if (std::optional<Candidate> candidate = candidateAt(i))
      first.push_back(*candidate);
  std::priority_queue<Candidate> queue({}, std::move(first));
  while (!queue.empty()) {
    Candidate top = queue.top();
    queue.pop();
    std::optional<Candidate> now = list[top.left].isGone ? std::nullopt : candidateAt(top.left);
    if (!now || now->id != top.id)
      continue;
    Symbols::Symbol &left = list[top.left], &right = list[left.next];
    left.id = top.id;
    left.next = right.next;
    right.isGone = true;
    if (left.next >= 0)
      list[left.next].previous = top.left;
    for (int32_t changed : {left.previous, top.left})
      if (std::optional<Candidate> candidate = candidateAt(changed))
        queue.push(*candidate);
  }
}

void Bpe::encodeAnew(llvm::StringRef word, std::vector<uint32_t> &ids) const {
  Symbols symbols = symbolsOf(word);
  merge(symbols);
  for (const Symbols::Symbol &symbol : symbols.list)
    if (!symbol.isGone)
      ids.push_back(symbol.id);
}
