//===- Flattened.cpp - layers between Reshapes to a matrix and back -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Gemm takes matrices, so exporters flatten [B, S, H] to [B·S, H] in front of it. Layers that work row by row do the
// same to the unflattened rows.
//
//===----------------------------------------------------------------------------===//
#include "Dims.h"
#include "Evaluate.h"
#include "Match.h"
#include "mlir/IR/IRMapping.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// What a Reshape or Flatten makes a matrix of, when rows stay rows: [.., H], or heads that are merged on the way.
static Value unflattenNode(RewriterBase &rewriter, Operation *op) {
  RankedTensorType matrix = rankedType(op->getResult(0)), type = rankedType(op->getOperand(0));
  if (!matrix || !type || matrix.getRank() != 2 || matrix.isDynamicDim(1) || type.getRank() < 3)
    return {};
  int64_t columns = matrix.getDimSize(1), rank = type.getRank();
  if (type.getShape().back() == columns)
    return op->getOperand(0);
  auto transpose = op->getOperand(0).getDefiningOp<onnx::TransposeOp>();
  if (!isTranspose(transpose, {0, 2, 1, 3}) || type.isDynamicDim(rank - 1) || type.isDynamicDim(rank - 2) ||
      type.getDimSize(rank - 1) * type.getDimSize(rank - 2) != columns)
    return {};
  auto merged = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1), columns}, type.getElementType());
  return llm::MergeHeadsOp::create(rewriter, op->getLoc(), merged, transpose->getOperand(0));
}

/// The tensor of higher rank whose rows are those of `value`, a matrix; null when it was not flattened. Layers on the
/// way are created anew, and must have no other reader.
static Value unflatten(RewriterBase &rewriter, Value value, int depth = 0) {
  Operation *op = value.getDefiningOp();
  constexpr int maxDepth = 8;
  if (!op || depth > maxDepth)
    return {};
  if (isa<onnx::ReshapeOp, onnx::FlattenOp>(op))
    return unflattenNode(rewriter, op);
  if (!isa<llm::LinearOp, llm::SwigluOp, llm::GegluOp, llm::ActivationOp, llm::ScaleOp>(op) || !value.hasOneUse())
    return {};
  // The first operand of each is rows; so is the second of the gated ones.
  bool isGated = isa<llm::SwigluOp, llm::GegluOp>(op);
  IRMapping mapping;
  for (Value rows : op->getOperands().take_front(isGated ? 2 : 1)) {
    Value wide = unflatten(rewriter, rows, depth + 1);
    if (!wide || (mapping.contains(op->getOperand(0)) && !haveSameShape(wide, mapping.lookup(op->getOperand(0)))))
      return {};
    mapping.map(rows, wide);
  }
  SmallVector<int64_t> shape(typeOf(mapping.lookup(op->getOperand(0))).getShape());
  shape.back() = lastSize(value);
  Operation *copy = rewriter.clone(*op, mapping);
  copy->getResult(0).setType(typeOf(value).clone(shape));
  return copy->getResult(0);
}

/// Whether a Reshape of rows gives them the leading dimensions of `wide`. As many elements as before leave one size
/// that need not be shown.
static bool restores(Operation *reshape, Value wide) {
  RankedTensorType type = rankedType(reshape->getResult(0));
  if (!type || type.getRank() != typeOf(wide).getRank() || type.getShape().back() != lastSize(wide))
    return false;
  int64_t unproved = llvm::count_if(llvm::seq<int64_t>(type.getRank() - 1), [&](int64_t dim) {
    return !(dimOf(reshape->getResult(0), dim) == dimOf(wide, dim));
  });
  return unproved <= 1;
}

LogicalResult quantopt::recognizeFlattened(Operation *root, RewriterBase &rewriter) {
  auto reshape = dyn_cast<onnx::ReshapeOp>(root);
  RankedTensorType matrix = reshape ? rankedType(root->getOperand(0)) : RankedTensorType();
  if (!matrix || matrix.getRank() != 2 ||
      !isa_and_nonnull<llm::LinearOp, llm::SwigluOp, llm::GegluOp, llm::ActivationOp, llm::ScaleOp>(
          root->getOperand(0).getDefiningOp()))
    return failure();
  rewriter.setInsertionPoint(root);
  Value wide = unflatten(rewriter, root->getOperand(0));
  if (!wide)
    return failure();
  if (restores(root, wide)) {
    RankedTensorType type = refineType(root, typeOf(wide).getShape());
    if (!type)
      return failure();
    wide.setType(type);
    replaceRoot(rewriter, root, wide);
    return success();
  }
  // Another shape, of heads for example: the same elements. A size of 0 would be one of the matrix.
  std::optional<Elements> target = evaluate(root->getOperand(1));
  if (!target || llvm::is_contained(*target, std::optional<double>(0))) {
    eraseDead(rewriter, wide.getDefiningOp());
    return failure();
  }
  auto node = cast<NodeOpInterface>(root);
  NodeOpInterface copy = onnx::createNode(rewriter, root->getLoc(), "::Reshape", root->getResultTypes(),
                                          {wide, root->getOperand(1)}, node.getNodeAttrs().getValue());
  replaceRoot(rewriter, root, copy->getResult(0));
  return success();
}
