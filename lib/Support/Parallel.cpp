//===- Parallel.cpp - loops on many threads --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Parallel.h"
#include "llvm/Support/ThreadPool.h"
#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

using namespace quantopt;

static llvm::ThreadPoolInterface &sharedPool() {
  static llvm::DefaultThreadPool pool(llvm::hardware_concurrency());
  return pool;
}

void quantopt::parallelFor(int64_t count, unsigned threads, llvm::function_ref<void(int64_t)> body) {
  std::atomic<int64_t> next{0};
  auto work = [&] {
    for (int64_t i; (i = next.fetch_add(1)) < count;)
      body(i);
  };
  if (threads == 0)
    threads = llvm::hardware_concurrency().compute_thread_count();
  int64_t others = std::min<int64_t>(threads, count) - 1;
  if (others <= 0)
    return work();
  llvm::ThreadPoolTaskGroup group(sharedPool());
  for (int64_t i = 0; i < others; ++i)
    group.async(work);
  work();
  group.wait();
}

void quantopt::parallelForRanges(int64_t count, int64_t grain, unsigned threads,
                                 llvm::function_ref<void(int64_t, int64_t)> body) {
  parallelFor((count + grain - 1) / grain, threads,
              [&](int64_t i) { body(i * grain, std::min(count, (i + 1) * grain)); });
}

llvm::Error quantopt::parallelTryFor(int64_t count, unsigned threads, llvm::function_ref<llvm::Error(int64_t)> body) {
  // Indices are handed out in order: when one fails, every lesser one has begun and will report too.
  std::mutex mutex;
  std::atomic<int64_t> failed{count};
  std::optional<llvm::Error> first;
  parallelFor(count, threads, [&](int64_t i) {
    if (i > failed)
      return;
    llvm::Error error = body(i);
    if (!error)
      return;
    std::lock_guard<std::mutex> lock(mutex);
    if (i > failed) {
      llvm::consumeError(std::move(error));
      return;
    }
    if (first)
      llvm::consumeError(std::move(*first));
    first.emplace(std::move(error));
    failed = i;
  });
  return first ? std::move(*first) : llvm::Error::success();
}
