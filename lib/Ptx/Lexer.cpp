//===- Lexer.cpp - PTX text as tokens ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lexer.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantopt::ptx;

void Lexer::skipBlanks() {
  while (position < text.size()) {
    llvm::StringRef rest = text.drop_front(position);
    size_t length = 0;
    if (llvm::isSpace(rest[0]))
      length = 1;
    else if (rest.starts_with("//"))
      length = std::min(rest.find('\n'), rest.size());
    else if (rest.starts_with("/*"))
      length = std::min(rest.find("*/", 2), rest.size() - 2) + 2;
    else
      return;
    line += rest.take_front(length).count('\n');
    position += length;
  }
}

static bool isWordStart(char c) { return llvm::isAlpha(c) || c == '_' || c == '$' || c == '%' || c == '.'; }
static bool isWordPart(char c) { return isWordStart(c) || llvm::isDigit(c); }

Token Lexer::next() {
  skipBlanks();
  Token token;
  token.line = line;
  if (position >= text.size())
    return token;
  size_t begin = position;
  char first = text[position++];
  if (isWordStart(first)) {
    token.kind = Token::Kind::Word;
    while (position < text.size()) {
      if (isWordPart(text[position]))
        ++position;
      else if (text.substr(position, 2) == "::")
        position += 2;
      else
        break;
    }
  } else if (llvm::isDigit(first)) {
    token.kind = Token::Kind::Number;
    while (position < text.size() && (llvm::isAlnum(text[position]) || text[position] == '.'))
      ++position;
  } else if (first == '"') {
    size_t end = text.find_first_of("\"\n", position);
    bool isClosed = end != llvm::StringRef::npos && text[end] == '"';
    token.kind = isClosed ? Token::Kind::String : Token::Kind::Invalid;
    position = isClosed ? end + 1 : text.size();
  } else {
    token.kind = llvm::StringRef("{}()[]<>,;:=+-!|@*/~^&").contains(first) ? Token::Kind::Symbol : Token::Kind::Invalid;
  }
  token.text = text.slice(begin, position);
  return token;
}
