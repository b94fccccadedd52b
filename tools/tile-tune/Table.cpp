//===- Table.cpp - the checked-in table of tuned tiles ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Table.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace quantopt;
using namespace quantopt::tiletune;

/// What a target's rows begin with.
static std::string prefixOf(const Target &target) {
  return llvm::formatv("GEMM(\"{0}\", \"{1}\", ", tile::stringifyArch(target.arch), target.kernel);
}

std::string tiletune::formatRow(const Target &target, const TableRow &row) {
  const Tiles &t = row.tiles;
  return llvm::formatv("{0}{1}, {2}, {3}, {4}, {5}, {6}, {7}, \"{8}\")", prefixOf(target), row.maxN, t.bm, t.bn, t.bk,
                       t.wm, t.wn, t.stages, row.reason);
}

llvm::Error tiletune::replaceRows(llvm::StringRef path, const Target &target, llvm::ArrayRef<TableRow> rows) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return llvm::createStringError(file.getError(), "cannot read '" + path + "': " + file.getError().message());
  std::string text, prefix = prefixOf(target);
  auto append = [&] {
    for (const TableRow &row : rows)
      text += formatRow(target, row) + "\n";
  };
  bool isDone = false;
  llvm::SmallVector<llvm::StringRef> lines;
  (*file)->getBuffer().rtrim('\n').split(lines, '\n');
  for (llvm::StringRef line : lines) {
    bool isRow = line.starts_with("GEMM(");
    // Targets are in the order of their names.
    if (isRow && !isDone && prefix <= line.take_front(prefix.size())) {
      append();
      isDone = true;
    }
    if (!line.starts_with(prefix))
      text += (line + "\n").str();
  }
  if (!isDone)
    append();
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (code)
    return llvm::createStringError(code, "cannot write '" + path + "': " + code.message());
  os << text;
  return llvm::Error::success();
}
