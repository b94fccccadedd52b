//===- Table.h - the checked-in table of tuned tiles --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_TILE_TUNE_TABLE_H
#define QUANTOPT_TOOLS_TILE_TUNE_TABLE_H

#include "Candidate.h"

namespace quantopt::tiletune {

/// A row: the tiles for up to `maxN` channels (0: any number).
struct TableRow {
  int64_t maxN;
  Tiles tiles;
  std::string reason;
};

/// A row as the table has it.
std::string formatRow(const Target &target, const TableRow &row);

/// Puts `rows` in the place of those that the table has for the architecture and kernel; what else it holds stays.
llvm::Error replaceRows(llvm::StringRef path, const Target &target, llvm::ArrayRef<TableRow> rows);

} // namespace quantopt::tiletune

#endif // QUANTOPT_TOOLS_TILE_TUNE_TABLE_H
