//===- GatherNd.cpp - heads picked by index -------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Match.h"
#include "Nodes.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// The dimension that a permutation brings to the front, with the others in their order; nothing for another one.
static std::optional<int64_t> broughtToFront(ArrayRef<int64_t> permutation) {
  int64_t dim = permutation.front(), next = 0;
  for (int64_t other : permutation.drop_front()) {
    next += next == dim;
    if (other != next++)
      return std::nullopt;
  }
  return dim;
}

LogicalResult quantopt::recognizeGatherNd(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  if (!node || !node.isNode("GatherND") || node.getInt("batch_dims", 0) != 0)
    return failure();
  RankedTensorType indexType = rankedType(root->getOperand(1));
  std::optional<SmallVector<int64_t>> indices = evaluateIntegers(root->getOperand(1));
  auto transpose = root->getOperand(0).getDefiningOp<onnx::TransposeOp>();
  auto permutation = statedPermutation(transpose);
  if (!indexType || indexType.getRank() != 2 || indexType.getDimSize(1) != 1 || !indices || !permutation)
    return failure();
  std::optional<int64_t> dim = broughtToFront(*permutation);
  Value source = transpose->getOperand(0);
  RankedTensorType type = rankedType(source);
  if (!dim || !type || type.isDynamicDim(*dim))
    return failure();
  SmallVector<int64_t> picked(type.getShape());
  picked[*dim] = indices->size();
  RankedTensorType result =
      refineType(root, llvm::map_to_vector(*permutation, [&](int64_t from) { return picked[from]; }));
  if (!result)
    return failure();
  Value list = Nodes(rewriter, root).ints(*indices);
  rewriter.setInsertionPoint(root);
  NodeOpInterface gather = onnx::createNode(rewriter, root->getLoc(), "::Gather", type.clone(picked), {source, list},
                                            rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(*dim)));
  NodeOpInterface front = onnx::createNode(rewriter, root->getLoc(), "::Transpose", result, gather->getResult(0),
                                           rewriter.getNamedAttr("perm", rewriter.getDenseI64ArrayAttr(*permutation)));
  replaceRoot(rewriter, root, front->getResult(0));
  // Now that nothing moves the heads, this may have been the last reader of all projections at once.
  (void)recognizePackedProjection(gather, rewriter);
  return success();
}
