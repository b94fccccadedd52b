//===- Normalizer.cpp - what is done to a text before it is cut ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Normalizer.h"
#include "ObjectReader.h"
#include "Pattern.h"
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

namespace {

/// Unicode's normal forms (annex 15).
class NormalForm : public Normalizer {
public:
  static llvm::Expected<std::unique_ptr<Normalizer>> create(llvm::StringRef name) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2 *form = name == "NFC"    ? icu::Normalizer2::getNFCInstance(status)
                                   : name == "NFD"  ? icu::Normalizer2::getNFDInstance(status)
                                   : name == "NFKC" ? icu::Normalizer2::getNFKCInstance(status)
                                                    : icu::Normalizer2::getNFKDInstance(status);
    if (U_FAILURE(status))
      return error(status);
    return std::unique_ptr<Normalizer>(new NormalForm(form));
  }

  llvm::Expected<std::string> normalize(llvm::StringRef text) const override {
    UErrorCode status = U_ZERO_ERROR;
    std::string result;
    icu::StringByteSink<std::string> sink(&result, int32_t(text.size()));
    form->normalizeUTF8(0, {text.data(), int32_t(text.size())}, sink, /*edits=*/nullptr, status);
    if (U_FAILURE(status))
      return error(status);
    return result;
  }

private:
  explicit NormalForm(const icu::Normalizer2 *form) : form(form) {}
  static llvm::Error error(UErrorCode status) {
    return llvm::createStringError(llvm::Twine("normalizing a text failed: ") + u_errorName(status));
  }

  const icu::Normalizer2 *form;
};

class Prepend : public Normalizer {
public:
  explicit Prepend(llvm::StringRef prefix) : prefix(prefix) {}
  llvm::Expected<std::string> normalize(llvm::StringRef text) const override {
    return text.empty() ? std::string() : prefix + text.str();
  }

private:
  std::string prefix;
};

class Replace : public Normalizer {
public:
  Replace(Regex pattern, llvm::StringRef content) : pattern(std::move(pattern)), content(content) {}
  llvm::Expected<std::string> normalize(llvm::StringRef text) const override {
    return replaceMatches(pattern, text, content);
  }

private:
  Regex pattern;
  std::string content;
};

class NormalizerSequence : public Normalizer {
public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> members) : members(std::move(members)) {}
  llvm::Expected<std::string> normalize(llvm::StringRef text) const override {
    std::string result = text.str();
    for (const std::unique_ptr<Normalizer> &member : members) {
      llvm::Expected<std::string> next = member->normalize(result);
      if (!next)
        return next;
      result = std::move(*next);
    }
    return result;
  }

private:
  std::vector<std::unique_ptr<Normalizer>> members;
};

} // namespace

using Parsed = llvm::Expected<std::unique_ptr<Normalizer>>;

static Parsed parseSequence(ObjectReader &reader) {
  auto members = parseMembers<Normalizer>(reader, "normalizers");
  if (!members)
    return members.takeError();
  return std::make_unique<NormalizerSequence>(std::move(*members));
}

static Parsed parseReplace(ObjectReader &reader) {
  llvm::StringRef content = reader.string("content");
  llvm::Expected<Regex> pattern = parsePattern(reader, "pattern");
  if (!pattern)
    return pattern.takeError();
  return std::make_unique<Replace>(std::move(*pattern), content);
}

Parsed Normalizer::parse(const json::Object &object, llvm::StringRef where) {
  ObjectReader reader(object, where);
  llvm::StringRef type = reader.choice("type", {"Sequence", "NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace"});
  Parsed parsed = type == "Sequence"  ? parseSequence(reader)
                  : type == "Prepend" ? std::make_unique<Prepend>(reader.string("prepend"))
                  : type == "Replace" ? parseReplace(reader)
                                      : NormalForm::create(type);
  return finishing(std::move(parsed), reader);
}
