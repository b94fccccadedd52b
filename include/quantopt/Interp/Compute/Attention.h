//===- Attention.h - attention over a cache -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_ATTENTION_H
#define QUANTOPT_INTERP_COMPUTE_ATTENTION_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::compute {

struct AttentionOptions {
  double scale = 1;
  /// Scores become softcap · tanh(score / softcap) before the mask; 0: they stay.
  double softcap = 0;
  /// Queries whose mask is -∞ everywhere give 0, as ONNX's Attention wants it; otherwise NaN, as the formula does.
  bool zeroMaskedRows = false;
};

/// softmax(scale · q kᵀ + mask) v per head: q [B, H, S, D], k [B, Hkv, T, D], v [B, Hkv, T, Dv]; query head h reads
/// head h / (H / Hkv). `mask` is additive, broadcasts to [B, H, S, T], and may be null. A row depends on its own query
/// and on the positions that its mask leaves, not on S or on how far the cache extends beyond them.
llvm::Expected<Tensor> attention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &mask,
                                 AttentionOptions options);

/// Which version of token t the query with cache index i reads: the rule of llm.mixed_attention.
struct ExactTokens {
  int64_t sinks = 0, residual = 0, keyBlock = 0;

  bool isExactKey(int64_t i, int64_t t) const {
    return t < sinks || (keyBlock ? (t / keyBlock + 1) * keyBlock > i : t + residual > i);
  }
  bool isExactValue(int64_t i, int64_t t) const { return t < sinks || t + residual > i; }
};

/// As `attention`, with `exactK` and `exactV` in place of k and v for the tokens that `tokens` says. The cache index of
/// query s is T - S + s.
llvm::Expected<Tensor> mixedAttention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &exactK,
                                      const Tensor &exactV, const Tensor &mask, AttentionOptions options,
                                      ExactTokens tokens);

/// x·cos + [−x₂, x₁]·sin for the halves x₁, x₂ of the first R elements of the rows of x [B, H, S, D], or for their even
/// and odd elements if `interleaved`; the others stay. cos and sin are [B, S, R] or [B, 1, S, R], where B and S may
/// be 1.
llvm::Expected<Tensor> rope(const Tensor &x, const Tensor &cos, const Tensor &sin, bool interleaved = false);

/// Where the cosines and sines of a rotary embedding are, and what they turn.
struct RotaryTables {
  /// [rows, half]: row `positions[b · S + s]` is for token s of batch b.
  Tensor cos, sin;
  llvm::SmallVector<int64_t> positions;
  /// Pairs are neighbours, not elements of the two halves.
  bool interleaved = false;
};
/// x [B, H, S, D] with the first 2·half elements of every head turned: (x₁·cos − x₂·sin, x₁·sin + x₂·cos).
llvm::Expected<Tensor> rotary(const Tensor &x, const RotaryTables &tables);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_ATTENTION_H
