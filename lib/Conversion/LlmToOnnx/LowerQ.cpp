//===- LowerQ.cpp - quantizers and quantized linears as standard nodes ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lowering.h"
#include "quantopt/Numerics/WeightLayout.h"

using namespace mlir;
using namespace quantopt;

/// Floors the scales of lib/Numerics/DynamicQuantizer.h.
static constexpr double smallestScale = 1e-8;
/// Sums of integers below it are exact in f32.
static constexpr int64_t exactInF32 = int64_t(1) << 24;

/// Bounds the scales that are stored as f16, in numerics::quantizeAsymmetric as here.
static constexpr double smallestHalf = 0x1p-24, greatestHalf = 65504;

static int64_t blockSize(int64_t groupSize, Value codes) { return groupSize ? groupSize : shapeOf(codes).back(); }

//===----------------------------------------------------------------------------===//
// Quantizing and dequantizing
//===----------------------------------------------------------------------------===//

Value Lowering::reduceGroups(StringRef type, StringRef step, Value value, int64_t groupSize) {
  SmallVector<int64_t> shape(shapeOf(value));
  if (!groupSize) {
    shape.back() = 1;
    return builder.node(type, step, elementOf(value), shape, {value, builder.ints({-1})}, builder.attr("keepdims", 1));
  }
  int64_t rank = shape.size(), size = shape.back(), groups = q::groupCount(size, groupSize);
  if (int64_t missing = groups * groupSize - size) {
    // Zeros change neither a greatest magnitude nor a range that contains zero.
    SmallVector<int64_t> pads(2 * rank, 0);
    pads.back() = missing;
    shape.back() += missing;
    value = builder.node("::Pad", (step + "_pad").str(), elementOf(value), shape, {value, builder.ints(pads)});
  }
  SmallVector<int64_t> target(rank - 1, 0);
  target.append({groups, groupSize});
  shape.back() = groups;
  SmallVector<int64_t> grouped(shape);
  grouped.push_back(groupSize);
  Value split = builder.reshape((step + "_groups").str(), value, target, grouped);
  return builder.node(type, step, elementOf(value), shape, {split, builder.ints({-1})}, builder.attr("keepdims", 0));
}

/// The scale that codes are made with, in the type it has in the IR.
Value Lowering::storedScale(Value scale, Type type) {
  if (!type.isF16())
    return scale;
  Type f32 = builder.getF32Type();
  Value bounds[] = {builder.scalar(f32, smallestHalf), builder.scalar(f32, greatestHalf)};
  return builder.cast("scale_f16", builder.like("::Clip", "scale_in_f16", {scale, bounds[0], bounds[1]}), type);
}

/// Codes of 8 bits as codes of `bits` bits in the type they have in the IR.
Value Lowering::clampCodes(Value codes, int64_t bits, Type codeType) {
  Type type = elementOf(codes);
  if (bits == int64_t(type.getIntOrFloatBitWidth()))
    return codes;
  int64_t least = type.isUnsignedInteger() ? 0 : -(1 << (bits - 1)), greatest = least + (1 << bits) - 1;
  Value clamped =
      builder.like("::Clip", "clamp_codes", {codes, builder.scalar(type, least), builder.scalar(type, greatest)});
  return builder.cast("codes", clamped, codeType);
}

