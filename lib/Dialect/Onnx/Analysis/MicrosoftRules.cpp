//===- MicrosoftRules.cpp - inference rules of com.microsoft operators ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InferenceRules.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

/// [..., K] to [..., N].
static void inferMatMulNBits(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  std::optional<int64_t> columns = intOf(node, "N");
  if (outputs[0].shape && !outputs[0].shape->empty() && columns)
    outputs[0].shape->back() = SymbolicDim::constant(*columns);
}

/// The normalised sum; its mean and inverse deviation, which nobody reads; the sum.
static void inferSkipNormalization(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  for (unsigned i : {0u, 3u}) {
    if (i >= outputs.size())
      continue;
    outputs[i].elementType = inputOf(node, 0).elementType;
    outputs[i].shape = inputOf(node, 0).shape;
  }
}

/// Rows of a table of codes, packed two per byte where the table is bytes.
static void inferGatherBlockQuantized(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &data = inputOf(node, 0), &indices = inputOf(node, 1);
  outputs[0].elementType = inputOf(node, 2).elementType;
  if (!data.shape || !indices.shape || data.shape->empty() || !data.elementType || intOf(node, "gather_axis", 0) != 0)
    return;
  SymbolicDims shape = *indices.shape;
  shape.append(data.shape->begin() + 1, data.shape->end());
  int64_t bits = intOf(node, "bits", 4);
  bool isPacked =
      data.elementType.isIntOrFloat() && data.elementType.getIntOrFloatBitWidth() == 8 && bits > 0 && bits < 8;
  if (isPacked && data.shape->size() > 1)
    shape.back() = inference.dims.multiply(shape.back(), SymbolicDim::constant(8 / bits));
  outputs[0].shape = std::move(shape);
}

/// [B, S, (H + 2·Hkv)·d] or [B, S, H·d] with separate keys; caches [B, Hkv, rows, d]. How many rows a cache has after
/// it depends on values: it may be the one that is passed in, longer than what is filled of it.
static void inferGroupQueryAttention(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &query = inputOf(node, 0);
  for (Fact &output : outputs)
    output.elementType = query.elementType;
  int64_t heads = intOf(node, "num_heads", 0), cacheHeads = intOf(node, "kv_num_heads", 0);
  constexpr int64_t mostHeads = std::numeric_limits<int32_t>::max();
  if (!query.shape || query.shape->size() != 3 || heads <= 0 || cacheHeads <= 0 || heads > mostHeads ||
      cacheHeads > mostHeads)
    return;
  DimContext &dims = inference.dims;
  bool isPacked = inputOf(node, 1).isOmitted;
  SymbolicDim headSize =
      dims.divide(query.shape->back(), SymbolicDim::constant(isPacked ? heads + 2 * cacheHeads : heads));
  outputs[0].shape = query.shape;
  outputs[0].shape->back() = dims.multiply(headSize, SymbolicDim::constant(heads));
  SymbolicDim length = inference.newSize();
  for (unsigned i = 1; i < std::min<unsigned>(outputs.size(), 3); ++i) {
    outputs[i].shape = SymbolicDims{(*query.shape)[0], SymbolicDim::constant(cacheHeads), length, headSize};
    if (Type past = inputOf(node, 2 + i).elementType)
      outputs[i].elementType = past;
  }
}

/// Separate queries, keys and values [B, S, H·d].
static void inferMultiHeadAttention(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &query = inputOf(node, 0), &value = inputOf(node, 2);
  for (Fact &output : outputs)
    output.elementType = query.elementType;
  if (query.shape && query.shape->size() == 3 && value.shape && value.shape->size() == 3) {
    outputs[0].shape = query.shape;
    outputs[0].shape->back() = value.shape->back();
  }
}

InferenceRule onnx::findMicrosoftRule(StringRef type) {
  return llvm::StringSwitch<InferenceRule>(type)
      .Case("MatMulNBits", inferMatMulNBits)
      .Case("FusedMatMul", inferMatMul)
      .Cases({"BiasGelu", "FastGelu", "Gelu", "QuickGelu", "RotaryEmbedding"}, inferSame)
      .Cases({"SkipSimplifiedLayerNormalization", "SkipLayerNormalization"}, inferSkipNormalization)
      .Case("GatherBlockQuantized", inferGatherBlockQuantized)
      .Case("GroupQueryAttention", inferGroupQueryAttention)
      .Case("MultiHeadAttention", inferMultiHeadAttention)
      .Default(nullptr);
}
