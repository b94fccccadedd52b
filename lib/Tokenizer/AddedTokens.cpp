//===- AddedTokens.cpp - tokens that are found before anything else --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AddedTokens.h"
#include "Pattern.h"
#include "Unicode.h"
#include "llvm/ADT/STLExtras.h"

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

//===----------------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------------===//

static llvm::Expected<AddedToken> parseToken(const json::Object &object, llvm::StringRef where) {
  ObjectReader reader(object, where);
  AddedToken token;
  token.id = reader.integer("id", Vocabulary::largestId);
  token.content = reader.string("content").str();
  token.isSingleWord = reader.boolean("single_word");
  token.stripsLeft = reader.boolean("lstrip");
  token.stripsRight = reader.boolean("rstrip");
  token.isNormalized = reader.boolean("normalized");
  token.isSpecial = reader.boolean("special");
  if (llvm::Error error = reader.finish())
    return std::move(error);
  if (token.content.empty())
    return llvm::createStringError(reader.pathOf("content") + ": expected a token that is not empty");
  return token;
}

/// An id means one token, a spelling one id.
static llvm::Error checkIds(const AddedToken &token, const Vocabulary &model) {
  std::optional<uint32_t> id = model.idOf(token.content);
  if (id && *id != token.id)
    return llvm::createStringError("added token '" + token.content + "' has the id " + llvm::Twine(token.id) +
                                   ", but the model gives it " + llvm::Twine(*id));
  std::optional<llvm::StringRef> content = model.tokenOf(token.id);
  if (content && *content != token.content)
    return llvm::createStringError("added token '" + token.content + "' has the id " + llvm::Twine(token.id) +
                                   ", which the model gives to '" + *content + "'");
  return llvm::Error::success();
}

static llvm::Error spell(AddedToken &token, const Normalizer *normalizer) {
  llvm::Expected<std::string> spelling =
      token.isNormalized && normalizer ? normalizer->normalize(token.content) : token.content;
  if (!spelling)
    return spelling.takeError();
  if (spelling->empty())
    return llvm::createStringError("added token '" + token.content + "' normalizes to nothing");
  token.spelling = std::move(*spelling);
  return llvm::Error::success();
}

llvm::Error AddedTokens::parse(ObjectReader &reader, const Vocabulary &model, const Normalizer *normalizer) {
  if (!reader.has("added_tokens"))
    return llvm::Error::success();
  llvm::Error failed = forEachObject(reader, "added_tokens", [&](const json::Object &object, llvm::StringRef where) {
    llvm::Expected<AddedToken> token = parseToken(object, where);
    if (!token)
      return token.takeError();
    if (llvm::Error error = spell(*token, normalizer))
      return error;
    tokens.push_back(std::move(*token));
    return checkIds(tokens.back(), model);
  });
  if (failed)
    return failed;
  for (const AddedToken &token : tokens) {
    if (!byId.try_emplace(token.id, &token).second)
      return llvm::createStringError("two added tokens have the id " + llvm::Twine(token.id));
    if (!byContent.try_emplace(token.content, &token).second)
      return llvm::createStringError("two added tokens are '" + token.content + "'");
    bound = std::max(bound, token.id + 1);
  }
  // Of two tokens that normalize to the same, the special one is found.
  for (bool isSpecial : {true, false})
    for (const AddedToken &token : tokens)
      if (token.isSpecial == isSpecial)
        addToMatcher(token);
  return llvm::Error::success();
}

void AddedTokens::addToMatcher(const AddedToken &token) {
  auto &candidates = matchers[token.isNormalized].byFirst[uint8_t(token.spelling[0])];
  // Behind those of the same length.
  auto shorter = llvm::find_if(candidates,
                               [&](const AddedToken *other) { return other->spelling.size() < token.spelling.size(); });
  candidates.insert(shorter, &token);
}

//===----------------------------------------------------------------------------===//
// Finding
//===----------------------------------------------------------------------------===//

static bool beginsWith(bool (*isMember)(char32_t), llvm::StringRef text) {
  return !text.empty() && isMember(startOfUtf8(text).character);
}

static bool endsWith(bool (*isMember)(char32_t), llvm::StringRef text) {
  return !text.empty() && isMember(startOfUtf8(text.substr(lastInUtf8(text))).character);
}

/// [begin, end) with the white space that the token takes along, but not back before `limit`.
static Span widen(const AddedToken &token, llvm::StringRef text, Span span, size_t limit) {
  while (token.stripsLeft && span.begin > limit && endsWith(isWhiteSpace, text.take_front(span.begin)))
    span.begin = lastInUtf8(text.take_front(span.begin));
  while (token.stripsRight && beginsWith(isWhiteSpace, text.substr(span.end)))
    span.end += startOfUtf8(text.substr(span.end)).length;
  return span;
}

std::vector<Section> AddedTokens::split(llvm::StringRef text, bool isNormalized) const {
  std::vector<Section> sections;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const auto &candidates = matchers[isNormalized].byFirst[uint8_t(text[at])];
    auto found =
        llvm::find_if(candidates, [&](const AddedToken *one) { return text.substr(at).starts_with(one->spelling); });
    if (found == candidates.end()) {
      ++at;
      continue;
    }
    const AddedToken &token = **found;
    Span span{at, at + token.spelling.size(), true};
    at = span.end;
    if (token.isSingleWord &&
        (endsWith(isWordCharacter, text.take_front(span.begin)) || beginsWith(isWordCharacter, text.substr(span.end))))
      continue;
    span = widen(token, text, span, done);
    if (done < span.begin)
      sections.push_back({text.slice(done, span.begin), nullptr});
    sections.push_back({text.slice(span.begin, span.end), &token});
    done = span.end;
  }
  if (done < text.size())
    sections.push_back({text.substr(done), nullptr});
  return sections;
}
