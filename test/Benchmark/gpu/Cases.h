//===- Cases.h - the kernels that are checked and timed --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_BENCHMARK_GPU_CASES_H
#define QUANTOPT_TEST_BENCHMARK_GPU_CASES_H

#include "quantopt/Support/Tensor.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace quantopt::benchmark {

/// What PyTorch's attention needs to know, for a baseline: the last `tokens` of `context` tokens attend.
struct AttentionSizes {
  int64_t batch, tokens, context, heads, kvHeads, headDim;
};

/// One kernel over a number of rows.
struct KernelCase {
  std::string name;
  /// A function with the tile op, or with a linear layer that becomes one.
  std::string text;
  int64_t rows = 0;
  /// At most 64: a kernel for that few rows is chosen; 0: any number.
  int64_t maxRows = 0;
  /// Whether a GPU's results are the interpreter's to the bit: kernels that use approximate instructions (ex2, rsqrt)
  /// may differ in a last bit, and in a code that was a tie.
  bool isExact = false;
  /// Sizes of the matrix product, for cuBLAS beside it; 0 for other kernels.
  int64_t outputs = 0, inner = 0;
  /// Operands, where they are not random ones of the kernel's types.
  std::function<std::vector<Tensor>()> operands;
  /// Traffic and arithmetic at least, where they depend on more than the rows; 0: what the op says.
  double bytes = 0, operations = 0;
  std::optional<AttentionSizes> attention;
};

/// Every kernel in shapes that the interpreter runs in a moment.
std::vector<KernelCase> checkedCases(llvm::StringRef arch);
/// Every kernel in shapes of a large model's layers.
std::vector<KernelCase> timedCases(llvm::StringRef arch);

/// Those of rope_append, attention and attention_decode.
void addCheckedAttention(std::vector<KernelCase> &cases, llvm::StringRef arch);
void addTimedAttention(std::vector<KernelCase> &cases, llvm::StringRef arch);

} // namespace quantopt::benchmark

#endif // QUANTOPT_TEST_BENCHMARK_GPU_CASES_H
