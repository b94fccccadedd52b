//===- StreamingExecutorTest.cpp - order, budget and errors ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/StreamingExecutor.h"
#include "gtest/gtest.h"
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace quantopt;

static llvm::Error makeError(size_t unit) { return llvm::createStringError("unit " + std::to_string(unit)); }
static void pause(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

TEST(StreamingExecutorTest, RunsEveryUnitOnceForAnyNumberOfThreads) {
  for (unsigned threads : {0, 1, 2, 5}) {
    std::vector<std::atomic<int>> runs(40);
    std::vector<StreamingUnit> units;
    for (std::atomic<int> &count : runs)
      units.push_back({"unit", 1, 1, [&count] {
                         ++count;
                         return llvm::Error::success();
                       }});
    StreamingOptions options;
    options.threads = threads;
    ASSERT_FALSE(runUnits(units, options));
    for (std::atomic<int> &count : runs)
      EXPECT_EQ(count, 1);
  }
}

TEST(StreamingExecutorTest, NoUnits) { EXPECT_FALSE(runUnits({}, {})); }

TEST(StreamingExecutorTest, StaysWithinTheBudget) {
  std::atomic<uint64_t> inUse{0}, peak{0}, atOnce{0};
  std::vector<StreamingUnit> units;
  for (uint64_t footprint : {40, 40, 40, 90, 10, 500, 10, 60, 30, 20})
    units.push_back({"unit", footprint, 1, [&, footprint] {
                       uint64_t now = inUse += footprint;
                       if (++atOnce > 1)
                         EXPECT_LE(now, 100u);
                       for (uint64_t old = peak; old < now && !peak.compare_exchange_weak(old, now);)
                         ;
                       pause(2);
                       --atOnce;
                       inUse -= footprint;
                       return llvm::Error::success();
                     }});
  StreamingOptions options;
  options.threads = 5;
  options.maxMemory = 100;
  ASSERT_FALSE(runUnits(units, options));
  // The one that fits nowhere ran, and ran alone.
  EXPECT_EQ(peak, 500u);
}

TEST(StreamingExecutorTest, ReportsTheLowestErrorHoweverLate) {
  for (unsigned threads : {1, 2, 5}) {
    std::vector<StreamingUnit> units;
    std::atomic<size_t> started{0};
    for (size_t i = 0; i < 50; ++i)
      units.push_back({"unit", 1, 1, [i, &started] {
                         ++started;
                         if (i == 3) {
                           pause(20);
                           return makeError(i);
                         }
                         return i > 3 ? makeError(i) : llvm::Error::success();
                       }});
    StreamingOptions options;
    options.threads = threads;
    EXPECT_EQ(llvm::toString(runUnits(units, options)), "unit 3");
    EXPECT_LE(started, 3u + threads);
  }
}
