//===- Stream.cpp - norms, gated activations and sums of the residual stream --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Match.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

//===----------------------------------------------------------------------------===//
// rms_norm
//===----------------------------------------------------------------------------===//

/// x² as Pow(x, 2) or Mul(x, x); gives x.
static Value matchSquare(Match &match, Value value) {
  if (auto power = match.take<onnx::PowOp>(value))
    return evaluateScalar(power->getOperand(1)) == 2.0 ? power->getOperand(0) : Value();
  auto product = match.take<onnx::MulOp>(value);
  return product && product->getOperand(0) == product->getOperand(1) ? product->getOperand(0) : Value();
}

/// Whether a reduction keeps its one axis, the last one, whichever way its opset states it.
static bool reducesLastDim(onnx::ReduceMeanOp mean) {
  NodeOpInterface node = mean;
  SmallVector<int64_t> axes;
  if (auto stated = node.getInts("axes"))
    axes.assign(stated->begin(), stated->end());
  else if (Value input = node.getNodeInput(1))
    axes = evaluateIntegers(input).value_or(SmallVector<int64_t>());
  RankedTensorType type = rankedType(mean->getOperand(0));
  return node.getInt("keepdims", 1) == 1 && axes.size() == 1 && type && isAxis(axes[0], type.getRank() - 1, type);
}

/// mean(x²) + eps; gives x.
static Value matchMeanSquare(Match &match, Value value, double &eps) {
  auto sum = match.take<onnx::AddOp>(value);
  if (!sum)
    return {};
  for (auto [first, second] : eitherOrder(sum)) {
    Match trial = match;
    auto mean = trial.take<onnx::ReduceMeanOp>(first);
    std::optional<double> constant = evaluateScalar(second);
    if (!mean || !constant || *constant < 0 || !reducesLastDim(mean))
      continue;
    if (Value x = matchSquare(trial, mean->getOperand(0))) {
      match = trial;
      eps = *constant;
      return x;
    }
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
static Value matchNormalized(Match &match, Value value, double &eps) {
  if (auto quotient = match.take<onnx::DivOp>(value)) {
    Value x = matchRoot(match, quotient->getOperand(1), eps);
    return x == quotient->getOperand(0) ? x : Value();
  }
  auto product = match.take<onnx::MulOp>(value);
  if (!product)
    return {};
  for (auto [x, factor] : eitherOrder(product)) {
    Match trial = match;
    if (matchInverseRoot(trial, factor, eps) != x)
      continue;
    match = trial;
    return x;
  }
  return {};
}

LogicalResult quantopt::recognizeRmsNorm(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::MulOp>(root))
    return failure();
  for (auto [normalized, scale] : eitherOrder(root)) {
    Match match(root);
    double eps = 0;
    if (!isWeight(scale, 1))
      continue;
    Value x = matchNormalized(match, normalized, eps);
    RankedTensorType input = x ? rankedType(x) : RankedTensorType();
    if (!input || !match.isClosed() || input.getShape().back() != rankedType(scale).getDimSize(0))
      continue;
    RankedTensorType type = refineType(root, input.getShape());
    if (!type)
      continue;
    rewriter.setInsertionPoint(root);
    Value norm = llm::RmsNormOp::create(rewriter, root->getLoc(), type, x, scale, rewriter.getF64FloatAttr(eps));
    replaceRoot(rewriter, root, norm);
    return success();
  }
  return failure();
}

//===----------------------------------------------------------------------------===//
// swiglu, residual_add
//===----------------------------------------------------------------------------===//

/// g · sigmoid(g), or Swish(g); gives g.
static Value matchSilu(Match &match, Value value) {
  if (auto swish = match.take<onnx::SwishOp>(value))
    return cast<NodeOpInterface>(*swish).getFloat("alpha", 1) == 1 ? swish->getOperand(0) : Value();
  auto product = match.take<onnx::MulOp>(value);
  if (!product)
    return {};
  for (auto [gate, factor] : eitherOrder(product)) {
    auto sigmoid = factor.getDefiningOp<onnx::SigmoidOp>();
    if (!sigmoid || sigmoid->getOperand(0) != gate)
      continue;
    match.inner.push_back(sigmoid);
    return gate;
  }
  return {};
}

LogicalResult quantopt::recognizeSwiglu(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::MulOp>(root))
    return failure();
  for (auto [activated, up] : eitherOrder(root)) {
    Match match(root);
    Value gate = matchSilu(match, activated);
    if (!gate || !match.isClosed() || !haveSameShape(gate, up))
      continue;
    RankedTensorType type = refineType(root, rankedType(up).getShape());
    if (!type)
      continue;
    rewriter.setInsertionPoint(root);
    replaceRoot(rewriter, root, llm::SwigluOp::create(rewriter, root->getLoc(), type, gate, up));
    return success();
  }
  return failure();
}

LogicalResult quantopt::recognizeResidualAdd(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::AddOp>(root))
    return failure();
  for (auto [stream, output] : eitherOrder(root)) {
    if (!output.getDefiningOp<llm::LinearOp>() || !haveSameShape(stream, output))
      continue;
    RankedTensorType type = refineType(root, rankedType(stream).getShape());
    if (!type)
      continue;
    rewriter.setInsertionPoint(root);
    replaceRoot(rewriter, root, llm::ResidualAddOp::create(rewriter, root->getLoc(), type, stream, output));
    return success();
  }
  return failure();
}
