//===- Pattern.h - what several kinds of objects have ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_PATTERN_H
#define QUANTOPT_LIB_TOKENIZER_PATTERN_H

#include "ObjectReader.h"
#include "Regex.h"
#include <vector>

namespace quantopt::tokenizer {

/// {"String": "..."} or {"Regex": "..."}.
llvm::Expected<Regex> parsePattern(ObjectReader &reader, llvm::StringRef key);

llvm::Expected<std::string> replaceMatches(const Regex &pattern, llvm::StringRef text, llvm::StringRef content);

/// Calls `function` with each object of a list and its name for messages.
llvm::Error forEachObject(ObjectReader &reader, llvm::StringRef key,
                          llvm::function_ref<llvm::Error(const llvm::json::Object &, llvm::StringRef)> function);

/// Members of a sequence: T::parse of each object of a list.
template <typename T>
llvm::Expected<std::vector<std::unique_ptr<T>>> parseMembers(ObjectReader &reader, llvm::StringRef key) {
  std::vector<std::unique_ptr<T>> members;
  llvm::Error failed = forEachObject(reader, key, [&](const llvm::json::Object &object, llvm::StringRef where) {
    llvm::Expected<std::unique_ptr<T>> member = T::parse(object, where);
    if (member)
      members.push_back(std::move(*member));
    return member.takeError();
  });
  if (failed)
    return std::move(failed);
  return members;
}

/// What was parsed, unless it failed or the reader has found something wrong.
template <typename T> llvm::Expected<T> finishing(llvm::Expected<T> parsed, const ObjectReader &reader) {
  if (!parsed)
    return parsed;
  if (llvm::Error error = reader.finish())
    return std::move(error);
  return parsed;
}

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_PATTERN_H
