//===- AttentionParts.h - what attention operators have in common -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_ONNX_ATTENTIONPARTS_H
#define QUANTOPT_LIB_INTERP_ONNX_ATTENTIONPARTS_H

#include "quantopt/Interp/Compute/Attention.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <limits>

namespace quantopt::interp {

constexpr double minusInfinity = -std::numeric_limits<double>::infinity();

/// Additive mask [B, 1, S, T] of `type` from a rule: 0 where `sees(batch, query, position)`, elsewhere `hidden`.
Tensor maskWhere(int64_t batches, int64_t queries, int64_t positions, DType type,
                 llvm::function_ref<bool(int64_t, int64_t, int64_t)> sees, double hidden = minusInfinity);

/// The sum of two masks, either of which may be null.
llvm::Expected<Tensor> addMasks(const Tensor &a, const Tensor &b);

/// The operands of an attention in [B, heads, S, D].
struct Heads {
  Tensor q, k, v;
  /// Whether the node states [B, S, heads · D].
  bool merged = false;
};
/// [B, S, heads · D] of each as [B, heads, S, D].
llvm::Error splitAll(Heads &heads, int64_t queryHeads, int64_t kvHeads);

/// Rows [B, H, S, D] behind those of a cache [B, H, P, D], which may be null.
llvm::Expected<Tensor> appendToCache(const Tensor &cache, const Tensor &rows);

/// Scores of an attention: 0 scaled, 1 after the cap, 2 with the mask, 3 the weights.
llvm::Expected<Tensor> scoresAt(int64_t mode, const Heads &heads, const Tensor &mask,
                                compute::AttentionOptions options);

/// Attention whose softmax has e^sink in its denominator besides, one sink for each query head.
llvm::Expected<Tensor> attentionWithSinks(const Heads &heads, const Tensor &mask, compute::AttentionOptions options,
                                          const Tensor &sinks);

} // namespace quantopt::interp

#endif // QUANTOPT_LIB_INTERP_ONNX_ATTENTIONPARTS_H
