//===- LowerLlm.cpp - the layers of a decoder as standard nodes ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lowering.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;

/// Weights of more elements keep their [out, in] order, and a Transpose stands in the graph: their expressions are then
/// evaluated a few rows at a time, however large the vocabulary is.
static constexpr int64_t largestTransposedWeight = int64_t(1) << 24;

Value Lowering::lower(llm::EmbeddingOp op) {
  auto table = op.getTable().getDefiningOp<q::DequantizeOp>();
  if (Value rows = table && param::isWeightExpression(table.getCodes()) ? gatherQuantized(op, table) : Value())
    return rows;
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

/// (x - mean) / sqrt(mean((x - mean)²) + eps) in f32. onnxruntime fuses it again; LayerNormalization itself demands a
/// scale.
Value Lowering::lower(llm::LayerNormOp op) {
  Type f32 = builder.getF32Type(), type = elementOf(op.getResult());
  Value x = builder.cast("float", get(op.getInput()), f32);
  SmallVector<int64_t> rows(shapeOf(x));
  rows.back() = 1;
  auto mean = [&](StringRef step, Value value) {
    return builder.node("::ReduceMean", step, f32, rows, {value, builder.ints({-1})}, builder.attr("keepdims", 1));
  };
  Value centred = builder.like("::Sub", "centre", {x, mean("mean", x)});
  Value square = builder.like("::Pow", "square", {centred, builder.scalar(f32, 2)});
  Value shifted =
      builder.like("::Add", "add_eps", {mean("variance", square), builder.scalar(f32, op.getEps().convertToDouble())});
  Value root = builder.like("::Sqrt", "sqrt", shifted);
  Value result = builder.cast("narrow", builder.like("::Div", "normalize", {centred, root}), type);
  if (op.getScale())
    result = builder.like("::Mul", "scale", {result, get(op.getScale())});
  return addBias(result, get(op.getBias()));
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

Value Lowering::gelu(Value x, llm::GeluForm form) {
  Type type = elementOf(x);
  auto times = [&](StringRef step, Value value, double factor) {
    return builder.like("::Mul", step, {value, builder.scalar(type, factor)});
  };
  Value inner;
  if (form.isTanh) {
    Value cube = times("cubic", builder.like("::Pow", "cube", {x, builder.scalar(type, 3)}), form.cubic);
    inner = builder.like("::Tanh", "tanh", times("root", builder.like("::Add", "inner", {x, cube}), form.factor));
  } else {
    inner = builder.like("::Erf", "erf", times("root", x, form.factor));
  }
  Value share = times("half", builder.like("::Add", "one", {inner, builder.scalar(type, 1)}), 0.5);
  return builder.like("::Mul", "gelu", {x, share});
}

Value Lowering::lower(llm::GegluOp op) {
  return builder.like("::Mul", "mul", {gelu(get(op.getGate()), op.getGelu()), get(op.getUp())});
}

Value Lowering::lower(llm::ActivationOp op) {
  Value x = get(op.getInput());
  if (op.getFunction().starts_with("gelu"))
    return gelu(x, op.getGelu());
  Value positive = builder.like("::Relu", "relu", x);
  return op.getFunction() == "relu" ? positive : builder.like("::Mul", "square", {positive, positive});
}

Value Lowering::lower(llm::ScaleOp op) {
  Value x = get(op.getInput());
  return builder.like("::Mul", "scale", {x, builder.scalar(elementOf(x), op.getFactor().convertToDouble())});
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
  SmallVector<int64_t> turned(shapeOf(x));
  int64_t size = turned[3], width = shapeOf(op.getCos()).back();
  // [B, S, r] tables serve all heads.
  auto table = [&](StringRef step, Value old) {
    Value value = get(old);
    ArrayRef<int64_t> shape = shapeOf(value);
    if (shape.size() == 4)
      return value;
    return builder.sharedNode("::Unsqueeze", step, elementOf(value), {shape[0], 1, shape[1], shape[2]},
                              {value, builder.ints({1})});
  };
  auto slice = [&](StringRef step, Value value, int64_t begin, int64_t end, int64_t stride = 1) {
    SmallVector<int64_t> shape(shapeOf(value));
    shape[3] = (end - begin + stride - 1) / stride;
    SmallVector<Value> inputs{value, builder.ints({begin}), builder.ints({end}), builder.ints({3})};
    if (stride != 1)
      inputs.push_back(builder.ints({stride}));
    return builder.node("::Slice", step, elementOf(x), shape, inputs);
  };
  auto concat = [&](StringRef step, ArrayRef<int64_t> shape, Value first, Value second) {
    return builder.node("::Concat", step, elementOf(x), shape, {first, second}, builder.attr("axis", 3));
  };
  Value cos = table("cos", op.getCos()), sin = table("sin", op.getSin());
  Value part = width == size ? x : slice("rotary", x, 0, width);
  turned[3] = width;
  Value rotated;
  if (op.getInterleaved()) {
    // [-x₂, x₁] of neighbours: negated odd elements and even ones as the two columns of a last dimension of 2.
    SmallVector<int64_t> pairs(turned), wide(turned);
    pairs[3] = width / 2;
    pairs.push_back(1);
    auto column = [&](StringRef step, Value value) {
      return builder.reshape(step, value, {0, 0, 0, width / 2, 1}, pairs);
    };
    wide[3] = width / 2;
    wide.push_back(2);
    Value odd = column("odd_column", builder.like("::Neg", "negate", slice("odd", part, 1, width, 2)));
    Value even = column("even_column", slice("even", part, 0, width, 2));
    Value both = builder.node("::Concat", "interleave", elementOf(x), wide, {odd, even}, builder.attr("axis", 4));
    rotated = builder.reshape("rotate_pairs", both, {0, 0, 0, width}, turned);
  } else {
    Value first = slice("first_half", part, 0, width / 2), second = slice("second_half", part, width / 2, width);
    rotated = concat("rotate_half", turned, builder.like("::Neg", "negate", second), first);
  }
  Value even = builder.like("::Mul", "mul_cos", {part, cos}), odd = builder.like("::Mul", "mul_sin", {rotated, sin});
  Value result = builder.like("::Add", "add", {even, odd});
  return width == size ? result : concat("join", shapeOf(x), result, slice("pass", x, width, size));
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
  if (double cap = op.getSoftcap().convertToDouble()) {
    Value shrunk = builder.like("::Div", "shrink", {scores, builder.scalar(type, cap)});
    scores = builder.like("::Mul", "softcap", {builder.like("::Tanh", "tanh", shrunk), builder.scalar(type, cap)});
  }
  if (op.getMask())
    scores = builder.like("::Add", "mask", {scores, get(op.getMask())});
  Value weights = builder.like("::Softmax", "softmax", scores, builder.attr("axis", -1));
  if (op.getMask() && op.getZeroMaskedRows()) {
    Value isNaN = builder.node("::IsNaN", "is_nan", builder.getI1Type(), shapeOf(weights), weights);
    weights = builder.node("::Where", "no_nan", type, shapeOf(weights), {isNaN, builder.scalar(type, 0), weights});
  }
  Value mixed = builder.node("::MatMul", "mix", type, {batch, kvHeads, isGrouped ? stacked : rows, valueSize},
                             {stack("group_weights", weights, length), v});
  return unstack("ungroup", mixed, valueSize);
}
