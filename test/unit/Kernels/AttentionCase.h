//===- AttentionCase.h - attention over a cache: text, operands, reference --===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_ATTENTIONCASE_H
#define QUANTOPT_TEST_UNIT_KERNELS_ATTENTIONCASE_H

#include "Harness.h"
#include "quantopt/Numerics/KvLayout.h"

namespace quantopt::kerneltest {

/// What one sequence of a batch has in the cache before the launch, and its left padding.
struct SequenceCase {
  int32_t past, start;
};

/// One attention, or attention_decode with attention_combine, to test.
struct AttentionCase {
  std::vector<SequenceCase> sequences = {{0, 0}};
  int64_t newTokens = 1;
  int64_t heads = 9, kvHeads = 3, headDim = 64;
  int64_t bits = 4, group = 64;
  /// Tokens of a page; 0: contiguous.
  int64_t page = 0;
  bool isSymmetric = false, hasHalfScales = true;
  int64_t window = 0;
  double softcap = 0;
  const char *result = "f32";
  int64_t warps = 4, splits = 1;
  const char *arch = "sm_80";

  std::string describe() const;
  int64_t rows() const { return int64_t(sequences.size()) * newTokens; }
  /// Of the longest sequence, in tokens.
  int64_t context() const;
  numerics::KvLayout layout() const;
  double scale() const;
  /// The op in a function; the parts of decode have as many columns as they need.
  std::string text(bool isDecode) const;
  /// What adds up the parts.
  std::string combineText() const;
};

/// Operands of a case, and what attention over them gives exactly.
struct AttentionData {
  explicit AttentionData(const AttentionCase &attention, unsigned seed = 1);

  /// In the order of the op.
  std::vector<Tensor> operands;
  /// [rows, heads · headDim]: values, and by how much a kernel's may be off.
  std::vector<double> expected, bounds;

private:
  void fillCaches(const AttentionCase &attention, unsigned seed);
  void attend(const AttentionCase &attention, int64_t sequence, int64_t token, int64_t head);

  /// Elements of every token of a sequence and a head of the cache, as its codes have them.
  std::vector<std::vector<double>> keys, values;
};

/// Runs the case as prefill, or as decode, and expects the result within its bounds.
///
/// A kernel computes Σ 2^(s-m)·v / Σ 2^(s-m) with these errors (u = 2^-24 and h = 2^-11 are half the distance from 1 to
/// the next f32 and f16; sums of tensor cores may be cut off: 2u each; ex2.approx and rcp.approx are off by 2^-22):
///
///   Scores, times log2(e): the head's products are exact, their sums and scales give (2·d/16 + groups + 4)·u of
///   Σ|q_i·k_i|·scale·log2(e). A cap has a slope of 1 at most and is off by 2^-20 of itself (2^-22 of e^2x, whose slope
///   in tanh is at most 1/2, and a reciprocal).
///   Weights: ln(2) of the above and of the rounding of s - m, and ex2. Each step may rescale what came before, by
///   another ex2 that is off likewise. Relative errors ω of weights p move the mean of v by Σ p·ω·(|v| + |o|).
///   Products p·scale are rounded to f16: h·Σ p·|v|, below 2^-14 absolutely by 2^-40 of the greatest scale and weight.
///   Sums in f32: steps of 2u for o, one rounding per token of a lane (a quarter of them) for l.
///   The reciprocal, and the rounding of the result.
///
/// In decode sums are those of several warps and parts: more ex2, no other errors.
void expectAttention(const AttentionCase &attention, bool isDecode);

/// What the kernels of a case compute over `operands`: [rows, heads · headDim].
struct AttentionRun {
  Tensor result;
  /// Of the kernel that reads the cache.
  ptx::Counters counters;
};
/// Texts that stand in for the kernels' own.
struct AttentionTexts {
  std::string kernel, combine;
};
llvm::Expected<AttentionRun> runAttention(const AttentionCase &attention, llvm::ArrayRef<Tensor> operands,
                                          bool isDecode, const AttentionTexts &texts = {});
/// "" where a result is within the bounds of the data.
std::string compareAttention(const AttentionData &data, const Tensor &result);

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_ATTENTIONCASE_H
