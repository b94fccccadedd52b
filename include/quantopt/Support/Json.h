//===- Json.h - JSON that others wrote ------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_JSON_H
#define QUANTOPT_SUPPORT_JSON_H

#include "llvm/Support/JSON.h"

namespace quantopt {

/// Parses a text whose brackets nest no deeper than `maxNesting`; fails for a deeper one, since the parser recurses.
llvm::Expected<llvm::json::Value> parseJson(llvm::StringRef text, unsigned maxNesting = 32);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_JSON_H
