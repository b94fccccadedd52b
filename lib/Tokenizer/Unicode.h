//===- Unicode.h - UTF-8 and classes of characters -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_UNICODE_H
#define QUANTOPT_LIB_TOKENIZER_UNICODE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace quantopt::tokenizer {

/// What a string of bytes begins with.
struct Utf8Start {
  enum Kind {
    Character,
    /// The first `length` bytes begin no character: the longest part that could, or one byte (Unicode, section 3.9,
    /// "substitution of maximal subparts").
    Invalid,
    /// All bytes there are may become a character.
    Incomplete,
  } kind;
  unsigned length;
  char32_t character;
};

/// `bytes` is not empty.
Utf8Start startOfUtf8(llvm::StringRef bytes);

/// Offset of the last character of UTF-8 that is not empty.
size_t lastInUtf8(llvm::StringRef text);

/// Offset of the first byte that is not UTF-8.
std::optional<size_t> findInvalidUtf8(llvm::StringRef text);

/// Appends the text of `bytes`, with U+FFFD for what is none. Returns how many bytes that were: all, but for those at
/// the end that may become a character.
size_t appendText(llvm::StringRef bytes, std::string &text);

void appendUtf8(char32_t character, std::string &text);

bool isWhiteSpace(char32_t character);
/// General category N.
bool isNumeric(char32_t character);
/// General category P, and ASCII's symbols.
bool isPunctuation(char32_t character);
/// Whether a word has such characters: letters, marks, digits, connectors, joiners (Unicode technical standard 18).
bool isWordCharacter(char32_t character);

/// The alphabet of byte-level tokens (GPT-2's bytes_to_unicode): a printable character for each byte.
llvm::ArrayRef<std::string> byteLevelAlphabet();
/// Byte that a character of that alphabet stands for.
std::optional<uint8_t> byteOf(char32_t character);

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_UNICODE_H
