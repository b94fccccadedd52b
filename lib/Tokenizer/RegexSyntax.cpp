//===- RegexSyntax.cpp - Oniguruma's regular expressions as PCRE2's ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RegexSyntax.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace quantopt;

/// Characters of words, for Oniguruma; PCRE2's \w leaves some marks out.
static constexpr llvm::StringLiteral wordClass = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

namespace {
class Translator {
public:
  explicit Translator(llvm::StringRef pattern) : pattern(pattern), rest(pattern) {}

  llvm::Expected<std::string> run() {
    while (!rest.empty() && message.empty())
      isInClass ? translateInClass() : translateOutside();
    if (!message.empty())
      return llvm::createStringError("regular expression '" + pattern + "': " + message);
    return output;
  }

private:
  void refuse(const llvm::Twine &why) { message = why.str(); }

  void copy(size_t count) {
    output += rest.take_front(count);
    rest = rest.drop_front(count);
  }

  void translateOutside() {
    if (rest[0] == '\\')
      return translateEscape();
    if (rest[0] == '(')
      return translateGroup();
    if (rest.starts_with("{,") || rest.starts_with("}+"))
      return refuse("a repeat written as '" + rest.take_front(2) + "' is not supported");
    if (rest[0] == '[') {
      isInClass = true;
      copy(rest.starts_with("[^") ? 2 : 1);
      // A bracket that comes first is a character, to both.
      return copy(rest.starts_with("]") ? 1 : 0);
    }
    copy(1);
  }

  void translateInClass() {
    if (rest[0] == '\\')
      return translateEscape();
    if (rest[0] == '[' || rest.starts_with("&&"))
      return refuse("classes within classes, [:names:] and && are not supported");
    isInClass = rest[0] != ']';
    copy(1);
  }

  void translateGroup() {
    static constexpr llvm::StringLiteral known[] = {"(?:", "(?i:", "(?>", "(?=", "(?!", "(?<=", "(?<!"};
    for (llvm::StringRef group : known)
      if (rest.starts_with(group))
        return copy(group.size());
    if (rest.starts_with("(?") || rest.starts_with("(*"))
      return refuse("a group that begins with '" + rest.take_front(3) + "' is not supported");
    copy(1);
  }

  void translateEscape() {
    char letter = rest.size() > 1 ? rest[1] : 0;
    if (llvm::is_contained({'d', 'D', 'r', 'n', 't', 'f'}, letter) || llvm::isPunct(letter) || letter == ' ')
      return copy(2);
    if (!isInClass && (letter == 'A' || letter == 'z'))
      return copy(2);
    if (letter == 'p' || letter == 'P')
      return translateProperty();
    if (letter == 'x' || letter == 'u')
      return translateNumber(letter);
    llvm::StringRef meaning = llvm::StringSwitch<llvm::StringRef>(rest.substr(1, 1))
                                  .Case("s", R"(\p{White_Space})")
                                  .Case("S", R"(\P{White_Space})")
                                  .Case("v", R"(\x{0b})")
                                  .Default("");
    if (letter == 'w' || (letter == 'W' && !isInClass))
      output += isInClass ? wordClass.str() : ((letter == 'w' ? "[" : "[^") + wordClass + "]").str();
    else if (!meaning.empty())
      output += meaning;
    else
      return refuse("'" + rest.take_front(2) + "' is not supported" + (isInClass ? " in a class" : ""));
    rest = rest.drop_front(2);
  }

  void translateProperty() {
    size_t end = rest.find('}');
    if (!rest.drop_front(2).starts_with("{") || end == llvm::StringRef::npos)
      return refuse("expected a name in braces after '" + rest.take_front(2) + "'");
    copy(end + 1);
  }

  /// \uHHHH and \x{H...}. Oniguruma takes \xHH for a byte.
  void translateNumber(char letter) {
    llvm::StringRef body = rest.drop_front(2), digits = body.take_front(4);
    size_t length = 4;
    if (letter == 'x') {
      digits = body.starts_with("{") ? body.drop_front().take_until([](char c) { return c == '}'; }) : "";
      length = digits.size() + 2;
    }
    if (digits.empty() || body.size() < length || !llvm::all_of(digits, llvm::isHexDigit))
      return refuse("expected \\uHHHH or \\x{H...}, got '" + rest.take_front(6) + "'");
    output += ("\\x{" + digits + "}").str();
    rest = body.drop_front(length);
  }

  llvm::StringRef pattern, rest;
  bool isInClass = false;
  std::string output, message;
};
} // namespace

llvm::Expected<std::string> tokenizer::translateRegex(llvm::StringRef oniguruma) { return Translator(oniguruma).run(); }
