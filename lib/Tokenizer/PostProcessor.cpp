//===- PostProcessor.cpp - tokens around a text ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "PostProcessor.h"
#include "ObjectReader.h"
#include "Pattern.h"
#include "Vocabulary.h"

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

/// Ids of a special token of a template.
static llvm::Expected<std::vector<uint32_t>> parseIds(ObjectReader &tokens, llvm::StringRef name) {
  ObjectReader token(tokens.objectOf(name), tokens.pathOf(name));
  token.ignore("id");
  token.ignore("tokens");
  std::vector<uint32_t> ids;
  for (const json::Value &value : token.array("ids")) {
    std::optional<int64_t> id = value.getAsInteger();
    if (!id || *id < 0 || *id > Vocabulary::largestId)
      return llvm::createStringError(token.pathOf("ids") + ": expected ids from 0 to " +
                                     llvm::Twine(Vocabulary::largestId));
    ids.push_back(*id);
  }
  if (llvm::Error error = token.finish())
    return std::move(error);
  return ids;
}

llvm::Error PostProcessor::parseTemplate(ObjectReader &reader) {
  reader.ignore("pair");
  ObjectReader tokens(reader.objectOf("special_tokens"), reader.pathOf("special_tokens"));
  std::vector<uint32_t> around[2];
  unsigned texts = 0;
  llvm::Error failed =
      forEachObject(reader, "single", [&](const json::Object &object, llvm::StringRef where) -> llvm::Error {
        ObjectReader item(object, where);
        bool isText = item.has("Sequence");
        llvm::StringRef kind = isText ? "Sequence" : "SpecialToken";
        ObjectReader part(item.objectOf(kind), item.pathOf(kind));
        part.ignore("type_id");
        llvm::StringRef name = part.string("id");
        if (llvm::Error error = item.finish())
          return error;
        if (llvm::Error error = part.finish())
          return error;
        texts += isText;
        if (isText)
          return llvm::Error::success();
        llvm::Expected<std::vector<uint32_t>> ids = parseIds(tokens, name);
        if (!ids)
          return ids.takeError();
        llvm::append_range(around[texts > 0], *ids);
        return llvm::Error::success();
      });
  if (failed)
    return failed;
  if (texts != 1)
    return llvm::createStringError(reader.pathOf("single") + ": expected the text once");
  prefix.insert(prefix.begin(), around[0].begin(), around[0].end());
  llvm::append_range(suffix, around[1]);
  return llvm::Error::success();
}

llvm::Error PostProcessor::parse(const json::Object &object, llvm::StringRef where) {
  ObjectReader reader(object, where);
  llvm::StringRef type = reader.choice("type", {"Sequence", "ByteLevel", "TemplateProcessing"});
  if (type == "ByteLevel")
    for (llvm::StringRef key : {"add_prefix_space", "trim_offsets", "use_regex"})
      reader.ignore(key);
  if (type == "TemplateProcessing")
    if (llvm::Error error = parseTemplate(reader))
      return error;
  if (type == "Sequence") {
    llvm::Error error = forEachObject(
        reader, "processors", [&](const json::Object &member, llvm::StringRef name) { return parse(member, name); });
    if (error)
      return error;
  }
  return reader.finish();
}
