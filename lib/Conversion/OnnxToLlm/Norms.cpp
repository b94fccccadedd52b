//===- Norms.cpp - norms, step by step -------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// A norm becomes an op as soon as its core, x / sqrt(mean(x²) + eps), is seen. What surrounds the core (casts, scale,
// bias) comes in any order and joins that op one by one.
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Match.h"
#include "WeightExpressions.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

//===----------------------------------------------------------------------------===//
// The core
//===----------------------------------------------------------------------------===//

/// x² as Pow(x, 2) or Mul(x, x); gives x.
static Value matchSquare(Match &match, Value value) {
  if (auto power = match.take<onnx::PowOp>(value))
    return evaluateScalar(power->getOperand(1)) == 2.0 ? power->getOperand(0) : Value();
  auto product = match.take<onnx::MulOp>(value);
  return product && isSameValue(product->getOperand(0), product->getOperand(1)) ? product->getOperand(0) : Value();
}

/// Whether a reduction keeps its one axis, the last one, whichever way its opset states it.
static bool reducesLastDim(NodeOpInterface node) {
  SmallVector<int64_t> axes;
  if (auto stated = node.getInts("axes"))
    axes.assign(stated->begin(), stated->end());
  else if (Value input = node.getNodeInput(1))
    axes = evaluateIntegers(input).value_or(SmallVector<int64_t>());
  RankedTensorType type = rankedType(node->getOperand(0));
  return node.getInt("keepdims", 1) == 1 && axes.size() == 1 && type && isAxis(axes[0], type.getRank() - 1, type);
}

/// The mean along the last dimension as ReduceMean or as ReduceSum over the number of elements; gives what is averaged.
static Value matchMean(Match &match, Value value) {
  if (auto mean = match.take<onnx::ReduceMeanOp>(value))
    return reducesLastDim(mean) ? mean->getOperand(0) : Value();
  auto product = match.take<onnx::MulOp>(value);
  auto quotient = match.take<onnx::DivOp>(value);
  Operation *division = product ? product.getOperation() : quotient.getOperation();
  if (!division)
    return {};
  for (auto [total, divisor] : eitherOrder(division)) {
    auto sum = total.getDefiningOp<onnx::ReduceSumOp>();
    RankedTensorType type = sum ? rankedType(sum->getOperand(0)) : RankedTensorType();
    std::optional<double> constant = sum ? evaluateScalar(divisor) : std::nullopt;
    if (!constant || !type || type.isDynamicDim(type.getRank() - 1) || !reducesLastDim(sum) ||
        (quotient && total != quotient->getOperand(0)))
      continue;
    double size = type.getShape().back();
    if (quotient ? *constant != size : *constant * size != 1)
      return {};
    match.inner.push_back(sum);
    return sum->getOperand(0);
  }
  return {};
}

/// mean(x²) + eps; gives x.
static Value matchMeanSquare(Match &match, Value value, double &eps) {
  auto sum = match.take<onnx::AddOp>(value);
  if (!sum)
    return {};
  for (auto [first, second] : eitherOrder(sum)) {
    std::optional<double> constant = evaluateScalar(second);
    if (!constant || *constant < 0)
      continue;
    Match trial = match;
    Value squares = matchMean(trial, first), x = squares ? matchSquare(trial, squares) : Value();
    if (!x)
      continue;
    match = trial;
    eps = *constant;
    return x;
  }
  return {};
}

/// sqrt(mean(x²) + eps); gives x.
static Value matchRoot(Match &match, Value value, double &eps) {
  if (auto root = match.take<onnx::SqrtOp>(value))
    return matchMeanSquare(match, root->getOperand(0), eps);
  auto power = match.take<onnx::PowOp>(value);
  return power && evaluateScalar(power->getOperand(1)) == 0.5 ? matchMeanSquare(match, power->getOperand(0), eps)
                                                              : Value();
}

/// 1 / sqrt(mean(x²) + eps); gives x.
static Value matchInverseRoot(Match &match, Value value, double &eps) {
  if (auto reciprocal = match.take<onnx::ReciprocalOp>(value))
    return matchRoot(match, reciprocal->getOperand(0), eps);
  if (auto quotient = match.take<onnx::DivOp>(value))
    return evaluateScalar(quotient->getOperand(0)) == 1.0 ? matchRoot(match, quotient->getOperand(1), eps) : Value();
  auto power = match.take<onnx::PowOp>(value);
  return power && evaluateScalar(power->getOperand(1)) == -0.5 ? matchMeanSquare(match, power->getOperand(0), eps)
                                                               : Value();
}

/// x / sqrt(mean(x²) + eps) as a quotient or a product; gives x.
static Value matchNormalized(Match &match, double &eps) {
  auto isSame = [](Value a, Value b) { return a && (a == b || isSameValue(a, b)); };
  if (isa<onnx::DivOp>(match.root)) {
    Value x = matchRoot(match, match.root->getOperand(1), eps);
    return isSame(x, match.root->getOperand(0)) ? x : Value();
  }
  if (!isa<onnx::MulOp>(match.root))
    return {};
  for (auto [x, factor] : eitherOrder(match.root)) {
    Match trial = match;
    if (!isSame(matchInverseRoot(trial, factor, eps), x))
      continue;
    match = trial;
    return x;
  }
  return {};
}

