//===- Tokenizer.cpp - text to token ids and back --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Tokenizer/Tokenizer.h"
#include "AddedTokens.h"
#include "Bpe.h"
#include "Decoder.h"
#include "PostProcessor.h"
#include "PreTokenizer.h"
#include "Unicode.h"
#include "quantopt/Support/Json.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

/// Deeper than any file goes; the JSON parser uses the stack.
static constexpr int deepestNesting = 64;

struct quantopt::tokenizer::Parts {
  std::unique_ptr<Normalizer> normalizer;
  AddedTokens added;
  std::unique_ptr<PreTokenizer> preTokenizer;
  std::unique_ptr<Bpe> model;
  PostProcessor postProcessor;
  Decoder decoder;

  llvm::Error parse(ObjectReader &reader);
  /// Ids of text between tokens that are found before normalization. `isFirst`: the whole text begins with it.
  llvm::Error encodeSection(llvm::StringRef text, bool isFirst, std::vector<uint32_t> &ids) const;
  llvm::Error encodeNormalized(llvm::StringRef text, bool isFirst, std::vector<uint32_t> &ids) const;
};

//===----------------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------------===//

/// Parses an object that may be absent.
template <typename T>
static llvm::Error parseOptional(ObjectReader &reader, llvm::StringRef key, std::unique_ptr<T> &result) {
  if (!reader.has(key))
    return llvm::Error::success();
  llvm::Expected<std::unique_ptr<T>> parsed = T::parse(reader.objectOf(key), key);
  if (!parsed)
    return parsed.takeError();
  result = std::move(*parsed);
  return llvm::Error::success();
}

llvm::Error Parts::parse(ObjectReader &reader) {
  if (reader.has("version"))
    reader.choice("version", {"1.0"});
  reader.refuse("truncation");
  reader.refuse("padding");
  llvm::Expected<std::unique_ptr<Bpe>> bpe = Bpe::parse(reader.objectOf("model"));
  if (!bpe)
    return bpe.takeError();
  model = std::move(*bpe);
  if (llvm::Error error = parseOptional(reader, "normalizer", normalizer))
    return error;
  if (llvm::Error error = parseOptional(reader, "pre_tokenizer", preTokenizer))
    return error;
  if (llvm::Error error = added.parse(reader, model->vocabulary(), normalizer.get()))
    return error;
  if (reader.has("post_processor"))
    if (llvm::Error error = postProcessor.parse(reader.objectOf("post_processor"), "post_processor"))
      return error;
  if (reader.has("decoder"))
    if (llvm::Error error = decoder.parse(reader.objectOf("decoder"), "decoder"))
      return error;
  return reader.finish();
}

Tokenizer::Tokenizer(std::unique_ptr<Parts> parts) : parts(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

llvm::Expected<std::unique_ptr<Tokenizer>> Tokenizer::parse(llvm::StringRef text) {
  llvm::Expected<json::Value> file = parseJson(text, deepestNesting);
  if (!file)
    return file.takeError();
  const json::Object *object = file->getAsObject();
  if (!object)
    return llvm::createStringError("expected an object");
  ObjectReader reader(*object, "");
  auto parts = std::make_unique<Parts>();
  if (llvm::Error error = parts->parse(reader))
    return std::move(error);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(parts)));
}

llvm::Expected<std::unique_ptr<Tokenizer>> Tokenizer::load(llvm::StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return llvm::createStringError(file.getError(), path + ": " + file.getError().message());
  llvm::Expected<std::unique_ptr<Tokenizer>> tokenizer = parse((*file)->getBuffer());
  if (!tokenizer)
    return llvm::createStringError(path + ": " + llvm::toString(tokenizer.takeError()));
  return tokenizer;
}

//===----------------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------------===//

