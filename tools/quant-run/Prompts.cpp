//===- Prompts.cpp - token ids in, text out ------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Prompts.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace quantopt;
using namespace quantopt::run;

llvm::Expected<std::vector<int64_t>> run::encode(const Tokenizer &tokenizer, llvm::StringRef text) {
  llvm::Expected<std::vector<uint32_t>> ids = tokenizer.encode(text);
  if (!ids)
    return ids.takeError();
  return std::vector<int64_t>(ids->begin(), ids->end());
}

llvm::Expected<std::vector<int64_t>> run::parseIds(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  std::vector<int64_t> ids;
  for (llvm::StringRef part : parts)
    if (part.trim().getAsInteger(10, ids.emplace_back()))
      return llvm::createStringError("--token-ids=" + text + ": expected numbers like 1,2,3");
  return ids;
}

llvm::Expected<std::string> run::readText(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path);
  if (!buffer)
    return llvm::createStringError("cannot read '" + path + "': " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

TokenWriter::TokenWriter(const Tokenizer *tokenizer, uint32_t sequences, llvm::raw_ostream &stream)
    : tokenizer(tokenizer), stream(stream), texts(sequences) {
  for (uint32_t i = 0; tokenizer && i < sequences; ++i)
    streams.emplace_back(*tokenizer);
}

llvm::Error TokenWriter::write(const runtime::GeneratedToken &token) {
  std::string piece;
  if (!tokenizer)
    piece = (texts[token.sequence].empty() ? "" : " ") + std::to_string(token.id);
  else if (!token.isStop)
    if (llvm::Error error = streams[token.sequence].push(uint32_t(token.id)).moveInto(piece))
      return error;
  texts[token.sequence] += piece;
  if (texts.size() == 1) {
    stream << piece;
    stream.flush();
  }
  return llvm::Error::success();
}

void TokenWriter::finish() {
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string rest = tokenizer ? streams[i].finish() : "";
    if (texts.size() > 1)
      stream << '[' << i + 1 << "] " << texts[i];
    stream << rest << '\n';
  }
  stream.flush();
}
