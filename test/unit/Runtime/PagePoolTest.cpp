//===- PagePoolTest.cpp - which pages of the caches are whose -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/PagePool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <set>

using namespace quantopt::runtime;
using testing::HasSubstr;

TEST(PagePool, GivesEveryPageOnce) {
  PagePool pool(/*pages=*/7, /*pageTokens=*/16, /*sequences=*/3, /*columns=*/4);
  EXPECT_TRUE(llvm::cantFail(pool.grow(0, 1)));
  EXPECT_FALSE(llvm::cantFail(pool.grow(0, 16)));
  EXPECT_TRUE(llvm::cantFail(pool.grow(0, 17)));
  EXPECT_TRUE(llvm::cantFail(pool.grow(1, 64)));
  EXPECT_EQ(pool.pagesOf(1), 4u);
  EXPECT_EQ(pool.freePages(), 1u);
  std::set<int32_t> pages;
  unsigned entries = 0;
  for (int32_t page : pool.table())
    if (page != PagePool::noPage) {
      EXPECT_LT(page, 7);
      pages.insert(page);
      ++entries;
    }
  EXPECT_EQ(entries, 6u);
  EXPECT_EQ(pages.size(), 6u);
  EXPECT_EQ(pool.table()[2], PagePool::noPage);
  EXPECT_NE(pool.table()[4], PagePool::noPage);

  EXPECT_THAT(llvm::toString(pool.grow(2, 17).takeError()), HasSubstr("needs 2 more pages, and 1 are free"));
  EXPECT_EQ(pool.pagesOf(2), 0u);
  EXPECT_THAT(llvm::toString(pool.grow(0, 65).takeError()), HasSubstr("more than the 4 pages of the table"));
  pool.release(1);
  EXPECT_EQ(pool.freePages(), 5u);
  EXPECT_EQ(pool.table()[4], PagePool::noPage);
  EXPECT_TRUE(llvm::cantFail(pool.grow(2, 64)));
}
