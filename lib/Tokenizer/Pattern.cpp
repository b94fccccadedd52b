//===- Pattern.cpp - what several kinds of objects have --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Pattern.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

llvm::Expected<Regex> tokenizer::parsePattern(ObjectReader &reader, llvm::StringRef key) {
  ObjectReader pattern(reader.objectOf(key), reader.pathOf(key));
  bool isRegex = pattern.has("Regex");
  llvm::StringRef text = pattern.string(isRegex ? "Regex" : "String");
  if (llvm::Error error = pattern.finish())
    return std::move(error);
  llvm::Expected<Regex> regex = isRegex ? Regex::compile(text) : Regex::literal(text);
  if (!regex)
    return llvm::createStringError(reader.pathOf(key) + ": " + llvm::toString(regex.takeError()));
  return regex;
}

llvm::Expected<std::string> tokenizer::replaceMatches(const Regex &pattern, llvm::StringRef text,
                                                      llvm::StringRef content) {
  llvm::SmallVector<Span> spans;
  if (llvm::Error error = pattern.split(text, spans))
    return std::move(error);
  std::string result;
  for (Span span : spans)
    result += span.isMatch ? content : text.slice(span.begin, span.end);
  return result;
}

llvm::Error tokenizer::forEachObject(ObjectReader &reader, llvm::StringRef key,
                                     llvm::function_ref<llvm::Error(const json::Object &, llvm::StringRef)> function) {
  const json::Array &list = reader.array(key);
  for (size_t i = 0; i < list.size(); ++i) {
    std::string where = llvm::formatv("{0}[{1}]", reader.pathOf(key), i);
    const json::Object *object = list[i].getAsObject();
    if (!object)
      return llvm::createStringError(where + ": expected an object");
    if (llvm::Error error = function(*object, where))
      return error;
  }
  return llvm::Error::success();
}
