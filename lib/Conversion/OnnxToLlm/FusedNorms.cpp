//===- FusedNorms.cpp - operators that are norms, with and without a sum ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Match.h"
#include "WeightExpressions.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

namespace {
/// What an operator normalises and how.
struct Norm {
  bool isRms = true;
  double eps = 0;
  Value scale;
  Value bias;    // of the norm, not of the sum in front of it
  Value skip;    // what is added to the input
  Value sumBias; // what is added to that sum
};
} // namespace

static constexpr StringLiteral microsoft = "com.microsoft";
static constexpr unsigned sumResult = 3;

/// The operators without a sum; RMSNormalization of ONNX and SimplifiedLayerNormalization of ONNX Runtime are the same.
static std::optional<Norm> plainNorm(NodeOpInterface node) {
  Norm norm;
  norm.isRms = node.isNode("RMSNormalization") || node.isNode("SimplifiedLayerNormalization");
  if (!norm.isRms && !node.isNode("LayerNormalization"))
    return std::nullopt;
  RankedTensorType type = rankedType(node.getNodeInput(0));
  if (!type || !isAxis(node.getInt("axis", -1), type.getRank() - 1, type))
    return std::nullopt;
  norm.eps = node.getFloat("epsilon", 1e-5f);
  norm.scale = node.getNodeInput(1);
  norm.bias = node.getNodeInput(2);
  return norm;
}

/// The operators with a sum.
static std::optional<Norm> skipNorm(NodeOpInterface node) {
  Norm norm;
  norm.isRms = node.isNode("SkipSimplifiedLayerNormalization", microsoft);
  if (!norm.isRms && !node.isNode("SkipLayerNormalization", microsoft))
    return std::nullopt;
  // ONNX Runtime's number where the node states none.
  norm.eps = node.getFloat("epsilon", 1e-12f);
  norm.skip = node.getNodeInput(1);
  norm.scale = node.getNodeInput(2);
  norm.bias = norm.isRms ? Value() : node.getNodeInput(3);
  norm.sumBias = node.getNodeInput(norm.isRms ? 3 : 4);
  return norm;
}

/// The linear that a bias can become part of: only the root reads it.
static llm::LinearOp linearFor(Value bias, Value value, Operation *root) {
  auto linear = value.getDefiningOp<llm::LinearOp>();
  bool isFree = linear && !linear.getBias() && linear->hasOneUse() && isWeight(bias, 1) &&
                rankedType(bias).getDimSize(0) == rankedType(linear.getWeight()).getDimSize(0);
  return isFree ? linear : llm::LinearOp();
}

/// input + skip, plus a bias in the linear that computes either; null when the operands do not fit a residual stream.
static Value createSum(Operation *root, Value input, const Norm &norm, RewriterBase &rewriter) {
  std::array<Value, 2> terms{input, norm.skip};
  if (!haveSameShape(input, norm.skip))
    return {};
  RankedTensorType type = root->getNumResults() > sumResult && !root->getResult(sumResult).use_empty()
                              ? refineType(root->getResult(sumResult), rankedType(input).getShape())
                              : rankedType(input);
  if (!type)
    return {};
  if (norm.sumBias) {
    auto term = llvm::find_if(llvm::reverse(terms), [&](Value v) { return linearFor(norm.sumBias, v, root); });
    if (term == llvm::reverse(terms).end())
      return {};
    auto linear = term->getDefiningOp<llm::LinearOp>();
    rewriter.setInsertionPoint(root);
    *term = llm::LinearOp::create(rewriter, linear.getLoc(), linear.getType(), linear.getInput(), linear.getWeight(),
                                  norm.sumBias);
  }
  rewriter.setInsertionPoint(root);
  return llm::ResidualAddOp::create(rewriter, root->getLoc(), type, terms[0], terms[1]);
}

LogicalResult quantopt::recognizeFusedNorm(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  std::optional<Norm> norm = plainNorm(node);
  if (!norm)
    norm = skipNorm(node);
  Value input = norm ? node.getNodeInput(0) : Value();
  RankedTensorType inputType = input ? rankedType(input) : RankedTensorType();
  if (!inputType || inputType.getRank() == 0 || !norm->scale)
    return failure();
  // Nobody states mean and deviation again.
  for (OpResult result : root->getResults().drop_front())
    if (!result.use_empty() && !(norm->skip && result.getResultNumber() == sumResult))
      return failure();
  RankedTensorType type = refineType(root, inputType.getShape());
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  WeightExpressions expressions(rewriter, root->getLoc());
  Value scale = expressions.buildVector(norm->scale, inputType.getShape().back());
  Value bias = norm->bias ? expressions.buildVector(norm->bias, inputType.getShape().back()) : Value();
  if (!scale || !bias != !norm->bias)
    return failure();
  SmallVector<Value, 4> results(root->getNumResults());
  if (norm->skip) {
    input = createSum(root, input, *norm, rewriter);
    if (!input)
      return failure();
    if (results.size() > sumResult)
      results[sumResult] = input;
  }
  rewriter.setInsertionPoint(root);
  FloatAttr eps = rewriter.getF64FloatAttr(norm->eps);
  results[0] = norm->isRms ? Value(llm::RmsNormOp::create(rewriter, root->getLoc(), type, input, scale, eps))
                           : Value(llm::LayerNormOp::create(rewriter, root->getLoc(), type, input, scale, bias, eps));
  replaceRoot(rewriter, root, results);
  return success();
}
