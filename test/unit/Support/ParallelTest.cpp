//===- ParallelTest.cpp - loops, budgets and progress on many threads ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Parallel.h"
#include "quantopt/Support/MemoryBudget.h"
#include "quantopt/Support/Progress.h"
#include "gtest/gtest.h"
#include <atomic>
#include <thread>
#include <vector>

using namespace quantopt;

TEST(Parallel, EveryIndexRunsOnce) {
  for (unsigned threads : {0u, 1u, 2u, 7u})
    for (int64_t count : {0, 1, 2, 1000}) {
      std::vector<int> runs(count);
      parallelFor(count, threads, [&](int64_t i) { ++runs[i]; });
      EXPECT_EQ(runs, std::vector<int>(count, 1));
    }
}

TEST(Parallel, RangesDoNotDependOnThreads) {
  for (unsigned threads : {1u, 2u, 5u}) {
    std::vector<std::pair<int64_t, int64_t>> ranges(4);
    parallelForRanges(10, 3, threads, [&](int64_t begin, int64_t end) { ranges[begin / 3] = {begin, end}; });
    EXPECT_EQ(ranges, (std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {3, 6}, {6, 9}, {9, 10}}));
  }
}

TEST(Parallel, LoopsNest) {
  std::atomic<int> runs{0};
  parallelFor(8, 4, [&](int64_t) { parallelFor(8, 4, [&](int64_t) { ++runs; }); });
  EXPECT_EQ(runs, 64);
}

TEST(Parallel, LeastFailureIsReported) {
  for (unsigned threads : {1u, 2u, 6u}) {
    llvm::Error error = parallelTryFor(100, threads, [](int64_t i) -> llvm::Error {
      if (i % 10 != 7)
        return llvm::Error::success();
      return llvm::createStringError("at " + std::to_string(i));
    });
    EXPECT_EQ(llvm::toString(std::move(error)), "at 7");
  }
  EXPECT_FALSE(bool(parallelTryFor(5, 2, [](int64_t) { return llvm::Error::success(); })));
}

TEST(MemoryBudget, NeverExceedsItsLimit) {
  MemoryBudget budget(100);
  std::atomic<uint64_t> held{0};
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker)
    workers.emplace_back([&, worker] {
      for (uint64_t i = 0; i < 500; ++i) {
        uint64_t bytes = (i * 7 + worker * 13) % 60 + 1;
        MemoryReservation reservation(budget, bytes);
        if ((held += bytes) > 100)
          exceeded = true;
        held -= bytes;
      }
    });
  for (std::thread &worker : workers)
    worker.join();
  EXPECT_FALSE(exceeded);
  EXPECT_LE(budget.peak(), 100u);
}

TEST(MemoryBudget, GreaterThanTheLimitIsAdmittedAlone) {
  MemoryBudget budget(10);
  budget.acquire(4);
  std::atomic<bool> admitted{false};
  std::thread large([&] {
    budget.acquire(1000);
    admitted = true;
  });
  // Not while four bytes are held; a wait can only make a wrong admission more likely to show.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(admitted);
  budget.release(4);
  large.join();
  EXPECT_EQ(budget.peak(), 1000u);
  budget.release(1000);
  budget.acquire(10);
  budget.release(10);
}

TEST(Progress, PrintsALineAtEveryQuarterWithoutATerminal) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  Progress progress("weights", 8, /*isSilent=*/false, stream);
  parallelFor(8, 2, [&](int64_t) { progress.advance(); });
  llvm::StringRef output(text);
  EXPECT_EQ(output.count('\n'), 4u);
  for (const char *expected : {"weights: 25 %", "weights: 50 %", "weights: 75 %", "weights: 100 %"})
    EXPECT_NE(output.find(expected), llvm::StringRef::npos) << text;
}

TEST(Progress, SilentPrintsNothing) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  Progress progress("weights", 2, /*isSilent=*/true, stream);
  progress.advance(2);
  EXPECT_TRUE(text.empty());
}
