//===- Progress.cpp - a progress bar on a stream ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Progress.h"
#include "llvm/Support/Format.h"
#include <algorithm>

using namespace quantopt;

static constexpr int64_t barWidth = 30;
static constexpr std::chrono::milliseconds redrawInterval{100};
static constexpr std::chrono::seconds lineInterval{10};

Progress::Progress(llvm::StringRef label, int64_t total, bool isSilent, llvm::raw_ostream &stream)
    : label(label), total(std::max<int64_t>(total, 1)), isSilent(isSilent), stream(stream), begin(Clock::now()),
      shown(begin) {}

Progress::~Progress() {
  if (isBarOpen)
    stream << '\n';
}

void Progress::advance(int64_t units) {
  std::lock_guard<std::mutex> lock(mutex);
  done = std::min(done + units, total);
  if (isSilent)
    return;
  Clock::time_point now = Clock::now();
  if (stream.is_displayed())
    return drawBar(now);
  if (done * 4 / total > quarter || now - shown >= lineInterval)
    printLine(now);
}

void Progress::drawBar(Clock::time_point now) {
  if (done < total && isBarOpen && now - shown < redrawInterval)
    return;
  bool wasFinished = !isBarOpen && shown != begin;
  if (wasFinished)
    return;
  int64_t filled = done * barWidth / total;
  double seconds = std::chrono::duration<double>(now - begin).count();
  stream << '\r' << label << " [" << std::string(filled, '#') << std::string(barWidth - filled, ' ') << "] "
         << done * 100 / total << " % " << llvm::format("%.0f s", seconds);
  isBarOpen = done < total;
  if (!isBarOpen)
    stream << '\n';
  stream.flush();
  shown = now;
}

void Progress::printLine(Clock::time_point now) {
  double seconds = std::chrono::duration<double>(now - begin).count();
  stream << label << ": " << done * 100 / total << " % after " << llvm::format("%.1f s", seconds) << '\n';
  quarter = done * 4 / total;
  shown = now;
}
