//===- Json.cpp - JSON that others wrote ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Json.h"

static bool isShallow(llvm::StringRef text, unsigned maxNesting) {
  unsigned depth = 0;
  bool isInString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (isInString && c == '\\')
      ++i;
    else if (c == '"')
      isInString = !isInString;
    else if (!isInString && (c == '[' || c == '{') && ++depth > maxNesting)
      return false;
    else if (!isInString && (c == ']' || c == '}') && depth)
      --depth;
  }
  return true;
}

llvm::Expected<llvm::json::Value> quantopt::parseJson(llvm::StringRef text, unsigned maxNesting) {
  if (!isShallow(text, maxNesting))
    return llvm::createStringError("objects and lists are nested too deeply");
  return llvm::json::parse(text);
}
