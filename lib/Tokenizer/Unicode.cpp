//===- Unicode.cpp - UTF-8 and classes of characters ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Unicode.h"
#include "llvm/ADT/StringExtras.h"
#include <array>
#include <unicode/uchar.h>

using namespace quantopt;
using namespace quantopt::tokenizer;

/// Unicode, table 3-7: the second byte decides about overlong forms, surrogates and what is beyond U+10FFFF.
Utf8Start tokenizer::startOfUtf8(llvm::StringRef bytes) {
  uint8_t lead = bytes[0];
  if (lead < 0x80)
    return {Utf8Start::Character, 1, lead};
  if (lead < 0xc2 || lead > 0xf4)
    return {Utf8Start::Invalid, 1, 0};
  unsigned length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  char32_t character = lead & (0x7f >> length);
  for (unsigned i = 1; i < length; ++i) {
    if (i == bytes.size())
      return {Utf8Start::Incomplete, i, 0};
    uint8_t byte = bytes[i];
    if (byte < low || byte > high)
      return {Utf8Start::Invalid, i, 0};
    character = character << 6 | (byte & 0x3f);
    low = 0x80;
    high = 0xbf;
  }
  return {Utf8Start::Character, length, character};
}

size_t tokenizer::lastInUtf8(llvm::StringRef text) {
  size_t at = text.size() - 1;
  while (at > 0 && (text[at] & 0xc0) == 0x80)
    --at;
  return at;
}

std::optional<size_t> tokenizer::findInvalidUtf8(llvm::StringRef text) {
  for (size_t at = 0; at < text.size();) {
    Utf8Start start = startOfUtf8(text.substr(at));
    if (start.kind != Utf8Start::Character)
      return at;
    at += start.length;
  }
  return std::nullopt;
}

size_t tokenizer::appendText(llvm::StringRef bytes, std::string &text) {
  size_t at = 0;
  while (at < bytes.size()) {
    Utf8Start start = startOfUtf8(bytes.substr(at));
    if (start.kind == Utf8Start::Incomplete)
      return at;
    text += start.kind == Utf8Start::Character ? bytes.substr(at, start.length) : llvm::StringRef("\xef\xbf\xbd");
    at += start.length;
  }
  return at;
}

void tokenizer::appendUtf8(char32_t character, std::string &text) {
  if (character < 0x80) {
    text += char(character);
    return;
  }
  unsigned length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  static constexpr uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
  text += char(leads[length] | character >> 6 * (length - 1));
  for (unsigned i = length - 1; i-- > 0;)
    text += char(0x80 | (character >> 6 * i & 0x3f));
}

//===----------------------------------------------------------------------------===//
// Classes
//===----------------------------------------------------------------------------===//

static bool isInCategories(char32_t character, uint32_t mask) { return U_GET_GC_MASK(UChar32(character)) & mask; }

bool tokenizer::isWhiteSpace(char32_t character) { return u_isUWhiteSpace(character); }

bool tokenizer::isNumeric(char32_t character) { return isInCategories(character, U_GC_N_MASK); }

bool tokenizer::isPunctuation(char32_t character) {
  return character < 0x80 ? llvm::isPunct(char(character)) : isInCategories(character, U_GC_P_MASK);
}

bool tokenizer::isWordCharacter(char32_t character) {
  return u_hasBinaryProperty(character, UCHAR_ALPHABETIC) || u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL) ||
         isInCategories(character, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK);
}

//===----------------------------------------------------------------------------===//
// Bytes as characters
//===----------------------------------------------------------------------------===//

/// A byte that is a printable character of Latin-1 stands for itself; the others get the characters from U+0100 on.
static bool standsForItself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

namespace {
struct Alphabet {
  std::array<std::string, 256> characters;
  /// Byte of each character, or -1.
  std::array<int16_t, 0x200> bytes;

  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      char32_t character = standsForItself(byte) ? byte : next++;
      appendUtf8(character, characters[byte]);
      bytes[character] = byte;
    }
  }
};
} // namespace

static const Alphabet &alphabet() {
  static const Alphabet instance;
  return instance;
}

llvm::ArrayRef<std::string> tokenizer::byteLevelAlphabet() { return alphabet().characters; }

std::optional<uint8_t> tokenizer::byteOf(char32_t character) {
  if (character >= alphabet().bytes.size() || alphabet().bytes[character] < 0)
    return std::nullopt;
  return alphabet().bytes[character];
}
