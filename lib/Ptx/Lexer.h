//===- Lexer.h - PTX text as tokens --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_LEXER_H
#define QUANTOPT_LIB_PTX_LEXER_H

#include "llvm/ADT/StringRef.h"

namespace quantopt::ptx {

struct Token {
  enum class Kind {
    /// Names, opcodes with all their modifiers, directives: letters, digits, _ $ % . and ::
    Word,
    Number,
    String,
    /// One character.
    Symbol,
    End,
    /// Text that is no token.
    Invalid
  };
  Kind kind = Kind::End;
  llvm::StringRef text;
  unsigned line = 1;

  bool is(char symbol) const { return kind == Kind::Symbol && text[0] == symbol; }
  bool is(llvm::StringRef word) const { return kind == Kind::Word && text == word; }
};

/// Skips blanks and comments.
class Lexer {
public:
  explicit Lexer(llvm::StringRef text) : text(text) {}
  Token next();

private:
  void skipBlanks();

  llvm::StringRef text;
  size_t position = 0;
  unsigned line = 1;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_LEXER_H
