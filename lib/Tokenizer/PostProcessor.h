//===- PostProcessor.h - tokens around a text ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_POSTPROCESSOR_H
#define QUANTOPT_LIB_TOKENIZER_POSTPROCESSOR_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <vector>

namespace quantopt::tokenizer {

class ObjectReader;

/// Ids that are put before and after those of a text.
struct PostProcessor {
  std::vector<uint32_t> prefix, suffix;

  /// Adds what an object asks for: Sequence, ByteLevel (which changes no ids) or TemplateProcessing (for one text; what
  /// it says about pairs of texts is left alone). `where` names the object in messages.
  llvm::Error parse(const llvm::json::Object &object, llvm::StringRef where);

private:
  llvm::Error parseTemplate(ObjectReader &reader);
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_POSTPROCESSOR_H
