//===- Weights.cpp - linears and embeddings -----------------------------------------===//
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

LogicalResult quantopt::recognizeEmbedding(Operation *root, RewriterBase &rewriter) {
  auto gather = dyn_cast<onnx::GatherOp>(root);
  if (!gather || cast<NodeOpInterface>(root).getInt("axis", 0) != 0)
    return failure();
  Value table = gather->getOperand(0), ids = gather->getOperand(1);
  RankedTensorType idType = rankedType(ids);
  if (!isWeight(table, 2) || !idType || !idType.getElementType().isInteger())
    return failure();
  SmallVector<int64_t> shape(idType.getShape());
  shape.push_back(rankedType(table).getDimSize(1));
  RankedTensorType type = refineType(root, shape);
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  replaceRoot(rewriter, root, llm::EmbeddingOp::create(rewriter, root->getLoc(), type, ids, table));
  return success();
}

/// The [out, in] weight whose Transpose the graph multiplies with; null when it stores [in, out].
static Value untransposed(Value weight) {
  auto transpose = weight.getDefiningOp<onnx::TransposeOp>();
  if (!transpose)
    return {};
  // Without a permutation the dimensions are reversed.
  bool isReversal = isTranspose(transpose, {1, 0}) || !cast<NodeOpInterface>(*transpose).hasNodeAttr("perm");
  return isReversal && isWeight(transpose->getOperand(0), 2) ? transpose->getOperand(0) : Value();
}

LogicalResult quantopt::recognizeLinear(Operation *root, RewriterBase &rewriter) {
  auto matmul = dyn_cast<onnx::MatMulOp>(root);
  if (!matmul)
    return failure();
  Value input = matmul->getOperand(0), weight = matmul->getOperand(1), matrix = untransposed(weight);
  RankedTensorType inputType = rankedType(input);
  if ((!matrix && !isWeight(weight, 2)) || !inputType || inputType.getRank() < 2 || param::isWeightExpression(input))
    return failure();
  int64_t out = matrix ? rankedType(matrix).getDimSize(0) : rankedType(weight).getDimSize(1);
  int64_t in = matrix ? rankedType(matrix).getDimSize(1) : rankedType(weight).getDimSize(0);
  SmallVector<int64_t> shape(inputType.getShape());
  shape.back() = out;
  RankedTensorType type = refineType(root, shape);
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  if (!matrix) {
    auto transposed = RankedTensorType::get({out, in}, rankedType(weight).getElementType());
    matrix = param::TransposeOp::create(rewriter, root->getLoc(), transposed, weight);
  }
  replaceRoot(rewriter, root, llm::LinearOp::create(rewriter, root->getLoc(), type, input, matrix, Value()));
  return success();
}

LogicalResult quantopt::recognizeBias(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::AddOp>(root))
    return failure();
  for (auto [sum, bias] : eitherOrder(root)) {
    Match match(root);
    auto linear = match.take<llm::LinearOp>(sum);
    if (!linear || linear.getBias() || !isWeight(bias, 1) || !match.isClosed() ||
        rankedType(bias).getDimSize(0) != rankedType(linear.getWeight()).getDimSize(0))
      continue;
    RankedTensorType type = refineType(root, rankedType(sum).getShape());
    if (!type)
      continue;
    rewriter.setInsertionPoint(root);
    // The MatMul names the layer; the Add only its bias.
    Value result = llm::LinearOp::create(rewriter, linear.getLoc(), type, linear.getInput(), linear.getWeight(), bias);
    replaceRoot(rewriter, root, result);
    return success();
  }
  return failure();
}
