//===- AttentionBlock.cpp - the ops of one layer's attention ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionBlock.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;

static LogicalResult refuse(Operation *op, const Twine &message) {
  return op->emitError() << nodePrefix(op) << "llm-kv-lower: " << message;
}

/// The rows that become heads.
static FailureOr<Value> matchSplit(Value heads, Operation *reader) {
  auto split = heads.getDefiningOp<llm::SplitHeadsOp>();
  if (!split)
    return refuse(reader, "expected queries, keys and values to be split into heads and then to have RoPE at most");
  return split.getInput();
}

/// A change of basis of the last dimension alone, from the standard one.
static FailureOr<rot::Transform> matchTransform(rot::ConvertOp convert) {
  auto from = cast<RankedTensorType>(convert.getInput().getType()), to = cast<RankedTensorType>(convert.getType());
  int64_t last = from.getRank() - 1;
  if (rot::getBasis(from, last) || rot::withBasis(from, last, rot::getBasis(to, last)) != to)
    return refuse(convert, "expected queries and keys to be rotated per head, out of the standard basis");
  return rot::getBasis(to, last);
}

namespace {
/// Queries or keys: a linear, RoPE, and a transform.
struct Rotated {
  Value rows, cos, sin;
  rot::Transform transform;
};
} // namespace

static FailureOr<Rotated> matchRotated(Value heads, Operation *reader) {
  Rotated rotated;
  if (auto convert = heads.getDefiningOp<rot::ConvertOp>()) {
    FailureOr<rot::Transform> transform = matchTransform(convert);
    if (failed(transform))
      return failure();
    rotated.transform = *transform;
    heads = convert.getInput();
  }
  auto rope = heads.getDefiningOp<llm::RopeOp>();
  if (!rope)
    return refuse(reader, "expected RoPE on queries and keys");
  if (rope.getInterleaved())
    return refuse(rope, "there is no kernel for interleaved RoPE");
  FailureOr<Value> rows = matchSplit(rope.getInput(), rope);
  if (failed(rows))
    return failure();
  rotated.rows = *rows;
  rotated.cos = rope.getCos();
  rotated.sin = rope.getSin();
  return rotated;
}

/// What is quantized on its way into the cache, or the rows themselves.
static FailureOr<Value> matchQuantizer(Operation *extension, CacheQuantizer &quantizer) {
  Value rows = extension->getOperand(1);
  auto dequantize = rows.getDefiningOp<q::DequantizeOp>();
  if (!dequantize)
    return rows;
  quantizer.quantize = dequantize.getCodes().getDefiningOp<q::QuantizeDynamicOp>();
  if (!quantizer.quantize || dequantize.getScale() != quantizer.quantize.getScale() ||
      dequantize.getZero() != quantizer.quantize.getZero())
    return refuse(extension, "expected rows quantized by q.quantize_dynamic to enter the cache");
  return quantizer.quantize.getInput();
}

FailureOr<tile::CacheAttr> CacheQuantizer::makeCache(int64_t headDim, int64_t pageTokens, Operation *extension) const {
  MLIRContext *context = extension->getContext();
  Builder builder(context);
  auto emit = [&] { return extension->emitError() << nodePrefix(extension) << "llm-kv-lower: "; };
  q::QuantizeDynamicOp op = quantize;
  auto make = [&](int64_t bits, int64_t group, double clip, tile::Scheme scheme, tile::ScaleType scale) {
    return tile::CacheAttr::getChecked(emit, context, bits, headDim, group, pageTokens, builder.getF64FloatAttr(clip),
                                       scheme, scale);
  };
  tile::CacheAttr cache;
  if (!op) {
    cache = make(16, headDim, 1.0, tile::Scheme::asym, tile::ScaleType::f16);
  } else {
    int64_t group = int64_t(op.getGroupSize()) ? int64_t(op.getGroupSize()) : headDim;
    bool isHalf = typeOf(op.getScale()).getElementType().isF16();
    cache =
        make(op.getBits(), group, op.getClip().convertToDouble(), op.getZero() ? tile::Scheme::asym : tile::Scheme::sym,
             isHalf ? tile::ScaleType::f16 : tile::ScaleType::f32);
  }
  if (!cache)
    return failure();
  return cache;
}

FailureOr<AttentionBlock> quantopt::matchAttentionBlock(llm::AttentionOp attention) {
  AttentionBlock block;
  block.attention = attention;
  block.keyExtension = attention.getKey().getDefiningOp();
  block.valueExtension = attention.getValue().getDefiningOp();
  auto extendsArgument = [](Operation *op) {
    return llm::isCacheExtension(op) && isa<BlockArgument>(op->getOperand(0));
  };
  if (!extendsArgument(block.keyExtension) || !extendsArgument(block.valueExtension))
    return refuse(attention, "expected keys and values to be appended to caches that are arguments of the function, or "
                             "written into them");
  if (!attention.getMask())
    return refuse(attention, "expected a mask: attention without one is not causal");

  FailureOr<Value> keys = matchQuantizer(block.keyExtension, block.keyQuantizer);
  FailureOr<Value> values = matchQuantizer(block.valueExtension, block.valueQuantizer);
  if (failed(keys) || failed(values))
    return failure();
  FailureOr<Rotated> query = matchRotated(attention.getQuery(), attention);
  if (failed(query))
    return failure();
  FailureOr<Rotated> key = matchRotated(*keys, block.keyExtension);
  if (failed(key))
    return failure();
  FailureOr<Value> value = matchSplit(*values, block.valueExtension);
  if (failed(value))
    return failure();
  if (query->cos != key->cos || query->sin != key->sin || query->transform != key->transform)
    return refuse(attention, "expected queries and keys with the same RoPE and rotation");
  block.query = query->rows;
  block.key = key->rows;
  block.value = *value;
  block.cos = key->cos;
  block.sin = key->sin;
  block.transform = key->transform;

  if (attention->hasOneUse())
    block.merged = dyn_cast<llm::MergeHeadsOp>(*attention->user_begin());
  if (!block.merged)
    return refuse(attention, "expected the heads of the result to be merged, and nothing else to read it");
  return block;
}
