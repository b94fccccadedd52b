//===- RegexSyntax.h - Oniguruma's regular expressions as PCRE2's --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_REGEXSYNTAX_H
#define QUANTOPT_LIB_TOKENIZER_REGEXSYNTAX_H

#include "llvm/Support/Error.h"
#include <string>

namespace quantopt::tokenizer {

/// The same expression for PCRE2 with Unicode properties, where ^ and $ match at lines. Known are literals, classes
/// without operators, alternatives, repeats, groups (capturing, (?:), (?i:), (?>)), looks ahead and behind, and the
/// escapes \s \d \w \p{...} and of characters; the rest is an error that names it.
llvm::Expected<std::string> translateRegex(llvm::StringRef oniguruma);

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_REGEXSYNTAX_H
