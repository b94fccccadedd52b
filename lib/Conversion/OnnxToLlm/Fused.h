//===- Fused.h - what recognisers of fused operators share --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_ONNXTOLLM_FUSED_H
#define QUANTOPT_LIB_CONVERSION_ONNXTOLLM_FUSED_H

#include "Match.h"
#include "Nodes.h"

namespace quantopt {

/// [B, S, heads · d] as [B, heads, S, d]: an llm.split_heads, or what an llm.merge_heads has just put together. Null
/// when `heads` does not divide the last dimension, or that is not known.
mlir::Value toHeads(mlir::Value value, int64_t heads, mlir::Operation *root, mlir::RewriterBase &rewriter);
/// Whether `toHeads` can do it.
bool hasHeads(mlir::Value value, int64_t heads);

/// Cosines and sines of the positions of some tokens, a row each.
struct RopeRows {
  mlir::Value cos, sin; // [B, S, half] or [1, S, half]
  bool isInterleaved = false;
};
/// `x` [B, heads, S, d], rotated: llm.rope.
mlir::Value createRope(mlir::Value x, const RopeRows &rows, mlir::Operation *root, mlir::RewriterBase &rewriter);

/// What hides positions of a cache from queries, as the nodes of an additive mask.
class MaskBuilder {
public:
  /// For queries q [B, heads, S, d] over `positions` (a scalar) cached ones.
  MaskBuilder(Nodes &nodes, mlir::Value query, mlir::Value positions)
      : nodes(nodes), query(query), positions(positions) {}

  /// A mask that the graph states, boolean or additive, that broadcasts to [B, heads, S, T]. Positions that it lacks at
  /// the end count as `false` or `fill`.
  void addStated(mlir::Value mask, double fill);
  /// Query s sees positions up to `past` + s; `past` is a scalar or [B, 1, 1, 1].
  void addCausal(mlir::Value past);
  /// As `addCausal`, but only the last `window` of these positions.
  void addWindow(mlir::Value past, int64_t window);
  /// Positions t < `lengths`[b].
  void addLengths(mlir::Value lengths);

  /// The mask in the element type of the queries; null when nothing is hidden.
  mlir::Value build();

private:
  void addCondition(mlir::Value condition);
  /// The last position that each query sees, [S, 1] or [B, 1, S, 1].
  mlir::Value lastSeen(mlir::Value past);
  mlir::Value padded(mlir::Value mask, double fill);

  Nodes &nodes;
  mlir::Value query, positions;
  mlir::Value condition; // a query sees the position; null: always
  mlir::Value bias;      // what is added; null: nothing
};

/// The operands of an attention; keys and values of the whole cache.
struct AttentionParts {
  mlir::Value query, key, value, mask = {};
  double scale = 1, softcap = 0;
  bool zeroMaskedRows = false;
  /// Whether the operator's result is [B, S, heads · d].
  bool isMerged = false;
};
/// llm.attention, in front of the root, with its result as the root states it.
mlir::Value createAttention(const AttentionParts &parts, mlir::RankedTensorType type, mlir::Operation *root,
                            mlir::RewriterBase &rewriter);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_ONNXTOLLM_FUSED_H
