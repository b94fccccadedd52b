//===- Rearrange.cpp - shapes that are made and unmade ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Dims.h"
#include "Match.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// The [B, heads, S, d] that `value`, [B, S, heads, d], is made of by merging these heads and splitting them again;
/// null when it is not.
static Value behindMergedHeads(Value value) {
  auto reshape = value.getDefiningOp<onnx::ReshapeOp>();
  auto merge = reshape ? reshape->getOperand(0).getDefiningOp<llm::MergeHeadsOp>() : llm::MergeHeadsOp();
  if (!merge)
    return {};
  SmallVector<int64_t> sizes = statedShape(reshape);
  RankedTensorType input = rankedType(merge.getInput());
  bool splitsAgain = sizes.size() == 4 && sizes[2] == input.getDimSize(1) && sizes[3] == input.getDimSize(3) &&
                     dimOf(value, 0) == dimOf(merge, 0) && dimOf(value, 1) == dimOf(merge, 1);
  return splitsAgain ? merge.getInput() : Value();
}

LogicalResult quantopt::recognizeSplitAgain(Operation *root, RewriterBase &rewriter) {
  auto stated = statedPermutation(root);
  Value x = stated && stated->size() == 4 ? behindMergedHeads(root->getOperand(0)) : Value();
  if (!x)
    return failure();
  static constexpr int64_t place[] = {0, 2, 1, 3}; // of the dimensions of [B, S, heads, d] in x
  SmallVector<int64_t> permutation = llvm::map_to_vector(*stated, [&](int64_t dim) { return place[dim]; });
  if (llvm::equal(permutation, llvm::seq<int64_t>(4))) {
    if (!canStandFor(x, root->getResult(0)))
      return failure();
    replaceRoot(rewriter, root, x);
    return success();
  }
  RankedTensorType input = rankedType(x);
  RankedTensorType type =
      refineType(root, llvm::map_to_vector(permutation, [&](int64_t dim) { return input.getDimSize(dim); }));
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  NodeOpInterface direct = onnx::createNode(rewriter, root->getLoc(), "::Transpose", type, x,
                                            rewriter.getNamedAttr("perm", rewriter.getDenseI64ArrayAttr(permutation)));
  replaceRoot(rewriter, root, direct->getResult(0));
  return success();
}
