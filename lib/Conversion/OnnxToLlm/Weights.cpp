//===- Weights.cpp - linears and embeddings -----------------------------------------===//
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

LogicalResult quantopt::recognizeEmbedding(Operation *root, RewriterBase &rewriter) {
  auto gather = dyn_cast<onnx::GatherOp>(root);
  if (!gather || cast<NodeOpInterface>(root).getInt("axis", 0) != 0)
    return failure();
  RankedTensorType idType = rankedType(gather->getOperand(1)), type = rankedType(gather->getOperand(0));
  if (!idType || !idType.getElementType().isInteger() || !type || type.getRank() != 2)
    return failure();
  SmallVector<int64_t> shape(idType.getShape());
  shape.push_back(type.getDimSize(1));
  RankedTensorType result = refineType(root, shape);
  if (!result)
    return failure();
  rewriter.setInsertionPoint(root);
  Value table = WeightExpressions(rewriter, root->getLoc()).buildMatrix(gather->getOperand(0));
  if (!table)
    return failure();
  replaceRoot(rewriter, root, llm::EmbeddingOp::create(rewriter, root->getLoc(), result, gather->getOperand(1), table));
  return success();
}

namespace {
/// activation(alpha · x Wᵀ + beta · bias), whichever node states it.
struct Product {
  Value input, weight, bias;
  /// Whether the weight is stored as [in, out].
  bool isInOut = true;
  float alpha = 1, beta = 1;
  StringRef activation = "";
};
} // namespace

static std::optional<Product> matchProduct(NodeOpInterface node) {
  bool isFusedGemm = node.isNode("FusedGemm", "com.microsoft");
  bool isGemm = isFusedGemm || isa<onnx::GemmOp>(node);
  bool isFused = node.isNode("FusedMatMul", "com.microsoft");
  if (!isGemm && !isFused && !isa<onnx::MatMulOp>(node))
    return std::nullopt;
  Product product{node->getOperand(0), node->getOperand(1), {}};
  if (!isGemm && !isFused)
    return product;
  if (node.getInt("transA", 0) || node.getInt("transBatchA", 0) || node.getInt("transBatchB", 0))
    return std::nullopt;
  product.isInOut = !node.getInt("transB", 0);
  product.alpha = node.getFloat("alpha", 1);
  if (isGemm) {
    product.bias = node.getNodeInput(2);
    product.beta = node.getFloat("beta", 1);
  }
  if (isFusedGemm)
    product.activation = node.getString("activation");
  // Others have parameters.
  bool isKnown = product.activation.empty() || product.activation == "Relu" || product.activation == "Sigmoid" ||
                 product.activation == "Tanh";
  return isKnown ? std::optional(product) : std::nullopt;
}

LogicalResult quantopt::recognizeLinear(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  std::optional<Product> product = node ? matchProduct(node) : std::nullopt;
  if (!product)
    return failure();
  RankedTensorType input = rankedType(product->input), stored = rankedType(product->weight);
  if (!input || input.getRank() < 2 || !stored || stored.getRank() != 2 || !stored.hasStaticShape() ||
      param::isWeightExpression(product->input))
    return failure();
  int64_t width = input.getShape().back();
  if (!ShapedType::isDynamic(width) && width != stored.getDimSize(product->isInOut ? 0 : 1))
    return failure();
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = stored.getDimSize(product->isInOut ? 1 : 0);
  RankedTensorType type = refineType(root, shape);
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  WeightExpressions expressions(rewriter, root->getLoc());
  Value weight = expressions.buildMatrix(product->weight, /*transposed=*/product->isInOut), bias;
  if (weight && product->bias)
    bias = expressions.buildVector(product->bias, shape.back());
  if (!weight || !bias != !product->bias)
    return failure();
  weight = expressions.multiply(weight, product->alpha);
  bias = bias ? expressions.multiply(bias, product->beta) : Value();
  Value result = llm::LinearOp::create(rewriter, root->getLoc(), type, product->input, weight, bias);
  if (!product->activation.empty())
    result = onnx::createNode(rewriter, root->getLoc(), ("::" + product->activation).str(), type, result)->getResult(0);
  replaceRoot(rewriter, root, result);
  return success();
}

LogicalResult quantopt::recognizeBias(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::AddOp>(root))
    return failure();
  for (auto [sum, addend] : eitherOrder(root)) {
    Match match(root);
    auto linear = match.take<llm::LinearOp>(sum);
    if (!linear || linear.getBias() || !match.isClosed())
      continue;
    RankedTensorType type = refineType(root, rankedType(sum).getShape());
    if (!type)
      continue;
    rewriter.setInsertionPoint(root);
    // The product names the layer; the Add only its bias.
    WeightExpressions expressions(rewriter, root->getLoc());
    Value bias = expressions.buildVector(addend, rankedType(linear.getWeight()).getDimSize(0));
    if (!bias || rankedType(addend).getRank() > type.getRank())
      continue;
    Value result = llm::LinearOp::create(rewriter, linear.getLoc(), type, linear.getInput(), linear.getWeight(), bias);
    replaceRoot(rewriter, root, result);
    return success();
  }
  return failure();
}
