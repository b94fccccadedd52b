//===- Cache.cpp - caches that grow -------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Match.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

LogicalResult quantopt::recognizeKvAppend(Operation *root, RewriterBase &rewriter) {
  auto concat = dyn_cast<onnx::ConcatOp>(root);
  if (!concat || concat->getNumOperands() != 2)
    return failure();
  Value cache = concat->getOperand(0), rows = concat->getOperand(1);
  RankedTensorType cacheType = rankedType(cache), rowType = rankedType(rows);
  std::optional<int64_t> axis = cast<NodeOpInterface>(root).getInt("axis");
  if (!isa<BlockArgument>(cache) || !isReturned(root->getResult(0)) || !cacheType || !rowType ||
      cacheType.getRank() != 4 || rowType.getRank() != 4 || cacheType.getElementType() != rowType.getElementType() ||
      !axis || !isAxis(*axis, 2, cacheType))
    return failure();
  SmallVector<int64_t> shape(cacheType.getShape());
  shape[2] = ShapedType::kDynamic;
  RankedTensorType type = refineType(root, shape, /*required=*/{1, 3});
  if (!type || failed(verifyCompatibleShape(cacheType.clone(shape).getShape(),
                                            SmallVector<int64_t>{rowType.getDimSize(0), rowType.getDimSize(1),
                                                                 ShapedType::kDynamic, rowType.getDimSize(3)})))
    return failure();
  rewriter.setInsertionPoint(root);
  replaceRoot(rewriter, root, llm::KvAppendOp::create(rewriter, root->getLoc(), type, cache, rows));
  return success();
}
