//===- WeightExpressions.cpp - what the graph makes of its parameters ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "WeightExpressions.h"
#include "Evaluate.h"
#include "Match.h"
#include "quantopt/Dialect/Onnx/IR/Axis.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

//===----------------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------------===//

Value WeightExpressions::transpose(Value weight) {
  RankedTensorType type = typeOf(weight);
  auto swapped = RankedTensorType::get({type.getDimSize(1), type.getDimSize(0)}, type.getElementType());
  return rewriter.createOrFold<param::TransposeOp>(location, swapped, weight);
}

Value WeightExpressions::reshape(Value weight, ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, typeOf(weight).getElementType());
  if (type.getNumElements() != typeOf(weight).getNumElements())
    return {};
  return rewriter.createOrFold<param::ReshapeOp>(location, type, weight);
}

Value WeightExpressions::multiply(Value weight, float factor) {
  if (factor == 1)
    return weight;
  auto type = RankedTensorType::get({typeOf(weight).getDimSize(0)}, rewriter.getF32Type());
  Value factors =
      param::ConstantOp::create(rewriter, location, "factor", DenseElementsAttr::get(type, APFloat(factor)));
  return param::ScaleOp::create(rewriter, location, weight.getType(), weight, factors, rewriter.getI64IntegerAttr(0),
                                UnitAttr());
}

Value WeightExpressions::unpack(Value bytes, ArrayRef<int64_t> shape, int64_t bits, int64_t codesPerBlock,
                                bool isUnsigned) {
  if ((bits != 2 && bits != 4 && bits != 8) || !typeOf(bytes).getElementType().isUnsignedInteger(8))
    return {};
  int64_t blocks = llvm::divideCeil(shape[1], codesPerBlock);
  int64_t bytesPerRow = llvm::divideCeil(blocks * codesPerBlock * bits, 8);
  if (typeOf(bytes).getRank() < 2 || typeOf(bytes).getDimSize(0) != shape[0])
    bytes = reshape(bytes, {shape[0], bytesPerRow});
  if (!bytes || typeOf(bytes).getNumElements() != shape[0] * bytesPerRow)
    return {};
  auto type = RankedTensorType::get(shape, q::getCodeType(rewriter.getContext(), bits, isUnsigned));
  return q::UnpackOp::create(rewriter, location, type, bytes, bits);
}

Value WeightExpressions::dequantize(Value codes, Value scale, Value zero, int64_t groupSize, Type elementType) {
  auto type = RankedTensorType::get(typeOf(codes).getShape(), elementType);
  return q::DequantizeOp::create(rewriter, location, type, codes, scale, zero, groupSize);
}

//===----------------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------------===//

/// Whether the numbers are those of the file: nothing has rounded them.
static bool isStored(Value weight) {
  Operation *op = weight.getDefiningOp();
  if (isa<param::TransposeOp, param::ReshapeOp, param::BroadcastOp>(op))
    return isStored(op->getOperand(0));
  return isa<param::LoadOp, param::ConstantOp>(op);
}

/// A constant that is a node of the graph, in the IR or, when it is large, in the file.
Value WeightExpressions::buildConstant(Operation *constant) {
  auto type = dyn_cast<RankedTensorType>(constant->getResult(0).getType());
  Attribute stated = cast<NodeOpInterface>(constant).getNodeAttr("value");
  if (auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(stated); symbol && type)
    return param::LoadOp::create(rewriter, location, TypeRange(type), symbol).getResult(0);
  DenseElementsAttr value = onnx::getConstant(constant->getResult(0));
  if (!value || !value.getElementType().isF32())
    return {};
  return param::ConstantOp::create(rewriter, location, "constant", value);
}

/// A cast between floating-point types. An expression rounds once, at its end: a number that was rounded before cannot
/// be widened.
Value WeightExpressions::buildCast(Operation *cast, bool transposed) {
  auto to = dyn_cast<FloatType>(getElementTypeOrSelf(cast->getResult(0).getType()));
  Value weight = build(cast->getOperand(0), transposed);
  auto from = weight ? dyn_cast<FloatType>(typeOf(weight).getElementType()) : FloatType();
  if (!to || !from || (!isStored(weight) && to.getWidth() >= from.getWidth() && to != from))
    return {};
  return rewriter.createOrFold<param::CastOp>(location, typeOf(weight).clone(to), weight);
}

/// A weight plus one number, as norms are scaled that store what differs from 1.
Value WeightExpressions::buildOffset(Operation *sum, bool transposed) {
  for (auto [addend, number] : eitherOrder(sum)) {
    std::optional<double> offset = evaluateScalar(number);
    Value weight = offset && addend.getType() == sum->getResult(0).getType() ? build(addend, transposed) : Value();
    if (weight)
      return param::OffsetOp::create(rewriter, location, weight.getType(), weight, rewriter.getF64FloatAttr(*offset));
  }
  return {};
}

static bool isZero(Value value) {
  DenseElementsAttr constant = onnx::getConstant(value);
  return constant && isa<IntegerType>(constant.getElementType()) &&
         llvm::all_of(constant.getValues<APInt>(), [](const APInt &element) { return element.isZero(); });
}

