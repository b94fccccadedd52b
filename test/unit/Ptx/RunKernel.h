//===- RunKernel.h - runs a few lines of PTX -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_PTX_RUNKERNEL_H
#define QUANTOPT_TEST_UNIT_PTX_RUNKERNEL_H

#include "quantopt/Ptx/Interpreter.h"
#include "gtest/gtest.h"

namespace quantopt::ptx {

/// A kernel around a few lines, and its launch. The lines find in %r0 the thread's index in the CTA, in %r1 its index
/// in the grid, in %d0 and %d1 the addresses of `in` and `out`, in %d2 and %d3 the thread's own words in them.
/// Registers %p, %h, %r, %f, %d are theirs.
struct TestKernel {
  std::string body;
  unsigned threads = 32, ctas = 1;
  unsigned target = 80;
  /// Dynamic shared memory, named `dynamic`.
  unsigned sharedBytes = 0;
  /// Before the kernel, and after its parameters.
  std::string globals = "", directives = "";
  std::vector<uint32_t> in = {};
  /// Words of `out`; by default one a thread.
  unsigned outWords = 0;
  bool counters = false;
  unsigned hostThreads = 1;
  uint64_t instructionLimit = 1'000'000;
};

struct TestResult {
  /// Empty where all went well.
  std::string error;
  std::vector<uint32_t> out;
  Counters counters;
};

std::string textOf(const TestKernel &kernel);
/// Runs it; words of `out` that were not written are 0xdeadbeef.
TestResult run(const TestKernel &kernel);

/// Expects an error that contains each of the texts.
void expectError(const TestKernel &kernel, std::initializer_list<llvm::StringRef> texts);
/// Expects no error.
std::vector<uint32_t> expectRuns(const TestKernel &kernel);

} // namespace quantopt::ptx

#endif // QUANTOPT_TEST_UNIT_PTX_RUNKERNEL_H
