//===- quant-tokenize.cpp - text to token ids and back ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Tokenizer/Tokenizer.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace quantopt;
namespace cl = llvm::cl;

namespace {
struct Options {
  cl::OptionCategory category{"quant-tokenize options"};
  cl::list<std::string> files{cl::Positional, cl::OneOrMore, cl::desc("FILE..."), cl::cat(category)};
  cl::opt<std::string> tokenizer{"tokenizer", cl::Required, cl::value_desc("tokenizer.json"), cl::cat(category),
                                 cl::desc("Tokenizer in Hugging Face's format")};
  cl::opt<bool> decode{"decode", cl::cat(category),
                       cl::desc("Read ids and write their text, in place of the contrary (default: false)")};
  cl::opt<bool> specialTokens{"special-tokens", cl::init(true), cl::cat(category),
                              cl::desc("Put the special tokens around a text that the tokenizer asks for, and write "
                                       "special tokens when decoding (default: true)")};
};
} // namespace

static llvm::Error encode(const Tokenizer &tokenizer, llvm::StringRef text, bool specialTokens) {
  llvm::Expected<std::vector<uint32_t>> ids = tokenizer.encode(text, specialTokens);
  if (!ids)
    return ids.takeError();
  llvm::interleave(*ids, llvm::outs(), " ");
  llvm::outs() << '\n';
  return llvm::Error::success();
}

static llvm::Error decode(const Tokenizer &tokenizer, llvm::StringRef text, bool specialTokens) {
  std::vector<uint32_t> ids;
  llvm::SmallVector<llvm::StringRef> words;
  llvm::SplitString(text, words);
  for (llvm::StringRef word : words)
    if (word.getAsInteger(10, ids.emplace_back()))
      return llvm::createStringError("expected ids, got '" + word + "'");
  llvm::Expected<std::string> bytes = tokenizer.decode(ids, /*skipSpecialTokens=*/!specialTokens);
  if (!bytes)
    return bytes.takeError();
  llvm::outs() << *bytes;
  return llvm::Error::success();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  cl::HideUnrelatedOptions(options.category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "quantopt " QUANTOPT_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv, "writes the token ids of texts, a line for each file\n");
  llvm::ExitOnError exitOnError("error: ");
  std::unique_ptr<Tokenizer> tokenizer = exitOnError(Tokenizer::load(options.tokenizer));
  for (const std::string &path : options.files) {
    auto file = llvm::MemoryBuffer::getFileOrSTDIN(path);
    if (!file)
      exitOnError(llvm::createStringError(path + ": " + file.getError().message()));
    llvm::Error error = (options.decode ? decode : encode)(*tokenizer, (*file)->getBuffer(), options.specialTokens);
    if (error)
      exitOnError(llvm::createStringError(path + ": " + llvm::toString(std::move(error))));
  }
  return 0;
}
