//===- PagePool.h - which pages of the caches are whose -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_PAGEPOOL_H
#define QUANTOPT_RUNTIME_PAGEPOOL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantopt::runtime {

/// Pages of tokens, given to sequences as they grow. All caches share the table: page p of a sequence is the same page
/// of every cache.
class PagePool {
public:
  /// Value of table entries without a page.
  static constexpr int32_t noPage = -1;

  /// `pages` free pages of `pageTokens` tokens; the table has a row of `columns` entries for each sequence.
  PagePool(uint32_t pages, uint32_t pageTokens, uint32_t sequences, uint32_t columns);

  /// Gives pages to a sequence until it holds `tokens` tokens; whether it got any. Fails, and gives none, where too few
  /// are free or the table is too short.
  llvm::Expected<bool> grow(uint32_t sequence, uint64_t tokens);
  /// Takes all pages of a sequence back.
  void release(uint32_t sequence);

  uint32_t freePages() const { return freeList.size(); }
  uint32_t pagesOf(uint32_t sequence) const { return held[sequence]; }
  /// [sequences][columns], row-major.
  llvm::ArrayRef<int32_t> table() const { return entries; }

private:
  uint32_t pageTokens, columns;
  /// The next page is the last one.
  std::vector<int32_t> freeList, entries;
  std::vector<uint32_t> held;
};

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_PAGEPOOL_H