/// Per tensor, per channel or in blocks; `q.dequantize` has its groups along the last dimension, so that the codes are
/// turned where they lie along the first.
Value WeightExpressions::buildDequantized(Operation *op, bool transposed) {
  auto node = cast<NodeOpInterface>(op);
  RankedTensorType type = rankedType(op->getOperand(0)), scaleType = rankedType(op->getOperand(1));
  auto integer = type ? dyn_cast<IntegerType>(type.getElementType()) : IntegerType();
  auto to = dyn_cast<FloatType>(getElementTypeOrSelf(op->getResult(0).getType()));
  Value zero = node.getNodeInput(2);
  if (!integer || (integer.getWidth() != 4 && integer.getWidth() != 8) || type.getRank() != 2 || !scaleType || !to ||
      !type.hasStaticShape() || !scaleType.hasStaticShape() || (zero && zero.getType() != scaleType.clone(integer)))
    return {};
  if (zero && !integer.isUnsigned() && isZero(zero))
    zero = {};
  std::optional<int64_t> axis = onnx::normalizeAxis(node.getInt("axis", 1), 2);
  int64_t block = node.getInt("block_size", 0);
  if ((integer.isUnsigned() && !zero) || !axis || block < 0)
    return {};
  bool isPerTensor = !block && scaleType.getNumElements() == 1;
  // Whether the rows of codes are the columns of the node's.
  bool isTurned = isPerTensor ? transposed : (block ? *axis == 0 : *axis == 1);
  Value codes = build(op->getOperand(0), isTurned);
  if (!codes || (!isPerTensor && scaleType.getRank() != (block ? 2 : 1)))
    return {};
  int64_t rows = typeOf(codes).getDimSize(0), groups = block ? llvm::divideCeil(typeOf(codes).getDimSize(1), block) : 1;
  auto perGroup = [&](Value value) -> Value {
    Value weight = value ? build(value, block && isTurned) : Value();
    if (!weight)
      return {};
    if (block)
      return typeOf(weight).getShape() == ArrayRef<int64_t>{rows, groups} ? weight : Value();
    weight = reshape(weight, {isPerTensor ? 1 : rows, 1});
    if (!weight)
      return {};
    auto all = RankedTensorType::get({rows, 1}, typeOf(weight).getElementType());
    return rewriter.createOrFold<param::BroadcastOp>(location, all, weight);
  };
  Value scale = perGroup(op->getOperand(1)), zeros = perGroup(zero);
  if (!scale || !zeros != !zero)
    return {};
  Value weight = dequantize(codes, scale, zeros, block, to);
  return isTurned == transposed ? weight : transpose(weight);
}

Value WeightExpressions::build(Value value, bool transposed) {
  constexpr int maxDepth = 16;
  llvm::SaveAndRestore nested(depth, depth + 1);
  RankedTensorType type = rankedType(value);
  if (depth > maxDepth || !type || !type.hasStaticShape() || (transposed && type.getRank() != 2))
    return {};
  auto turn = [&](Value weight) { return weight && transposed ? transpose(weight) : weight; };
  if (param::isWeightExpression(value))
    return turn(value);
  auto node = value.getDefiningOp<NodeOpInterface>();
  if (!node)
    return {};
  if (isa<onnx::ConstantOp>(node))
    return turn(buildConstant(node));
  if (isa<onnx::IdentityOp>(node))
    return build(node->getOperand(0), transposed);
  if (isa<onnx::AddOp>(node) && isa<FloatType>(type.getElementType()))
    return buildOffset(node, transposed);
  if (isa<onnx::CastOp, onnx::CastLikeOp>(node))
    return buildCast(node, transposed);
  if (isa<onnx::DequantizeLinearOp>(node) || node.isNode("DequantizeLinear", "com.microsoft"))
    return buildDequantized(node, transposed);
  if (auto turned = dyn_cast<onnx::TransposeOp>(node.getOperation())) {
    // Without a permutation the dimensions are reversed.
    bool isReversal = type.getRank() == 2 && (isTranspose(turned, {1, 0}) || !node.hasNodeAttr("perm"));
    return isReversal ? build(node->getOperand(0), !transposed) : Value();
  }
  if (isa<onnx::ReshapeOp, onnx::SqueezeOp, onnx::UnsqueezeOp, onnx::FlattenOp>(node)) {
    Value weight = build(node->getOperand(0));
    return turn(weight ? reshape(weight, type.getShape()) : Value());
  }
  return {};
}

Value WeightExpressions::buildMatrix(Value value, bool transposed) {
  RankedTensorType type = rankedType(value);
  return type && type.getRank() == 2 && isa<FloatType>(type.getElementType()) ? build(value, transposed) : Value();
}

Value WeightExpressions::buildVector(Value value, int64_t size) {
  RankedTensorType type = rankedType(value);
  if (!type || type.getRank() == 0 || !type.hasStaticShape() || type.getShape().back() != size ||
      type.getNumElements() != size || !isa<FloatType>(type.getElementType()))
    return {};
  Value weight = build(value);
  return weight ? reshape(weight, {size}) : Value();
}
