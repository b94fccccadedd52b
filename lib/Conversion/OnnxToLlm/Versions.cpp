//===- Versions.cpp - nodes of older opsets as later ones write them ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// So that recognisers need not know them. Axes of Squeeze, Unsqueeze and reductions are read in either form.
//
//===----------------------------------------------------------------------------===//
#include "Match.h"
#include "Nodes.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// Before opset 10 the bounds of a Slice are attributes.
static void giveBoundsAsInputs(NodeOpInterface slice, Nodes &nodes) {
  std::optional<ArrayRef<int64_t>> starts = slice.getInts("starts"), ends = slice.getInts("ends");
  if (slice.getNodeInputs().size() != 1 || !starts || !ends || starts->size() != ends->size())
    return;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(starts->size()));
  if (std::optional<ArrayRef<int64_t>> stated = slice.getInts("axes"))
    axes.assign(stated->begin(), stated->end());
  slice->insertOperands(1, {nodes.ints(*starts), nodes.ints(*ends), nodes.ints(axes)});
  slice.setNodeAttrs(DictionaryAttr::get(slice->getContext()));
}

/// Softmax has an axis by default, and before opset 13 is over everything from it on; over the last one both mean the
/// same.
static void stateAxis(NodeOpInterface softmax) {
  RankedTensorType type = rankedType(softmax->getResult(0));
  if (!type || type.getRank() == 0)
    return;
  bool isJoint = onnx::opsetOf(softmax) < 13;
  int64_t axis = softmax.getInt("axis", isJoint ? 1 : -1);
  axis = axis < 0 ? axis + type.getRank() : axis;
  NamedAttrList attributes(softmax.getNodeAttrs());
  attributes.set("axis", Builder(softmax->getContext()).getI64IntegerAttr(axis));
  softmax.setNodeAttrs(attributes.getDictionary(softmax->getContext()));
}

void quantopt::stateVersionedForms(Block &body) {
  IRRewriter rewriter(body.getParent()->getContext());
  for (Operation &op : llvm::make_early_inc_range(body)) {
    rewriter.setInsertionPoint(&op);
    Nodes nodes(rewriter, &op);
    if (auto slice = dyn_cast<onnx::SliceOp>(op))
      giveBoundsAsInputs(cast<NodeOpInterface>(op), nodes);
    else if (isa<onnx::SoftmaxOp>(op))
      stateAxis(cast<NodeOpInterface>(op));
  }
}

/// What `view` makes a matrix of whose rows are its rows along the last dimension; null for any other value.
static Value behindRows(Operation *view) {
  RankedTensorType type =
      isa_and_nonnull<onnx::FlattenOp, onnx::ReshapeOp>(view) ? rankedType(view->getOperand(0)) : RankedTensorType();
  RankedTensorType matrix = type ? rankedType(view->getResult(0)) : RankedTensorType();
  if (!matrix || matrix.getRank() != 2 || type.getRank() < 3)
    return {};
  Value x = view->getOperand(0);
  int64_t last = type.getRank() - 1;
  bool keepsRows = isa<onnx::FlattenOp>(view) ? isAxis(cast<NodeOpInterface>(view).getInt("axis", 1), last, type)
                                              : dimOf(x, last) == dimOf(view->getResult(0), 1);
  return keepsRows ? x : Value();
}

LogicalResult quantopt::recognizeFlattenedSoftmax(Operation *root, RewriterBase &rewriter) {
  Operation *view = isa<onnx::SoftmaxOp>(root) ? root->getOperand(0).getDefiningOp() : nullptr;
  Value x = view ? behindRows(view) : Value();
  if (!x || !isAxis(cast<NodeOpInterface>(root).getInt("axis", -1), 1, rankedType(root->getResult(0))))
    return failure();
  rewriter.setInsertionPoint(root);
  auto axis = rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(rankedType(x).getRank() - 1));
  Value softmax = onnx::createNode(rewriter, root->getLoc(), "::Softmax", x.getType(), x, axis)->getResult(0);
  Operation *again = rewriter.clone(*view);
  again->setOperand(0, softmax);
  replaceRoot(rewriter, root, again->getResult(0));
  return success();
}
