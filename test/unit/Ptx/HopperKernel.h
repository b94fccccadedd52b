//===- HopperKernel.h - small kernels with asynchronous instructions ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_PTX_HOPPERKERNEL_H
#define QUANTOPT_TEST_UNIT_PTX_HOPPERKERNEL_H

#include "quantopt/Ptx/Interpreter.h"
#include "quantopt/Ptx/TensorMap.h"
#include "gtest/gtest.h"

namespace quantopt::ptx {

/// A kernel of one CTA around a few lines. They find in %r0 the thread's index, in %p0 whether it is 0, in %d0 and %d1
/// the addresses of `in` and `out`, in %d2 the tensor map's, in %d3 and %r3 that of `dynamic` (shared, aligned to
/// 1024), and four mbarriers' room in `bars`. Registers from 10 on are theirs.
struct HopperKernel {
  std::string body;
  unsigned threads = 64;
  unsigned sharedBytes = 4096;
  std::vector<uint8_t> in = std::vector<uint8_t>(4096, 1);
  unsigned outWords = 64;
  /// Address 0 stands for that of `in`, or of `out`.
  std::optional<TensorMap> map;
  bool mapsOut = false;
};

struct HopperResult {
  /// Empty where all went well.
  std::string error;
  /// Words that were not written are 0xdeadbeef.
  std::vector<uint32_t> out;
  Counters counters;
};

HopperResult run(const HopperKernel &kernel);
std::vector<uint32_t> expectRuns(const HopperKernel &kernel);
/// Expects an error that contains the text.
void expectError(const HopperKernel &kernel, llvm::StringRef text);
/// `text` with `from`, which must be there, replaced once: a planted fault.
std::string planted(std::string text, const std::string &from, const std::string &to);

/// Waits for a phase of an mbarrier.
std::string waitFor(const std::string &barrier, const std::string &parity);

} // namespace quantopt::ptx

#endif // QUANTOPT_TEST_UNIT_PTX_HOPPERKERNEL_H
