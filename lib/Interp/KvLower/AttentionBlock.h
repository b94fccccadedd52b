//===- AttentionBlock.h - the ops of one layer's attention -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_KVLOWER_ATTENTIONBLOCK_H
#define QUANTOPT_LIB_INTERP_KVLOWER_ATTENTIONBLOCK_H

#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

/// How rows that enter a cache are quantized; not at all without a quantizer.
struct CacheQuantizer {
  q::QuantizeDynamicOp quantize;
  /// The layout for pages of that many tokens. Fails, with a diagnostic, for what no layout says.
  mlir::FailureOr<tile::CacheAttr> makeCache(int64_t headDim, int64_t pageTokens, mlir::Operation *extension) const;
};

/// One llm.attention with everything between the linears before and the linear behind it.
struct AttentionBlock {
  llm::AttentionOp attention;
  /// llm.kv_append or llm.kv_write.
  mlir::Operation *keyExtension = nullptr, *valueExtension = nullptr;
  /// Rows of the linears, [B, S, heads·d].
  mlir::Value query, key, value;
  /// Tables of the positions.
  mlir::Value cos, sin;
  /// Of queries and keys, after RoPE; null for none.
  rot::Transform transform;
  CacheQuantizer keyQuantizer, valueQuantizer;
  /// The result, [B, S, heads·d].
  llm::MergeHeadsOp merged;
};

/// The block of an attention. A diagnostic names what has another form.
mlir::FailureOr<AttentionBlock> matchAttentionBlock(llm::AttentionOp attention);

} // namespace quantopt

#endif // QUANTOPT_LIB_INTERP_KVLOWER_ATTENTIONBLOCK_H
