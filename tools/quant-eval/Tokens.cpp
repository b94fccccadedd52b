//===- Tokens.cpp - token ids to evaluate on ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Tokens.h"
#include "Model.h"
#include "quantopt/Support/Npy.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include <cstdlib>

using namespace quantopt;
using llvm::StringRef;

llvm::Expected<std::vector<int64_t>> eval::readTokenIds(StringRef path) {
  llvm::Expected<Tensor> tensor = readNpy(path);
  if (!tensor)
    return tensor.takeError();
  auto as = [&](auto element) {
    llvm::ArrayRef<decltype(element)> data = tensor->data<decltype(element)>();
    return std::vector<int64_t>(data.begin(), data.end());
  };
  switch (tensor->dtype()) {
  case DType::I64:
    return as(int64_t());
  case DType::I32:
    return as(int32_t());
  case DType::U32:
    return as(uint32_t());
  case DType::U16:
    return as(uint16_t());
  default:
    return llvm::createStringError(path + ": expected token ids (int64, int32, uint32 or uint16), got " +
                                   toString(tensor->dtype()));
  }
}

static std::string pythonProgram() {
  std::optional<std::string> stated = llvm::sys::Process::GetEnv("QUANTOPT_PYTHON");
  return stated ? *stated : QUANTOPT_PYTHON;
}

llvm::Expected<std::vector<int64_t>> eval::tokenizeText(StringRef textPath, StringRef tokenizerPath) {
  std::string python = pythonProgram();
  if (!llvm::sys::fs::can_execute(python))
    return llvm::createStringError("'" + python +
                                   "' cannot be executed: set QUANTOPT_PYTHON to a Python with the package "
                                   "tokenizers, or give ids with --token-ids");
  auto ids = TemporaryFile::create("npy");
  if (!ids)
    return ids.takeError();
  ::setenv("PYTHONPATH", QUANTOPT_PYTHONPATH, /*overwrite=*/1);
  std::string text = textPath.str(), tokenizer = tokenizerPath.str(), error;
  StringRef arguments[] = {python, "-m", "quantopt.tokenize", tokenizer, text, (*ids)->path()};
  int status = llvm::sys::ExecuteAndWait(python, arguments, std::nullopt, {}, 0, 0, &error);
  if (status != 0)
    return llvm::createStringError("cannot tokenize '" + textPath +
                                   "': " + (error.empty() ? "the tokenizer reported what is above" : error));
  return readTokenIds((*ids)->path());
}
