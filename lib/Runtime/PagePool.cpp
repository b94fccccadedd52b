//===- PagePool.cpp - which pages of the caches are whose -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/PagePool.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace quantopt::runtime;

PagePool::PagePool(uint32_t pages, uint32_t pageTokens, uint32_t sequences, uint32_t columns)
    : pageTokens(pageTokens), columns(columns), freeList(pages), entries(size_t(sequences) * columns, noPage),
      held(sequences, 0) {
  std::iota(freeList.begin(), freeList.end(), 0);
}

llvm::Expected<bool> PagePool::grow(uint32_t sequence, uint64_t tokens) {
  uint64_t wanted = llvm::divideCeil(tokens, uint64_t(pageTokens));
  if (wanted <= held[sequence])
    return false;
  if (wanted > columns)
    return llvm::createStringError("a sequence of " + llvm::Twine(tokens) + " tokens has more than the " +
                                   llvm::Twine(columns) + " pages of the table");
  if (wanted - held[sequence] > freeList.size())
    return llvm::createStringError("the caches are full: a sequence of " + llvm::Twine(tokens) + " tokens needs " +
                                   llvm::Twine(wanted - held[sequence]) + " more pages, and " +
                                   llvm::Twine(freeList.size()) + " are free");
  for (; held[sequence] < wanted; ++held[sequence]) {
    entries[size_t(sequence) * columns + held[sequence]] = freeList.back();
    freeList.pop_back();
  }
  return true;
}

void PagePool::release(uint32_t sequence) {
  for (; held[sequence]; --held[sequence]) {
    int32_t &entry = entries[size_t(sequence) * columns + held[sequence] - 1];
    freeList.push_back(entry);
    entry = noPage;
  }
}