LogicalResult Lowering::lower(q::QuantizeDynamicOp op) {
  int64_t bits = op.getBits(), groupSize = op.getGroupSize();
  if (int64_t(op.getAxis()) != -1)
    return op.emitOpError() << nodePrefix(op) << "has no ONNX form: expected groups along the last dimension";
  Type f32 = builder.getF32Type(), codeType = elementOf(op.getCodes());
  // QuantizeLinear saturates at the range of its type; where codes have fewer bits, it is at that of 8 bits.
  Type saturating = bits == int64_t(codeType.getIntOrFloatBitWidth())
                        ? codeType
                        : q::getCodeType(builder.getContext(), 8, bool(op.getZero()));
  Value x = builder.cast("float", get(op.getInput()), f32);
  // onnxruntime 1.31 moves a Transpose in front of a blocked QuantizeLinear behind it and forgets the scale. The
  // Reshape, which changes nothing, keeps them apart.
  if (shapeOf(x).size() == 4 && !ShapedType::isDynamic(shapeOf(x)[1]))
    x = builder.reshape("rows", x, {0, shapeOf(x)[1], -1, shapeOf(x)[3]}, shapeOf(x));
  ArrayRef<int64_t> shape = shapeOf(x);
  NamedAttribute axis = builder.attr("axis", -1), block = builder.attr("block_size", blockSize(groupSize, x));
  Value clip = builder.scalar(f32, op.getClip().convertToDouble()), floor = builder.scalar(f32, smallestScale);

  if (!op.getZero()) {
    Value magnitude = reduceGroups("::ReduceMax", "absmax", builder.like("::Abs", "abs", x), groupSize);
    Value clipped = builder.like("::Mul", "clip", {magnitude, clip});
    Value divided = builder.like("::Div", "divide", {clipped, builder.scalar(f32, (1 << (bits - 1)) - 1)});
    Value stored = storedScale(builder.like("::Max", "scale", {divided, floor}), elementOf(op.getScale()));
    Value scale = builder.cast("scale_as_stored", stored, f32);
    Value codes = builder.node("::QuantizeLinear", "quantize", saturating, shape, {x, scale},
                               {axis, block, builder.attr("output_dtype", getOnnxDataType(saturating))});
    map.map(op.getCodes(), clampCodes(codes, bits, codeType));
    map.map(op.getScale(), stored);
    return success();
  }
  Value nothing = builder.scalar(f32, 0), levels = builder.scalar(f32, (1 << bits) - 1);
  auto bound = [&](StringRef reduce, StringRef limit, StringRef step) {
    Value extreme = reduceGroups(reduce, step, x, groupSize);
    Value limited = builder.like(limit, (step + "_or_zero").str(), {extreme, nothing});
    return builder.like("::Mul", (step + "_clipped").str(), {limited, clip});
  };
  Value high = bound("::ReduceMax", "::Max", "max"), low = bound("::ReduceMin", "::Min", "min");
  Value range = builder.like("::Sub", "range", {high, low});
  Value unrounded = builder.like("::Max", "scale", {builder.like("::Div", "divide", {range, levels}), floor});
  Value stored = storedScale(unrounded, elementOf(op.getScale())), scale = builder.cast("scale_as_stored", stored, f32);
  Value shift = builder.like("::Div", "shift", {builder.like("::Neg", "negate", low), scale});
  Value rounded = builder.like("::Round", "round", shift);
  Value clamped = builder.like("::Clip", "clamp", {rounded, nothing, levels});
  Value zero = builder.cast("zero_point", clamped, codeType),
        codeZero = builder.cast("zero_point", clamped, saturating);
  Value codes = builder.node("::QuantizeLinear", "quantize", saturating, shape, {x, scale, codeZero}, {axis, block});
  map.map(op.getCodes(), clampCodes(codes, bits, codeType));
  map.map(op.getScale(), stored);
  map.map(op.getZero(), zero);
  return success();
}

Value Lowering::dequantizeLinear(StringRef step, Value codes, Value scale, Value zero, int64_t axis,
                                 int64_t blockSize) {
  SmallVector<Value> inputs{codes, scale};
  if (zero)
    inputs.push_back(zero);
  return builder.sharedNode("::DequantizeLinear", step, elementOf(scale), shapeOf(codes), inputs,
                            {builder.attr("axis", axis), builder.attr("block_size", blockSize)});
}

Value Lowering::lower(q::DequantizeOp op) {
  Value zero = op.getZero() ? get(op.getZero()) : Value(), codes = get(op.getCodes());
  Value scale = get(op.getScale());
  // DequantizeLinear computes in the type of its scale.
  if (elementOf(scale).isF16() && elementOf(op.getResult()).isF32())
    scale = builder.cast("scale_as_stored", scale, builder.getF32Type());
  Value result = dequantizeLinear("dequantize", codes, scale, zero, -1, blockSize(op.getGroupSize(), codes));
  return builder.cast("narrow", result, elementOf(op.getResult()));
}

//===----------------------------------------------------------------------------===//
// Linears
//===----------------------------------------------------------------------------===//

Value Lowering::lower(q::LinearOp op) {
  bool isGrouped = op.getInputGroupSize() || op.getWeightGroupSize();
  Value product = isGrouped ? groupedProduct(op) : quantizedProduct(op);
  product = builder.cast("narrow", product, elementOf(op.getResult()));
  return addBias(product, op.getBias() ? get(op.getBias()) : Value());
}

std::pair<Value, Value> Lowering::pack(StringRef layout, Value codes, Value scale, int64_t groupSize) {
  int64_t out = shapeOf(codes)[0], in = shapeOf(codes)[1], groups = shapeOf(scale)[1];
  Type element = elementOf(codes);
  SmallVector<int64_t> shape{in, out}, scaleShape{groups, out};
  if (layout == numerics::matMulNBitsLayout) {
    shape = {out, groups, groupSize * int64_t(element.getIntOrFloatBitWidth()) / 8};
    scaleShape = {out, groups};
    element = builder.getIntegerType(8, /*isSigned=*/false);
  } else if (groups == 1) {
    scaleShape = {out};
  }
  auto packed = q::PackOp::create(builder, codes.getLoc(), RankedTensorType::get(shape, element),
                                  RankedTensorType::get(scaleShape, elementOf(scale)), codes, scale, layout, groupSize);
  return {packed.getPacked(), packed.getPackedScale()};
}

