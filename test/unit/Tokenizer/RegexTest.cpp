//===- RegexTest.cpp - regular expressions of tokenizer files --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "../../../lib/Tokenizer/Regex.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::tokenizer;

/// Matches of a pattern in a text, "" for one that fails.
static std::vector<std::string> matches(llvm::StringRef pattern, llvm::StringRef text) {
  Regex regex = llvm::cantFail(Regex::compile(pattern));
  llvm::SmallVector<Span> spans;
  EXPECT_FALSE(regex.split(text, spans));
  std::vector<std::string> found;
  size_t end = 0;
  for (Span span : spans) {
    EXPECT_EQ(span.begin, end);
    end = span.end;
    if (span.isMatch)
      found.push_back(text.slice(span.begin, span.end).str());
  }
  EXPECT_EQ(end, text.size());
  return found;
}

using Strings = std::vector<std::string>;

TEST(RegexTest, CutsATextIntoMatchesAndTheRest) {
  EXPECT_EQ(matches("b+", "abbcb"), (Strings{"bb", "b"}));
  EXPECT_EQ(matches("x", ""), Strings{});
  EXPECT_EQ(matches("b*", "abbc"), (Strings{"bb"}));
  EXPECT_EQ(matches(R"(\s+(?!\S)|\S+)", "a   b "), (Strings{"a", "  ", "b", " "}));
}

TEST(RegexTest, ReadsOnigurumasSyntax) {
  EXPECT_EQ(matches("(?i:'re)|[^\\p{L}]", "'Re'RE1"), (Strings{"'Re", "'RE", "1"}));
  // White space as Unicode has it: U+180E is none any more.
  EXPECT_EQ(matches("\\s", "\u180e\u3000\u0085"), (Strings{"\u3000", "\u0085"}));
  // Marks are parts of words.
  EXPECT_EQ(matches("\\w+", "a\u0301b-\u0e01\u0e34"), (Strings{"a\u0301b", "\u0e01\u0e34"}));
  EXPECT_EQ(matches("[\\w-]+", "a\u0301-b c"), (Strings{"a\u0301-b", "c"}));
  // Anchors match at lines.
  EXPECT_EQ(matches("^a|b$", "a\nab\nb"), (Strings{"a", "a", "b", "b"}));
  EXPECT_EQ(matches("\\u00e9|\\x{e8}|[一-龥]", "éè中"), (Strings{"é", "è", "中"}));
  EXPECT_EQ(matches(".", "\r\n"), (Strings{"\r"}));
}

TEST(RegexTest, RefusesWhatTheTwoReadDifferently) {
  for (llvm::StringRef pattern :
       {"[a[b]]",  "[a&&b]", "[[:alpha:]]", "\\h",    "\\bx",       "\\R",           "\\1",     "\\Kx",
        "\\xe9",   "\\u12",  "[\\W]",       "(?m:.)", "(?<name>x)", "(?i)x",         "(*FAIL)", "x{,2}",
        "x{1,2}+", "(",      "[a",          "\\",     "\\p",        "\\p{Nonsense}", "a**\xff"}) {
    llvm::Expected<Regex> regex = Regex::compile(pattern);
    EXPECT_FALSE(bool(regex)) << pattern.str();
    if (!regex)
      EXPECT_NE(llvm::toString(regex.takeError()).find("regular expression"), std::string::npos) << pattern.str();
  }
}

TEST(RegexTest, GivesUpOnMatchesThatCostTooMuch) {
  Regex regex = llvm::cantFail(Regex::compile("(a+)+[bc]"));
  llvm::SmallVector<Span> spans;
  llvm::Error error = regex.split(std::string(64, 'a'), spans);
  ASSERT_TRUE(bool(error));
  EXPECT_EQ(llvm::toString(std::move(error)).find("a regular expression failed on a text of 64 bytes: "), 0u);
}

TEST(RegexTest, MatchesLongTexts) {
  std::string text(1 << 20, 'a');
  EXPECT_EQ(matches("(?:a|b)+", text), Strings{text});
}
