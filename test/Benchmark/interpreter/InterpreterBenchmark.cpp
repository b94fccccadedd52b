//===- InterpreterBenchmark.cpp - speed of the PTX interpreter -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "GemmCase.h"
#include "Harness.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace quantopt;
using namespace quantopt::kerneltest;

static llvm::cl::opt<unsigned> rows("rows", llvm::cl::desc("Rows of the input"), llvm::cl::init(256));
static llvm::cl::opt<unsigned> outputs("outputs", llvm::cl::desc("Output channels"), llvm::cl::init(4096));
static llvm::cl::opt<unsigned> inner("inner", llvm::cl::desc("Length of the contraction"), llvm::cl::init(4096));
static llvm::cl::opt<unsigned> workers("workers", llvm::cl::desc("Threads; 0: one per processor"), llvm::cl::init(0));
static llvm::cl::opt<bool> counters("counters", llvm::cl::desc("Count bank conflicts and sectors too"));

static double secondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

static int fail(llvm::Error error) {
  llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
  return 1;
}

int main(int argc, char **argv) {
  llvm::cl::ParseCommandLineOptions(argc, argv, "Runs a W4A4 GEMM of sm_80 on the PTX interpreter and times it.\n");
  GemmCase gemm;
  gemm.op = "gemm_w4a4";
  gemm.arch = "sm_80";
  gemm.tiles = {128, 256, 256, 64, 64, 3};
  gemm.rows = rows;
  gemm.outputs = outputs;
  gemm.inner = inner;

  auto begin = std::chrono::steady_clock::now();
  auto kernel = Kernel::build(gemm.text());
  if (!kernel)
    return fail(kernel.takeError());
  llvm::outs() << llvm::format("built in %.2f s\n", secondsSince(begin));
  std::vector<Tensor> operands = randomOperands(gemm, 1);

  begin = std::chrono::steady_clock::now();
  RunSettings settings;
  settings.threads = workers;
  settings.counters = counters;
  auto run = (*kernel)->run(operands, rows, settings);
  if (!run)
    return fail(run.takeError());
  double seconds = secondsSince(begin);
  llvm::outs() << llvm::format("ran in %.2f s: %.1f million warp instructions, %.0f million multiply-adds a second\n",
                               seconds, double(run->counters.warpInstructions) * 1e-6,
                               double(rows) * outputs * inner / seconds * 1e-6);
  std::string difference = compareExact(run->results[0], expectedResult(gemm, operands));
  llvm::outs() << (difference.empty() ? "the result is exact\n" : difference + "\n");
  return difference.empty() ? 0 : 1;
}
