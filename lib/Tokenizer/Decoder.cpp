//===- Decoder.cpp - tokens to bytes ---------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Decoder.h"
#include "ObjectReader.h"
#include "Pattern.h"
#include "Unicode.h"

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

//===----------------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------------===//

llvm::Error Decoder::addReplace(ObjectReader &reader) {
  Step step{Step::Replace};
  step.content = reader.string("content").str();
  llvm::Expected<Regex> pattern = parsePattern(reader, "pattern");
  if (!pattern)
    return pattern.takeError();
  step.pattern = std::move(*pattern);
  steps.push_back(std::move(step));
  return llvm::Error::success();
}

llvm::Error Decoder::addStrip(ObjectReader &reader) {
  constexpr uint32_t most = 1 << 16;
  Step step{Step::Strip};
  step.content = reader.string("content").str();
  step.start = reader.integer("start", most);
  step.stop = reader.integer("stop", most);
  if (step.content.empty())
    return llvm::createStringError(reader.pathOf("content") + ": expected a character");
  if (!isFused) {
    steps.push_back(std::move(step));
    return llvm::Error::success();
  }
  if (step.stop || mostLeading)
    return llvm::createStringError(reader.pathOf("stop") +
                                   ": of a whole text, characters can be stripped once, from the beginning");
  leading = step.content;
  mostLeading = step.start;
  return llvm::Error::success();
}

llvm::Error Decoder::addMetaspace(ObjectReader &reader) {
  reader.ignore("split");
  Step step{Step::Replace};
  step.content = " ";
  step.dropsFirst = reader.choice("prepend_scheme", {"first", "always", "never"}) != "never";
  llvm::Expected<Regex> pattern = Regex::literal(reader.string("replacement"));
  if (!pattern)
    return llvm::createStringError(reader.pathOf("replacement") + ": " + llvm::toString(pattern.takeError()));
  step.pattern = std::move(*pattern);
  steps.push_back(std::move(step));
  return llvm::Error::success();
}

llvm::Error Decoder::addStep(ObjectReader &reader, llvm::StringRef type) {
  if (type == "Strip")
    return addStrip(reader);
  if (isFused && type != "Fuse")
    return llvm::createStringError(reader.pathOf("type") + ": '" + type +
                                   "' after tokens were joined is not supported");
  if (type == "Replace")
    return addReplace(reader);
  if (type == "Metaspace")
    return addMetaspace(reader);
  if (type == "ByteFallback")
    steps.push_back({Step::ByteFallback});
  if (type == "ByteLevel") {
    for (llvm::StringRef key : {"add_prefix_space", "trim_offsets", "use_regex"})
      reader.ignore(key);
    steps.push_back({Step::ByteLevel});
  }
  isFused |= type == "Fuse" || type == "ByteLevel";
  return llvm::Error::success();
}

llvm::Error Decoder::parse(const json::Object &object, llvm::StringRef where) {
  ObjectReader reader(object, where);
  llvm::StringRef type =
      reader.choice("type", {"Sequence", "ByteLevel", "ByteFallback", "Replace", "Strip", "Metaspace", "Fuse"});
  auto parseMember = [&](const json::Object &member, llvm::StringRef name) { return parse(member, name); };
  llvm::Error error = type == "Sequence" ? forEachObject(reader, "decoders", parseMember) : addStep(reader, type);
  if (error)
    return error;
  return reader.finish();
}

//===----------------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------------===//

/// Bytes that a token spells in the byte-level alphabet. A token with another character stands for itself.
static std::string decodeByteLevel(llvm::StringRef token) {
  std::string bytes;
  for (llvm::StringRef rest = token; !rest.empty();) {
    Utf8Start start = startOfUtf8(rest);
    std::optional<uint8_t> byte = byteOf(start.character);
    if (!byte)
      return token.str();
    bytes += char(*byte);
    rest = rest.drop_front(start.length);
  }
  return bytes;
}

/// The byte of a token like "<0x0A>".
static std::string decodeByteFallback(llvm::StringRef token) {
  llvm::StringRef digits = token;
  uint8_t byte;
  if (token.size() != 6 || !digits.consume_front("<0x") || !digits.consume_back(">") || digits.getAsInteger(16, byte))
    return token.str();
  return std::string(1, char(byte));
}

/// Takes `content` off the front, at most `most` times.
static size_t stripFront(llvm::StringRef &text, llvm::StringRef content, size_t most) {
  size_t count = 0;
  while (count < most && text.consume_front(content))
    ++count;
  return count;
}

llvm::Expected<std::string> Decoder::run(const Step &step, llvm::StringRef token, bool isFirst) {
  switch (step.kind) {
  case Step::ByteLevel:
    return decodeByteLevel(token);
  case Step::ByteFallback:
    return decodeByteFallback(token);
  case Step::Replace:
    return replaceMatches(*step.pattern, token, step.dropsFirst && isFirst ? "" : step.content);
  case Step::Strip:
    stripFront(token, step.content, step.start);
    for (size_t i = 0; i < step.stop && token.consume_back(step.content); ++i)
      continue;
    return token.str();
  }
  llvm_unreachable("unknown step");
}

llvm::Error Decoder::append(llvm::StringRef token, bool isFirst, size_t &stripped, std::string &bytes) const {
  if (steps.empty() && !isFused && !isFirst)
    bytes += ' ';
  std::string text = token.str();
  for (const Step &step : steps) {
    llvm::Expected<std::string> next = run(step, text, isFirst);
    if (!next)
      return next.takeError();
    text = std::move(*next);
  }
  llvm::StringRef rest = text;
  if (stripped < mostLeading) {
    stripped += stripFront(rest, leading, mostLeading - stripped);
    // Nothing more is taken off once the text has begun.
    if (!rest.empty())
      stripped = mostLeading;
  }
  bytes += rest;
  return llvm::Error::success();
}
