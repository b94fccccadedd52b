//===- Report.cpp - what a run takes, and how fast it was ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Report.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace quantopt;
using namespace quantopt::run;
using namespace quantopt::runtime;

std::string run::withCommas(uint64_t number) {
  std::string text = std::to_string(number);
  for (int64_t at = int64_t(text.size()) - 3; at > 0; at -= 3)
    text.insert(size_t(at), ",");
  return text;
}

static void printBytes(llvm::StringRef what, uint64_t bytes, llvm::raw_ostream &os, const llvm::Twine &remark = "") {
  std::string text = remark.str();
  os << llvm::left_justify(what, 26) << llvm::right_justify(withCommas(bytes), 16) << " bytes"
     << (text.empty() ? "" : "  ") << text << '\n';
}

void run::printPlan(const Bundle &bundle, const SessionOptions &options, const SessionSizes &sizes, uint64_t rows,
                    llvm::raw_ostream &os) {
  const BundlePlan &plan = bundle.plan();
  os << bundle.path() << ": kernels for " << plan.arch << ", PTX " << plan.ptxVersion << '\n';
  for (const auto &[name, file] : plan.files)
    printBytes("  " + name, file.bytes, os);
  os << "memory\n";
  printBytes("  weights", bundle.weightBytes(), os);
  printBytes("  KV cache", sizes.cacheBytes, os,
             llvm::Twine(sizes.cacheTokenBytes) + " per token; " + llvm::Twine(options.batch) + " x " +
                 llvm::Twine(sizes.context) + " tokens in " + llvm::Twine(sizes.pages) + " pages of " +
                 llvm::Twine(plan.pageTokens()));
  printBytes("  activations", sizes.arenaRowBytes * rows, os,
             llvm::Twine(sizes.arenaRowBytes) + " per row; " + llvm::Twine(rows) + " rows");
  printBytes("  logits", sizes.logitsRowBytes * options.batch, os);
  printBytes("  tables", sizes.tableBytes + rows * sizeof(int64_t), os);
  os << "launches\n";
  for (const PlannedPhase &phase : plan.phases)
    os << llvm::left_justify("  " + phase.name, 26) << llvm::right_justify(std::to_string(phase.launches.size()), 16)
       << (phase.decodes() ? " per token" : " per chunk") << '\n';
}

void run::printMemory(const MemoryUse &use, llvm::raw_ostream &os) {
  os << "allocated: " << withCommas(use.weights) << " bytes of weights, " << withCommas(use.caches) << " of KV cache, "
     << withCommas(use.arena) << " of activations, " << withCommas(use.logits + use.tables)
     << " of logits and tables\n";
}

void run::printSpeed(const GenerateStatistics &statistics, llvm::StringRef device, llvm::raw_ostream &os) {
  auto line = [&](llvm::StringRef name, uint64_t tokens, double seconds) {
    os << name << ": " << tokens << " tokens in " << llvm::format("%.3f", seconds) << " s";
    if (device.empty() && seconds > 0)
      os << llvm::format(", %.1f tokens/s", double(tokens) / seconds);
    else if (tokens)
      os << llvm::format(", %.3f s per token", seconds / double(tokens));
    os << '\n';
  };
  line("prefill", statistics.promptRows, statistics.prefillSeconds);
  if (statistics.decodeSteps)
    line("decode", statistics.decodeTokens, statistics.decodeSeconds);
  if (!device.empty())
    os << device << ": not a measurement of speed\n";
}

void LaunchProgress::show(const ObservedLaunch &launch) {
  auto now = std::chrono::steady_clock::now();
  bool isTerminal = stream.is_displayed();
  if (now - shown < (isTerminal ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000)))
    return;
  shown = now;
  std::string line = launch.phase.name + ": launch " + std::to_string(launch.index + 1) + "/" +
                     std::to_string(launch.count) + " " + launch.kernel.name;
  if (!isTerminal) {
    stream << line << '\n';
    return;
  }
  clear();
  stream << line;
  shownWidth = line.size();
}

void LaunchProgress::clear() {
  if (shownWidth)
    stream << '\r' << std::string(shownWidth, ' ') << '\r';
  shownWidth = 0;
}
