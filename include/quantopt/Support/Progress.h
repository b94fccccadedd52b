//===- Progress.h - a progress bar on a stream -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_PROGRESS_H
#define QUANTOPT_SUPPORT_PROGRESS_H

#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace quantopt {

/// Shows how much of `total` units of work is done: a bar that is redrawn in place where `stream` is a terminal,
/// otherwise a line at every quarter and, between them, at most every ten seconds. May be advanced from many threads.
class Progress {
public:
  Progress(llvm::StringRef label, int64_t total, bool isSilent = false, llvm::raw_ostream &stream = llvm::errs());
  /// Ends the line of an unfinished bar.
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  void advance(int64_t units = 1);

private:
  using Clock = std::chrono::steady_clock;
  void drawBar(Clock::time_point now);
  void printLine(Clock::time_point now);

  std::string label;
  int64_t total, done = 0, quarter = 0;
  bool isSilent, isBarOpen = false;
  llvm::raw_ostream &stream;
  Clock::time_point begin, shown;
  std::mutex mutex;
};

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_PROGRESS_H