/// x - mean(x); gives x.
static Value matchCentred(Match &match, Value value) {
  auto difference = value.getDefiningOp<onnx::SubOp>();
  Value mean = difference ? matchMean(match, difference->getOperand(1)) : Value();
  return mean && isSameValue(mean, difference->getOperand(0)) ? difference->getOperand(0) : Value();
}

LogicalResult quantopt::recognizeNorm(Operation *root, RewriterBase &rewriter) {
  Match match(root);
  double eps = 0;
  Value x = matchNormalized(match, eps);
  RankedTensorType input = x ? rankedType(x) : RankedTensorType();
  if (!input || !match.isClosed())
    return failure();
  RankedTensorType type = refineType(root, input.getShape());
  if (!type)
    return failure();
  Match centring(root);
  Value centred = matchCentred(centring, x);
  rewriter.setInsertionPoint(root);
  FloatAttr epsAttr = rewriter.getF64FloatAttr(eps);
  Value norm;
  if (centred)
    norm = llm::LayerNormOp::create(rewriter, root->getLoc(), type, centred, Value(), Value(), epsAttr);
  else
    norm = llm::RmsNormOp::create(rewriter, root->getLoc(), type, x, Value(), epsAttr);
  replaceRoot(rewriter, root, norm);
  return success();
}

//===----------------------------------------------------------------------------===//
// What surrounds it
//===----------------------------------------------------------------------------===//

/// A norm that only `root` reads. Replacing its operands does not change it for anybody else.
static Operation *normReadBy(Operation *root, Value value) {
  Operation *norm = value.getDefiningOp();
  return isa_and_nonnull<llm::RmsNormOp, llm::LayerNormOp>(norm) && norm->hasOneUse() ? norm : nullptr;
}

static Value scaleOf(Operation *norm) {
  auto rms = dyn_cast<llm::RmsNormOp>(norm);
  return rms ? rms.getScale() : cast<llm::LayerNormOp>(norm).getScale();
}
static Value biasOf(Operation *norm) {
  auto layer = dyn_cast<llm::LayerNormOp>(norm);
  return layer ? layer.getBias() : Value();
}

/// Puts in the place of `root` the norm with another input, scale and bias.
static LogicalResult replaceByNorm(Operation *root, RewriterBase &rewriter, Operation *norm, Value input, Value scale,
                                   Value bias) {
  RankedTensorType type = refineType(root, rankedType(input).getShape());
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  Location location = root->getLoc();
  auto eps = norm->getAttrOfType<FloatAttr>("eps");
  Value replacement;
  if (isa<llm::RmsNormOp>(norm))
    replacement = llm::RmsNormOp::create(rewriter, location, type, input, scale, eps);
  else
    replacement = llm::LayerNormOp::create(rewriter, location, type, input, scale, bias, eps);
  replaceRoot(rewriter, root, replacement);
  return success();
}

LogicalResult quantopt::recognizeCastNorm(Operation *root, RewriterBase &rewriter) {
  Operation *norm = isa<onnx::CastOp, onnx::CastLikeOp>(root) ? normReadBy(root, root->getOperand(0)) : nullptr;
  auto widening = norm ? norm->getOperand(0).getDefiningOp<onnx::CastOp>() : onnx::CastOp();
  if (!widening || getElementTypeOrSelf(widening->getOperand(0)) != getElementTypeOrSelf(root->getResult(0)) ||
      behindCasts(norm->getOperand(0)) == norm->getOperand(0) || !rankedType(widening->getOperand(0)))
    return failure();
  return replaceByNorm(root, rewriter, norm, widening->getOperand(0), scaleOf(norm), biasOf(norm));
}

/// The weight expression for a scale or a bias of a norm at `root`; null for anything else.
static Value buildVector(Value value, RewriterBase &rewriter, Operation *root) {
  RankedTensorType type = rankedType(value);
  rewriter.setInsertionPoint(root);
  return type && type.getRank() == 1
             ? WeightExpressions(rewriter, root->getLoc()).buildVector(value, type.getDimSize(0))
             : Value();
}

LogicalResult quantopt::recognizeNormScale(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::MulOp>(root))
    return failure();
  for (auto [normalized, factor] : eitherOrder(root)) {
    Operation *norm = normReadBy(root, normalized);
    if (!norm || scaleOf(norm) || biasOf(norm) || !rankedType(factor) ||
        rankedType(factor).getShape() != rankedType(normalized).getShape().take_back())
      continue;
    if (Value scale = buildVector(factor, rewriter, root))
      return replaceByNorm(root, rewriter, norm, norm->getOperand(0), scale, Value());
  }
  return failure();
}

LogicalResult quantopt::recognizeNormBias(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::AddOp>(root))
    return failure();
  for (auto [normalized, summand] : eitherOrder(root)) {
    Operation *norm = normReadBy(root, normalized);
    if (!isa_and_nonnull<llm::LayerNormOp>(norm) || biasOf(norm) || !rankedType(summand) ||
        rankedType(summand).getShape() != rankedType(normalized).getShape().take_back())
      continue;
    if (Value bias = buildVector(summand, rewriter, root))
      return replaceByNorm(root, rewriter, norm, norm->getOperand(0), scaleOf(norm), bias);
  }
  return failure();
}
