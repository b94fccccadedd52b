//===- Match.cpp - what the recognisers share ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Match.h"
#include "quantopt/Dialect/Onnx/IR/Axis.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace quantopt;

bool Match::isClosed() const {
  return llvm::all_of(inner, [&](Operation *op) {
    return llvm::all_of(op->getUsers(), [&](Operation *user) {
      return user == root || isa<onnx::ShapeOp>(user) || llvm::is_contained(inner, user);
    });
  });
}

void quantopt::takeBetween(Match &match, Value value, Value source) {
  SmallVector<Value> worklist{value};
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    Operation *op = next.getDefiningOp();
    if (next == source || !isa_and_nonnull<onnx::NodeOpInterface>(op) || llvm::is_contained(match.inner, op) ||
        op->getNumOperands() == 0)
      continue;
    match.inner.push_back(op);
    if (isa<onnx::ConcatOp>(op))
      llvm::append_range(worklist, op->getOperands());
    else
      worklist.push_back(op->getOperand(0));
  }
}

RankedTensorType quantopt::rankedType(Value value) {
  return value ? dyn_cast<RankedTensorType>(value.getType()) : RankedTensorType();
}

bool quantopt::isWeight(Value value, int64_t rank) {
  RankedTensorType type = rankedType(value);
  return type && type.getRank() == rank && type.hasStaticShape() && isa<FloatType>(type.getElementType()) &&
         param::isWeightExpression(value);
}

bool quantopt::isAxis(int64_t axis, int64_t dim, RankedTensorType type) {
  return type && onnx::normalizeAxis(axis, type.getRank()) == dim;
}

bool quantopt::isTranspose(onnx::TransposeOp node, ArrayRef<int64_t> permutation) {
  return node && cast<onnx::NodeOpInterface>(*node).getInts("perm") == permutation;
}

Value quantopt::behindCasts(Value value) {
  auto isFloat = [](Value value) { return isa<FloatType>(getElementTypeOrSelf(value.getType())); };
  while (auto cast = value.getDefiningOp<onnx::CastOp>()) {
    if (!isFloat(cast->getOperand(0)) || !isFloat(value))
      break;
    value = cast->getOperand(0);
  }
  return value;
}

bool quantopt::isSameValue(Value a, Value b) {
  if (a == b)
    return true;
  auto first = a.getDefiningOp<onnx::NodeOpInterface>(), second = b.getDefiningOp<onnx::NodeOpInterface>();
  return first && second && first->getName() == second->getName() && first.getNodeAttrs() == second.getNodeAttrs() &&
         first.getQualifiedType() == second.getQualifiedType() && a.getType() == b.getType() &&
         first->getNumResults() == 1 && first->getOperands() == second->getOperands();
}

RankedTensorType quantopt::refineType(Operation *root, ArrayRef<int64_t> shape, ArrayRef<int64_t> required) {
  return refineType(root->getResult(0), shape, required);
}

RankedTensorType quantopt::refineType(Value result, ArrayRef<int64_t> shape, ArrayRef<int64_t> required) {
  auto old = dyn_cast<TensorType>(result.getType());
  if (!old)
    return {};
  SmallVector<int64_t> sizes(shape);
  if (auto ranked = dyn_cast<RankedTensorType>(old)) {
    if (ranked.getRank() != int64_t(sizes.size()))
      return {};
    for (auto [size, stated] : llvm::zip_equal(sizes, ranked.getShape())) {
      if (!ShapedType::isDynamic(size) && !ShapedType::isDynamic(stated) && size != stated)
        return {};
      if (ShapedType::isDynamic(size))
        size = stated;
    }
  }
  auto refined = RankedTensorType::get(sizes, old.getElementType());
  if (isReturned(result) && refined != old)
    refined = dyn_cast<RankedTensorType>(Type(old));
  if (!refined || llvm::any_of(required, [&](int64_t dim) { return refined.isDynamicDim(dim); }))
    return {};
  return refined;
}

void quantopt::eraseDead(RewriterBase &rewriter, Operation *op) {
  SmallVector<Operation *> worklist{op};
  while (!worklist.empty()) {
    Operation *dead = worklist.pop_back_val();
    if (!isOpTriviallyDead(dead))
      continue;
    SetVector<Operation *> writers;
    for (Value operand : dead->getOperands())
      if (Operation *writer = operand.getDefiningOp())
        writers.insert(writer);
    rewriter.eraseOp(dead);
    // An op that two readers name is pushed by the last one only: earlier it still has a use.
    for (Operation *writer : writers)
      if (writer->use_empty())
        worklist.push_back(writer);
  }
}

void quantopt::replaceRoot(RewriterBase &rewriter, Operation *root, Value value) {
  replaceRoot(rewriter, root, ArrayRef(value));
}

void quantopt::replaceRoot(RewriterBase &rewriter, Operation *root, ArrayRef<Value> values) {
  for (auto [result, value] : llvm::zip(root->getResults(), values))
    if (value)
      rewriter.replaceAllUsesWith(result, value);
  eraseDead(rewriter, root);
}
