//===- LowerLlm.cpp - the layers of a decoder as standard nodes ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lowering.h"

using namespace mlir;
using namespace quantopt;

/// Weights of more elements keep their [out, in] order, and a Transpose stands in the graph: their expressions are then
/// evaluated a few rows at a time, however large the vocabulary is.
static constexpr int64_t largestTransposedWeight = int64_t(1) << 24;

Value Lowering::lower(llm::EmbeddingOp op) {
  return builder.node("::Gather", "gather", elementOf(op.getResult()), shapeOf(op.getResult()),
                      {get(op.getTable()), get(op.getIds())}, builder.attr("axis", 0));
}

Value Lowering::lower(llm::RmsNormOp op) {
  Type f32 = builder.getF32Type(), type = elementOf(op.getResult());
  Value x = builder.cast("float", get(op.getInput()), f32);
  SmallVector<int64_t> rows(shapeOf(x));
  rows.back() = 1;
  Value square = builder.like("::Pow", "square", {x, builder.scalar(f32, 2)});
  Value mean =
      builder.node("::ReduceMean", "mean", f32, rows, {square, builder.ints({-1})}, builder.attr("keepdims", 1));
  Value shifted = builder.like("::Add", "add_eps", {mean, builder.scalar(f32, op.getEps().convertToDouble())});
  Value root = builder.like("::Sqrt", "sqrt", shifted);
  Value result = builder.cast("narrow", builder.like("::Div", "normalize", {x, root}), type);
  if (op.getScale())
    result = builder.like("::Mul", "scale", {result, get(op.getScale())});
  return result;
}

Value Lowering::lower(llm::LinearOp op) {
  auto dequantize = op.getWeight().getDefiningOp<q::DequantizeOp>();
  if (dequantize && param::isWeightExpression(dequantize.getCodes()))
    return weightOnlyLinear(op, dequantize);
  return addBias(multiply(get(op.getInput()), get(op.getWeight()), shapeOf(op.getResult())), get(op.getBias()));
}

Value Lowering::multiply(Value x, Value weight, ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(weight.getType());
  bool isInPlace = !param::isWeightExpression(weight) || type.getNumElements() > largestTransposedWeight;
  Value transposed = isInPlace ? builder.transpose("weight", weight, {1, 0}) : transposedWeight(weight);
  return builder.node("::MatMul", "matmul", elementOf(x), shape, {x, transposed});
}

Value Lowering::transposedWeight(Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  auto transposed = RankedTensorType::get({type.getDimSize(1), type.getDimSize(0)}, type.getElementType());
  transposed = rot::withBasis(transposed, 0, rot::getBasis(type, 1));
  transposed = rot::withBasis(transposed, 1, rot::getBasis(type, 0));
  return builder.createOrFold<param::TransposeOp>(weight.getLoc(), transposed, weight);
}

Value Lowering::addBias(Value product, Value bias) {
  return bias ? builder.like("::Add", "bias", {product, bias}) : product;
}

Value Lowering::lower(llm::ResidualAddOp op) {
  return builder.like("::Add", "add", {get(op.getLhs()), get(op.getRhs())});
}

Value Lowering::lower(llm::SwigluOp op) {
  Value gate = get(op.getGate());
  Value sigmoid = builder.like("::Sigmoid", "sigmoid", gate);
  Value silu = builder.like("::Mul", "silu", {gate, sigmoid});
  return builder.like("::Mul", "mul", {silu, get(op.getUp())});
}

Value Lowering::lower(llm::SplitHeadsOp op) {
  Value x = get(op.getInput());
  int64_t heads = shapeOf(op.getResult())[1], size = shapeOf(op.getResult())[3];
  Value split = builder.reshape("split", x, {0, 0, heads, size}, {shapeOf(x)[0], shapeOf(x)[1], heads, size});
  return builder.transpose("heads", split, {0, 2, 1, 3});
}

