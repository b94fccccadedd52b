//===- Report.h - what a run takes, and how fast it was ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTRUN_REPORT_H
#define QUANTOPT_TOOLS_QUANTRUN_REPORT_H

#include "quantopt/Runtime/Generate.h"
#include "quantopt/Runtime/Model.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

namespace quantopt::run {

/// 1,234,567
std::string withCommas(uint64_t number);

/// Prints files, memory by kind and launches, before anything is allocated. `rows` is the most that a step will have.
void printPlan(const runtime::Bundle &bundle, const runtime::SessionOptions &options,
               const runtime::SessionSizes &sizes, uint64_t rows, llvm::raw_ostream &os);

/// Prints the bytes that are allocated, by kind.
void printMemory(const runtime::MemoryUse &use, llvm::raw_ostream &os);

/// Prints tokens and seconds of both phases. `device` is one whose time says nothing of a GPU ("interpreter"), or
/// empty.
void printSpeed(const runtime::GenerateStatistics &statistics, llvm::StringRef device, llvm::raw_ostream &os);

/// Shows which launch of a step runs: in place on a terminal, else a line at most every ten seconds.
class LaunchProgress {
public:
  explicit LaunchProgress(llvm::raw_ostream &stream) : stream(stream) {}
  void show(const runtime::ObservedLaunch &launch);
  /// Clears the line of a terminal.
  void clear();

private:
  llvm::raw_ostream &stream;
  size_t shownWidth = 0;
  std::chrono::steady_clock::time_point shown = std::chrono::steady_clock::now();
};

} // namespace quantopt::run

#endif // QUANTOPT_TOOLS_QUANTRUN_REPORT_H
