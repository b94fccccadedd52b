//===- Regex.cpp - regular expressions of tokenizer files ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Regex.h"
#include "RegexSyntax.h"
#include "Unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

using namespace quantopt;
using namespace quantopt::tokenizer;

void Regex::Free::operator()(pcre2_real_code_8 *code) const { pcre2_code_free(code); }

static std::string messageOf(int error) {
  PCRE2_UCHAR text[256];
  return pcre2_get_error_message(error, text, sizeof text) > 0 ? reinterpret_cast<const char *>(text)
                                                               : "error " + std::to_string(error);
}

static PCRE2_SPTR unitsOf(llvm::StringRef text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

llvm::Expected<Regex> Regex::compileTranslated(llvm::StringRef pattern, uint32_t options) {
  if (findInvalidUtf8(pattern))
    return llvm::createStringError("a regular expression is not UTF-8");
  int error = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  Regex regex;
  regex.code.reset(
      pcre2_compile(unitsOf(pattern), pattern.size(), PCRE2_UTF | options, &error, &offset, context.get()));
  if (!regex.code)
    return llvm::createStringError("regular expression '" + pattern + "', at " + llvm::Twine(offset) + ": " +
                                   messageOf(error));
  // Where PCRE2 has no compiler for the machine, its interpreter takes over.
  pcre2_jit_compile(regex.code.get(), PCRE2_JIT_COMPLETE);
  return regex;
}

llvm::Expected<Regex> Regex::compile(llvm::StringRef pattern) {
  llvm::Expected<std::string> translated = translateRegex(pattern);
  if (!translated)
    return translated.takeError();
  return compileTranslated(*translated, PCRE2_UCP | PCRE2_MULTILINE);
}

llvm::Expected<Regex> Regex::literal(llvm::StringRef text) {
  if (text.empty())
    return llvm::createStringError("a pattern is empty");
  return compileTranslated(text, PCRE2_LITERAL);
}

llvm::Error Regex::split(llvm::StringRef text, llvm::SmallVectorImpl<Span> &spans) const {
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create(/*ovecsize=*/1, nullptr), pcre2_match_data_free);
  const PCRE2_SIZE *match = pcre2_get_ovector_pointer(data.get());
  auto search = [&](size_t from, uint32_t options) {
    return pcre2_match(code.get(), unitsOf(text), text.size(), from, options | PCRE2_NO_UTF_CHECK, data.get(), nullptr);
  };
  size_t previous = 0;
  for (size_t from = 0; from <= text.size();) {
    int status = search(from, 0);
    // The interpreter's memory is not limited by a stack.
    if (status == PCRE2_ERROR_JIT_STACKLIMIT)
      status = search(from, PCRE2_NO_JIT);
    if (status == PCRE2_ERROR_NOMATCH)
      break;
    if (status < 0)
      return llvm::createStringError("a regular expression failed on a text of " + llvm::Twine(text.size()) +
                                     " bytes: " + messageOf(status));
    size_t begin = match[0], end = match[1];
    bool isEmpty = begin == end;
    if (previous < begin)
      spans.push_back({previous, begin, false});
    // An empty match cuts between its neighbours.
    if (!isEmpty)
      spans.push_back({begin, end, true});
    previous = end;
    from = end;
    if (isEmpty)
      from += end < text.size() ? startOfUtf8(text.substr(end)).length : 1;
  }
  if (previous < text.size())
    spans.push_back({previous, text.size(), false});
  return llvm::Error::success();
}