Value Lowering::lower(llm::MergeHeadsOp op) {
  Value x = get(op.getInput());
  Value rows = builder.transpose("rows", x, {0, 2, 1, 3});
  int64_t width = shapeOf(x)[1] * shapeOf(x)[3];
  return builder.reshape("merge", rows, {0, 0, width}, {shapeOf(x)[0], shapeOf(x)[2], width});
}

Value Lowering::lower(llm::RopeOp op) {
  Value x = get(op.getInput());
  SmallVector<int64_t> half(shapeOf(x));
  int64_t size = half[3];
  half[3] /= 2;
  // [B, S, d] tables serve all heads.
  auto table = [&](StringRef step, Value old) {
    Value value = get(old);
    ArrayRef<int64_t> shape = shapeOf(value);
    if (shape.size() == 4)
      return value;
    return builder.sharedNode("::Unsqueeze", step, elementOf(value), {shape[0], 1, shape[1], shape[2]},
                              {value, builder.ints({1})});
  };
  auto slice = [&](StringRef step, int64_t begin, int64_t end) {
    return builder.node("::Slice", step, elementOf(x), half,
                        {x, builder.ints({begin}), builder.ints({end}), builder.ints({3})});
  };
  Value cos = table("cos", op.getCos()), sin = table("sin", op.getSin());
  Value first = slice("first_half", 0, size / 2), second = slice("second_half", size / 2, size);
  Value negated = builder.like("::Neg", "negate", second);
  Value rotated =
      builder.node("::Concat", "rotate_half", elementOf(x), shapeOf(x), {negated, first}, builder.attr("axis", 3));
  Value even = builder.like("::Mul", "mul_cos", {x, cos}), odd = builder.like("::Mul", "mul_sin", {rotated, sin});
  return builder.like("::Add", "add", {even, odd});
}

Value Lowering::lower(llm::KvAppendOp op) {
  return builder.node("::Concat", "append", elementOf(op.getResult()), shapeOf(op.getResult()),
                      {get(op.getCache()), get(op.getRows())}, builder.attr("axis", 2));
}

/// Query heads that share a cache head are stacked along the sequence, so that keys and values are read as they lie:
/// [B, heads, S, d] is [B, kv_heads, heads/kv_heads·S, d].
Value Lowering::lower(llm::AttentionOp op) {
  Value q = get(op.getQuery()), k = get(op.getKey()), v = get(op.getValue());
  Type type = elementOf(q);
  int64_t heads = shapeOf(q)[1], kvHeads = shapeOf(k)[1], batch = shapeOf(q)[0], rows = shapeOf(q)[2];
  int64_t headSize = shapeOf(q)[3], length = shapeOf(k)[2], valueSize = shapeOf(v)[3];
  bool isGrouped = heads != kvHeads;
  int64_t stacked = ShapedType::isDynamic(rows) ? rows : rows * (heads / kvHeads);
  auto stack = [&](StringRef step, Value value, int64_t last) {
    return isGrouped ? builder.reshape(step, value, {0, kvHeads, -1, 0}, {batch, kvHeads, stacked, last}) : value;
  };
  auto unstack = [&](StringRef step, Value value, int64_t last) {
    return isGrouped ? builder.reshape(step, value, {0, heads, -1, 0}, {batch, heads, rows, last}) : value;
  };

  Value scaled = builder.like("::Mul", "scale", {q, builder.scalar(type, op.getScale().convertToDouble())});
  Value keys = builder.transpose("keys", k, {0, 1, 3, 2});
  Value product = builder.node("::MatMul", "scores", type, {batch, kvHeads, isGrouped ? stacked : rows, length},
                               {stack("group_queries", scaled, headSize), keys});
  Value scores = unstack("ungroup_scores", product, length);
  if (op.getMask())
    scores = builder.like("::Add", "mask", {scores, get(op.getMask())});
  Value weights = builder.like("::Softmax", "softmax", scores, builder.attr("axis", -1));
  Value mixed = builder.node("::MatMul", "mix", type, {batch, kvHeads, isGrouped ? stacked : rows, valueSize},
                             {stack("group_weights", weights, length), v});
  return unstack("ungroup", mixed, valueSize);
}
