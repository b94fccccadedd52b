//===- Vocabulary.cpp - tokens of a model by id and by spelling ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Vocabulary.h"

using namespace quantopt;
using namespace quantopt::tokenizer;

llvm::Error Vocabulary::parse(const llvm::json::Object &object, llvm::StringRef where) {
  for (const auto &[key, value] : object) {
    llvm::StringRef token = key;
    std::optional<int64_t> id = value.getAsInteger();
    if (!id || *id < 0 || *id > largestId)
      return llvm::createStringError(where + ": token '" + token + "': expected an id from 0 to " +
                                     llvm::Twine(largestId));
    if (tokens.size() <= size_t(*id))
      tokens.resize(*id + 1);
    if (tokens[*id].data())
      return llvm::createStringError(where + ": tokens '" + tokens[*id] + "' and '" + token + "' have the same id, " +
                                     llvm::Twine(*id));
    tokens[*id] = ids.try_emplace(token, *id).first->first();
  }
  return llvm::Error::success();
}
