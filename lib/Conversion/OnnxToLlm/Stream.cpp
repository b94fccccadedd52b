//===- Stream.cpp - SwiGLU, sums and scales of the residual stream ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Match.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// g · sigmoid(g), or Swish(g), or QuickGelu(g) with factor 1; gives g.
static Value matchSilu(Match &match, Value value) {
  if (auto node = value.getDefiningOp<NodeOpInterface>()) {
    bool isQuickGelu = node.isNode("QuickGelu", "com.microsoft");
    if (isQuickGelu || node.isNode("Swish")) {
      match.inner.push_back(node);
      return node.getFloat("alpha", isQuickGelu ? 1.702f : 1) == 1 ? node->getOperand(0) : Value();
    }
  }
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

/// Whether a value comes out of a layer whose output the residual stream takes, or is the stream itself.
static bool isStream(Value value) {
  return isa_and_nonnull<llm::LinearOp, llm::RmsNormOp, llm::LayerNormOp, llm::ScaleOp, llm::EmbeddingOp,
                         llm::ResidualAddOp, llm::AttentionOp, llm::MergeHeadsOp>(value.getDefiningOp());
}

/// Whether a value is computed element by element from others, as activations are; sums with it are no residual ones.
static bool isActivation(Value value) {
  return isa_and_nonnull<onnx::MulOp, onnx::DivOp, onnx::SubOp, onnx::PowOp, onnx::TanhOp, onnx::ErfOp,
                         onnx::SigmoidOp>(value.getDefiningOp());
}

LogicalResult quantopt::recognizeResidualAdd(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::AddOp>(root))
    return failure();
  for (auto [stream, output] : eitherOrder(root)) {
    RankedTensorType streamType = rankedType(stream);
    if (!isStream(output) || isActivation(stream) || !streamType || streamType.getRank() > 3 ||
        !haveSameShape(stream, output))
      continue;
    RankedTensorType type = refineType(root, streamType.getShape());
    if (!type)
      continue;
    rewriter.setInsertionPoint(root);
    replaceRoot(rewriter, root, llm::ResidualAddOp::create(rewriter, root->getLoc(), type, stream, output));
    return success();
  }
  return failure();
}

/// The one number by which a product or quotient scales `x`, or nothing.
static std::optional<double> factorOf(Operation *op, Value x, Value other) {
  RankedTensorType type = rankedType(x), otherType = rankedType(other);
  bool isQuotient = isa<onnx::DivOp>(op);
  std::optional<double> number = evaluateScalar(other);
  if (!number || !type || !otherType || otherType.getRank() > type.getRank() || isWeight(x, type.getRank()) ||
      (isQuotient && (x != op->getOperand(0) || *number == 0)))
    return std::nullopt;
  return isQuotient ? 1 / *number : *number;
}

LogicalResult quantopt::recognizeScale(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::MulOp, onnx::DivOp>(root))
    return failure();
  for (auto [x, other] : eitherOrder(root)) {
    // Activations scale what they also read otherwise.
    if (!isStream(x) || rankedType(x).getRank() > 3 || (x.getDefiningOp<llm::LinearOp>() && !x.hasOneUse()))
      continue;
    std::optional<double> factor = factorOf(root, x, other);
    RankedTensorType type = factor ? refineType(root, rankedType(x).getShape()) : RankedTensorType();
    if (!type || !std::isfinite(*factor))
      continue;
    rewriter.setInsertionPoint(root);
    Value scaled = llm::ScaleOp::create(rewriter, root->getLoc(), type, x, rewriter.getF64FloatAttr(*factor));
    replaceRoot(rewriter, root, scaled);
    return success();
  }
  return failure();
}