/// One scale per row on both sides: integer sums, computed in f32 where they are exact there and in f64 elsewhere.
Value Lowering::quantizedProduct(q::LinearOp op) {
  Value x = get(op.getInput());
  int64_t bits = elementOf(x).getIntOrFloatBitWidth() + elementOf(op.getWeight()).getIntOrFloatBitWidth() - 2;
  Type f32 = builder.getF32Type(), exact = shapeOf(x).back() << bits < exactInF32 ? f32 : builder.getF64Type();
  auto [weight, weightScale] = pack(numerics::inOutLayout, op.getWeight(), op.getWeightScale(), 0);
  Value codes = builder.cast("input_codes", x, exact);
  Value sum = builder.node("::MatMul", "matmul", exact, shapeOf(op.getResult()),
                           {codes, builder.cast("weight_codes", weight, exact)});
  sum = builder.cast("sum", sum, f32);
  Value inputScale = builder.cast("scale_as_stored", get(op.getInputScale()), f32);
  Value scaled = builder.like("::Mul", "input_scale", {sum, inputScale});
  return builder.like("::Mul", "weight_scale", {scaled, weightScale});
}

Value Lowering::groupedProduct(q::LinearOp op) {
  Value x = get(op.getInput());
  int64_t groupSize = op.getWeightGroupSize();
  auto [weight, weightScale] = pack(numerics::inOutLayout, op.getWeight(), op.getWeightScale(), groupSize);
  Value inputScale = builder.cast("scale_as_stored", get(op.getInputScale()), builder.getF32Type());
  Value input = dequantizeLinear("input", x, inputScale, {}, -1, blockSize(op.getInputGroupSize(), x));
  // A scale per column alone has no blocks: axis 1 instead.
  bool isPerColumn = shapeOf(weightScale).size() == 1;
  Value values = isPerColumn ? dequantizeLinear("weight", weight, weightScale, {}, 1, 0)
                             : dequantizeLinear("weight", weight, weightScale, {}, 0, groupSize);
  return builder.node("::MatMul", "matmul", builder.getF32Type(), shapeOf(op.getResult()), {input, values});
}

/// Block sizes that onnxruntime's MatMulNBits takes.
static bool isMatMulNBitsBlock(int64_t size) { return size >= 16 && size <= 256 && (size & (size - 1)) == 0; }

Value Lowering::weightOnlyLinear(llm::LinearOp op, q::DequantizeOp weight) {
  Value x = get(op.getInput()), codes = weight.getCodes();
  int64_t outputs = shapeOf(codes)[0], inputs = shapeOf(codes)[1], group = weight.getGroupSize();
  int64_t bits = elementOf(codes).getIntOrFloatBitWidth();
  if (weight.getZero() || !isMatMulNBitsBlock(group)) {
    // Beside Transpose, onnxruntime does not replace the pair by a MatMulNBits that rounds activations.
    Value values = dequantizeLinear("weight", codes, weight.getScale(), weight.getZero(), 1, blockSize(group, codes));
    values = builder.transpose("weight_transposed", values, {1, 0});
    Value product = builder.node("::MatMul", "matmul", elementOf(x), shapeOf(op.getResult()), {x, values});
    return addBias(product, op.getBias() ? get(op.getBias()) : Value());
  }
  auto [packed, scale] = pack(numerics::matMulNBitsLayout, codes, weight.getScale(), group);
  SmallVector<Value> operands{x, packed, scale};
  if (op.getBias()) {
    Value none = onnx::NoValueOp::create(builder, op.getLoc(), builder.getNoneType());
    operands.append({none, none, get(op.getBias())});
  }
  return builder.node("com.microsoft::MatMulNBits", "matmul", elementOf(x), shapeOf(op.getResult()), operands,
                      {builder.attr("K", inputs), builder.attr("N", outputs),
                       builder.attr("accuracy_level", options.accuracyLevel), builder.attr("bits", bits),
                       builder.attr("block_size", group)});
}

Value Lowering::gatherQuantized(llm::EmbeddingOp op, q::DequantizeOp table) {
  Value codes = table.getCodes(), scale = table.getScale(), zero = table.getZero();
  int64_t group = table.getGroupSize();
  if (elementOf(codes).getIntOrFloatBitWidth() != 4 || !isMatMulNBitsBlock(group) ||
      elementOf(scale) != elementOf(op.getResult()))
    return {};
  SmallVector<Value> operands{codes, get(op.getIds()), scale};
  if (zero)
    operands.push_back(zero);
  return builder.node(
      "com.microsoft::GatherBlockQuantized", "gather", elementOf(op.getResult()), shapeOf(op.getResult()), operands,
      {builder.attr("block_size", group), builder.attr("gather_axis", 0), builder.attr("quantize_axis", 1)});
}
