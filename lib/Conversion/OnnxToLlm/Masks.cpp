//===- Masks.cpp - rows that attend to nothing --------------------------------------===//
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

/// What is stretched to give `value`: the numbers are the same.
static Value behindExpand(Value value) {
  while (auto expand = value.getDefiningOp<onnx::ExpandOp>())
    value = expand->getOperand(0);
  return value;
}

/// The booleans that `condition` says nothing is true of along the last dimension: Less(ReduceSum(Cast(·)), t) for 0 <
/// t <= 1.
static Value matchEmptyRows(Value condition) {
  auto less = condition.getDefiningOp<onnx::LessOp>();
  auto sum = less ? less->getOperand(0).getDefiningOp<onnx::ReduceSumOp>() : onnx::ReduceSumOp();
  auto cast = sum ? sum->getOperand(0).getDefiningOp<onnx::CastOp>() : onnx::CastOp();
  std::optional<double> bound = cast ? evaluateScalar(less->getOperand(1)) : std::nullopt;
  if (!bound || *bound <= 0 || *bound > 1 || !getElementTypeOrSelf(cast->getOperand(0)).isInteger(1))
    return {};
  NodeOpInterface node = sum;
  RankedTensorType type = rankedType(sum->getOperand(0));
  auto stated = node.getInts("axes");
  std::optional<SmallVector<int64_t>> axes;
  if (stated)
    axes = SmallVector<int64_t>(stated->begin(), stated->end());
  else if (Value input = node.getNodeInput(1))
    axes = evaluateIntegers(input);
  bool isLast = type && axes && axes->size() == 1 && isAxis(axes->front(), type.getRank() - 1, type);
  return isLast && node.getInt("keepdims", 1) == 1 ? behindExpand(cast->getOperand(0)) : Value();
}

/// Whether the mask adds nothing where `counts` holds and a number beside which scores vanish elsewhere.
static bool excludesOthers(Value mask, Value counts) {
  mask = behindExpand(mask);
  if (auto where = mask.getDefiningOp<onnx::WhereOp>()) {
    std::optional<double> excluded = evaluateScalar(where->getOperand(2));
    return behindExpand(where->getOperand(0)) == counts && evaluateScalar(where->getOperand(1)) == 0.0 && excluded &&
           *excluded <= -1e9;
  }
  auto product = mask.getDefiningOp<onnx::MulOp>();
  if (!product)
    return false;
  for (auto [flag, factor] : eitherOrder(product)) {
    std::optional<double> excluded = evaluateScalar(factor);
    auto cast = flag.getDefiningOp<onnx::CastOp>();
    auto negation = cast ? cast->getOperand(0).getDefiningOp<onnx::NotOp>() : onnx::NotOp();
    if (excluded && std::isfinite(*excluded) && *excluded <= -1e9 && negation &&
        behindExpand(negation->getOperand(0)) == counts)
      return true;
  }
  return false;
}

LogicalResult quantopt::recognizeZeroedRows(Operation *root, RewriterBase &rewriter) {
  auto where = dyn_cast<onnx::WhereOp>(root);
  if (!where || evaluateScalar(where->getOperand(1)) != 0.0)
    return failure();
  Value condition = where->getOperand(0), output = where->getOperand(2);
  auto conditionOrder = condition.getDefiningOp<onnx::TransposeOp>();
  auto outputOrder = output.getDefiningOp<onnx::TransposeOp>();
  bool isExchanged =
      isTranspose(conditionOrder, {0, 2, 1, 3}) && isTranspose(outputOrder, {0, 2, 1, 3}) && outputOrder->hasOneUse();
  if (isExchanged) {
    condition = conditionOrder->getOperand(0);
    output = outputOrder->getOperand(0);
  }
  auto attention = output.getDefiningOp<llm::AttentionOp>();
  Value counts = attention && attention->hasOneUse() && attention.getMask() ? matchEmptyRows(condition) : Value();
  RankedTensorType type = counts ? rankedType(counts) : RankedTensorType();
  if (!type || type.getRank() > 4 || !excludesOthers(attention.getMask(), counts))
    return failure();
  rewriter.setInsertionPoint(root);
  auto element = cast<FloatType>(getElementTypeOrSelf(output));
  auto scalar = [&](const APFloat &number) {
    auto value = DenseElementsAttr::get(RankedTensorType::get({}, element), number);
    return onnx::createNode(rewriter, root->getLoc(), "::Constant", value.getType(), {},
                            rewriter.getNamedAttr("value", value))
        ->getResult(0);
  };
  const llvm::fltSemantics &semantics = element.getFloatSemantics();
  Value zero = scalar(APFloat::getZero(semantics)), excluded = scalar(APFloat::getInf(semantics, /*Negative=*/true));
  Value mask = onnx::createNode(rewriter, root->getLoc(), "::Where", type.clone(element), {counts, zero, excluded})
                   ->getResult(0);
  Value zeroed = llm::AttentionOp::create(rewriter, root->getLoc(), output.getType(), attention.getQuery(),
                                          attention.getKey(), attention.getValue(), mask, attention.getScaleAttr(),
                                          attention.getSoftcapAttr(), rewriter.getUnitAttr());
  replaceRoot(rewriter, root, isExchanged ? exchangeHeads(root, rewriter, zeroed) : zeroed);
  return success();
}
