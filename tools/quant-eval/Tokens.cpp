//===- Tokens.cpp - token ids to evaluate on ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Tokens.h"
#include "quantopt/Support/Npy.h"
#include "quantopt/Tokenizer/Tokenizer.h"
#include "llvm/Support/MemoryBuffer.h"

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

llvm::Expected<std::vector<int64_t>> eval::tokenizeText(StringRef textPath, StringRef tokenizerPath) {
  llvm::Expected<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::load(tokenizerPath);
  if (!tokenizer)
    return tokenizer.takeError();
  auto text = llvm::MemoryBuffer::getFile(textPath, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!text)
    return llvm::createStringError(textPath + ": " + text.getError().message());
  llvm::Expected<std::vector<uint32_t>> ids = (*tokenizer)->encode((*text)->getBuffer(), /*addSpecialTokens=*/false);
  if (!ids)
    return llvm::createStringError(textPath + ": " + llvm::toString(ids.takeError()));
  return std::vector<int64_t>(ids->begin(), ids->end());
}