llvm::Error Parts::encodeNormalized(llvm::StringRef text, bool isFirst, std::vector<uint32_t> &ids) const {
  auto encodeWord = [&](Piece word) {
    model->encode(word.text, ids);
    return llvm::Error::success();
  };
  for (const Section &section : added.split(text, /*isNormalized=*/true)) {
    bool isFirstSection = isFirst && section.text.begin() == text.begin();
    if (section.token)
      ids.push_back(section.token->id);
    else if (!preTokenizer)
      model->encode(section.text, ids);
    else if (llvm::Error error = preTokenizer->split({section.text, isFirstSection}, encodeWord))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error Parts::encodeSection(llvm::StringRef text, bool isFirst, std::vector<uint32_t> &ids) const {
  if (!normalizer)
    return encodeNormalized(text, isFirst, ids);
  llvm::Expected<std::string> normalized = normalizer->normalize(text);
  if (!normalized)
    return normalized.takeError();
  return encodeNormalized(*normalized, isFirst, ids);
}

llvm::Expected<std::vector<uint32_t>> Tokenizer::encode(llvm::StringRef text, bool addSpecialTokens) const {
  // Indices of symbols, and ICU's lengths, have 31 bits.
  if (text.size() > size_t(INT32_MAX))
    return llvm::createStringError("a text of " + llvm::Twine(text.size()) +
                                   " bytes is too long, expected less than 2 GiB");
  if (std::optional<size_t> offset = findInvalidUtf8(text))
    return llvm::createStringError("the text is not UTF-8: see the byte at offset " + llvm::Twine(*offset));
  std::vector<uint32_t> ids;
  if (addSpecialTokens)
    ids = parts->postProcessor.prefix;
  for (const Section &section : parts->added.split(text, /*isNormalized=*/false)) {
    if (section.token)
      ids.push_back(section.token->id);
    else if (llvm::Error error = parts->encodeSection(section.text, section.text.begin() == text.begin(), ids))
      return std::move(error);
  }
  if (addSpecialTokens)
    llvm::append_range(ids, parts->postProcessor.suffix);
  return ids;
}

//===----------------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------------===//

llvm::Error Tokenizer::decodeNext(uint32_t id, bool skipSpecialTokens, size_t &decoded, size_t &stripped,
                                  std::string &bytes) const {
  std::optional<llvm::StringRef> token = tokenOf(id);
  if (!token)
    return llvm::createStringError("no token has the id " + llvm::Twine(id) + "; ids end before " +
                                   llvm::Twine(idBound()));
  const AddedToken *added = parts->added.find(id);
  if (skipSpecialTokens && added && added->isSpecial)
    return llvm::Error::success();
  return parts->decoder.append(added ? added->spelling : *token, decoded++ == 0, stripped, bytes);
}

llvm::Expected<std::string> Tokenizer::decode(llvm::ArrayRef<uint32_t> ids, bool skipSpecialTokens) const {
  std::string bytes;
  size_t decoded = 0, stripped = 0;
  for (uint32_t id : ids)
    if (llvm::Error error = decodeNext(id, skipSpecialTokens, decoded, stripped, bytes))
      return std::move(error);
  return bytes;
}

llvm::Expected<std::string> TextStream::push(uint32_t id) {
  if (llvm::Error error = tokenizer.decodeNext(id, skipSpecialTokens, decoded, stripped, held))
    return std::move(error);
  std::string text;
  held.erase(0, appendText(held, text));
  return text;
}

std::string TextStream::finish() {
  std::string text = held.empty() ? "" : "\xef\xbf\xbd";
  held.clear();
  return text;
}

//===----------------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------------===//

std::optional<uint32_t> Tokenizer::idOf(llvm::StringRef token) const {
  const AddedToken *added = parts->added.find(token);
  return added ? added->id : parts->model->vocabulary().idOf(token);
}

std::optional<llvm::StringRef> Tokenizer::tokenOf(uint32_t id) const {
  const AddedToken *added = parts->added.find(id);
  return added ? llvm::StringRef(added->content) : parts->model->vocabulary().tokenOf(id);
}

bool Tokenizer::isSpecial(uint32_t id) const {
  const AddedToken *added = parts->added.find(id);
  return added && added->isSpecial;
}

uint32_t Tokenizer::idBound() const { return std::max(parts->added.idBound(), parts->model->vocabulary().idBound()); }
