//===- Attention.cpp - the attention core ---------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Layout.h"
#include "Match.h"
#include "llvm/ADT/APFloat.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

namespace {
/// What llm.attention is made of.
struct Attention {
  Value query, key, value, mask;
  /// The condition under which a score counts, where the graph replaces the others (Where) rather than adding to them.
  Value counts;
  bool countsIfFalse = false;
  double fill = 0;
  double scale = 1, softcap = 0;
  bool zeroMaskedRows = false;
};

/// A product of matrices, of either operand or its transpose.
struct Product {
  Value lhs, rhs;
  bool isRhsTransposed = false;
  double scale = 1;
};
} // namespace

static bool isScalar(Value value) {
  RankedTensorType type = rankedType(value);
  return type && llvm::all_of(type.getShape(), [](int64_t size) { return size == 1; });
}

/// Takes casts, products and quotients with known scalars; gives what they scale.
static Value matchScale(Match &match, Value value, double &scale) {
  while (Operation *op = value.getDefiningOp()) {
    Value scaled;
    if (isa<onnx::CastOp>(op) && behindCasts(value) != value) {
      scaled = op->getOperand(0);
    } else if (auto layer = dyn_cast<llm::ScaleOp>(op)) {
      scale *= layer.getFactor().convertToDouble();
      scaled = layer.getInput();
    } else if (isa<onnx::DivOp>(op)) {
      std::optional<double> divisor = evaluateScalar(op->getOperand(1));
      if (divisor && *divisor != 0 && isScalar(op->getOperand(1))) {
        scale /= *divisor;
        scaled = op->getOperand(0);
      }
    } else if (isa<onnx::MulOp>(op)) {
      for (auto [other, factor] : eitherOrder(op))
        if (std::optional<double> constant = scaled ? std::nullopt : evaluateScalar(factor);
            constant && isScalar(factor)) {
          scale *= *constant;
          scaled = other;
        }
    }
    if (!scaled)
      return value;
    match.inner.push_back(op);
    value = scaled;
  }
  return value;
}

/// A MatMul, or the one that ONNX Runtime fuses with transposes and a scale.
static std::optional<Product> matchProduct(Operation *op) {
  if (isa_and_nonnull<onnx::MatMulOp>(op))
    return Product{op->getOperand(0), op->getOperand(1), false, 1};
  auto node = dyn_cast_or_null<NodeOpInterface>(op);
  if (!node || (node.getQualifiedType() != "com.microsoft::FusedMatMul" &&
                node.getQualifiedType() != "com.microsoft::TransposeMatMul"))
    return std::nullopt;
  if (node.getInt("transA", 0) || node.getInt("transBatchA", 0) || node.getInt("transBatchB", 0))
    return std::nullopt;
  return Product{op->getOperand(0), op->getOperand(1), node.getInt("transB", 0) != 0, node.getFloat("alpha", 1)};
}

//===----------------------------------------------------------------------------===//
// Keys and values
//===----------------------------------------------------------------------------===//

/// The value whose last two dimensions a Transpose exchanges, with the others joined by Reshapes for its sake or not;
/// null when `value` is no such thing.
static Value matchExchange(Match &match, Value value) {
  Match trial = match;
  if (auto transpose = trial.take<onnx::TransposeOp>(value); transpose && isTranspose(transpose, {0, 1, 3, 2})) {
    match = trial;
    return transpose->getOperand(0);
  }
  trial = match;
  auto split = trial.take<onnx::ReshapeOp>(value);
  auto transpose = split ? trial.take<onnx::TransposeOp>(split->getOperand(0)) : onnx::TransposeOp();
  auto joined =
      isTranspose(transpose, {0, 2, 1}) ? trial.take<onnx::ReshapeOp>(transpose->getOperand(0)) : onnx::ReshapeOp();
  RankedTensorType result = rankedType(value);
  RankedTensorType input = joined ? rankedType(joined->getOperand(0)) : RankedTensorType();
  if (!input || input.getRank() != 4 || !result || result.getRank() != 4)
    return {};
  Value x = joined->getOperand(0);
  RankedTensorType matrix = rankedType(joined->getResult(0));
  auto keeps = [&](int64_t from, int64_t to) {
    return input.isDynamicDim(from) ? dimOf(x, from) == dimOf(value, to) || result.isDynamicDim(to)
                                    : input.getDimSize(from) == result.getDimSize(to);
  };
  bool keepsMatrix = !input.isDynamicDim(3) && matrix.getDimSize(2) == input.getDimSize(3);
  if (input.isDynamicDim(1) || !keepsMatrix || !keeps(1, 1) || !keeps(2, 3) || !keeps(3, 2))
    return {};
  match = trial;
  return x;
}

/// What `value` is made of by scaling, repeating heads and exchanging its last two dimensions: [B, kv_heads, T, d], or
/// null.
static Value matchCache(Match &match, Value value, int64_t heads, bool isTransposed, double &scale) {
  while (true) {
    Value next = matchScale(match, value, scale);
    if (Value exchanged = matchExchange(match, next)) {
      isTransposed = !isTransposed;
      next = exchanged;
    }
    RankedTensorType type = rankedType(next);
    if (type && type.getRank() == 4 && type.getDimSize(1) == heads)
      if (Value cache = behindRepeatedHeads(next, heads); cache != next) {
        takeBetween(match, next, cache);
        heads = rankedType(cache).getDimSize(1);
        next = cache;
      }
    if (next == value)
      break;
    value = next;
  }
  RankedTensorType type = rankedType(value);
  bool isCache = type && type.getRank() == 4 && !type.isDynamicDim(1) && !isTransposed;
  return isCache && type.getDimSize(1) > 0 && heads % type.getDimSize(1) == 0 ? value : Value();
}

//===----------------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------------===//

/// scale · q kᵀ with the scale anywhere; fills query, key and scale.
static bool matchScores(Match &match, Value value, Attention &attention) {
  Value scores = matchScale(match, value, attention.scale);
  std::optional<Product> product = matchProduct(scores.getDefiningOp());
  if (!product)
    return false;
  match.inner.push_back(scores.getDefiningOp());
  attention.scale *= product->scale;
  attention.query = matchScale(match, product->lhs, attention.scale);
  RankedTensorType query = rankedType(attention.query);
  if (!query || query.getRank() != 4 || query.isDynamicDim(1))
    return false;
  attention.key =
      matchCache(match, product->rhs, query.getDimSize(1), /*isTransposed=*/!product->isRhsTransposed, attention.scale);
  return !!attention.key;
}

/// Scores, or c · tanh(scores / c).
static bool matchCappedScores(Match &match, Value value, Attention &attention) {
  Match trial = match;
  double outer = 1, inner = 1;
  Value capped = matchScale(trial, value, outer);
  auto tanh = trial.take<onnx::TanhOp>(capped);
  if (!tanh)
    return matchScores(match, value, attention);
  Attention found = attention;
  Value scores = matchScale(trial, tanh->getOperand(0), inner);
  if (!(outer > 0) || !matchScores(trial, scores, found))
    return false;
  match = trial;
  attention = found;
  attention.softcap = outer;
  attention.scale *= inner * outer;
  return true;
}

/// Scores, of which those that a condition excludes are replaced by a very small number.
static bool matchChosenScores(Match &match, Value value, Attention &attention) {
  auto where = value.getDefiningOp<onnx::WhereOp>();
  for (unsigned i : {1, 2}) {
    std::optional<double> fill = evaluateScalar(where->getOperand(3 - i));
    Match trial = match;
    Attention found = attention;
    trial.inner.push_back(where);
    // Its exponential has to vanish beside that of any score.
    if (!fill || !(*fill <= -1e4) || !matchCappedScores(trial, where->getOperand(i), found))
      continue;
    match = trial;
    attention = found;
    attention.counts = where->getOperand(0);
    attention.countsIfFalse = i == 2;
    attention.fill = *fill;
    return true;
  }
  return false;
}

/// The scores, or their sum with a mask.
static bool matchMaskedScores(Match &match, Value value, Attention &attention) {
  while (behindCasts(value) != value) {
    match.inner.push_back(value.getDefiningOp());
    value = value.getDefiningOp()->getOperand(0);
  }
  if (value.getDefiningOp<onnx::WhereOp>())
    return matchChosenScores(match, value, attention);
  auto sum = value.getDefiningOp<onnx::AddOp>();
  if (!sum)
    return matchCappedScores(match, value, attention);
  for (auto [scores, mask] : eitherOrder(sum)) {
    Match trial = match;
    Attention found = attention;
    trial.inner.push_back(sum);
    RankedTensorType type = rankedType(mask);
    if (!type || type.getRank() > 4 || !matchCappedScores(trial, scores, found))
      continue;
    match = trial;
    attention = found;
    attention.mask = mask;
    return true;
  }
  return false;
}

//===----------------------------------------------------------------------------===//
// Probabilities
//===----------------------------------------------------------------------------===//

/// Where(IsNaN(p), 0, p): rows without any score are 0; gives p.
static Value matchZeroedRows(Match &match, Value value) {
  auto where = value.getDefiningOp<onnx::WhereOp>();
  auto isNan = where ? where->getOperand(0).getDefiningOp<NodeOpInterface>() : NodeOpInterface();
  if (!isNan || isNan.getQualifiedType() != "::IsNaN" || isNan->getOperand(0) != where->getOperand(2) ||
      evaluateScalar(where->getOperand(1)) != 0.0)
    return {};
  match.inner.append({where.getOperation(), isNan.getOperation()});
  return where->getOperand(2);
}

/// The softmax of the last of 4 dimensions, cast or not; fills zeroMaskedRows.
static onnx::SoftmaxOp matchProbabilities(Match &match, Value value, Attention &attention) {
  while (true) {
    if (behindCasts(value) != value) {
      match.inner.push_back(value.getDefiningOp());
      value = value.getDefiningOp()->getOperand(0);
    } else if (Value zeroed = matchZeroedRows(match, value)) {
      attention.zeroMaskedRows = true;
      value = zeroed;
    } else {
      break;
    }
  }
  auto softmax = match.take<onnx::SoftmaxOp>(value);
  RankedTensorType type = softmax ? rankedType(value) : RankedTensorType();
  std::optional<int64_t> axis = softmax ? cast<NodeOpInterface>(*softmax).getInt("axis") : std::nullopt;
  return type && type.getRank() == 4 && axis && isAxis(*axis, 3, type) ? softmax : onnx::SoftmaxOp();
}

/// The additive mask for scores that are replaced where a condition does not hold: of the lowest number there, or −∞
/// where the graph has that. Null when sums with it would not give what replacing gives: where all scores of a row are
/// replaced by one finite number the row is uniform, so the number must be large enough for scores to vanish beside it.
static Value makeMask(Operation *root, RewriterBase &rewriter, const Attention &attention) {
  RankedTensorType condition = rankedType(attention.counts);
  auto type = cast<FloatType>(getElementTypeOrSelf(root->getResult(0)));
  bool isInfinite = std::isinf(attention.fill);
  if (!condition || condition.getRank() > 4 || (!isInfinite && type.isF16()))
    return {};
  rewriter.setInsertionPoint(root);
  auto scalar = [&](const APFloat &number) {
    auto value = DenseElementsAttr::get(RankedTensorType::get({}, type), number);
    return onnx::createNode(rewriter, root->getLoc(), "::Constant", value.getType(), {},
                            rewriter.getNamedAttr("value", value))
        ->getResult(0);
  };
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  Value zero = scalar(APFloat::getZero(semantics));
  Value excluded =
      scalar(isInfinite ? APFloat::getInf(semantics, true) : APFloat::getLargest(semantics, /*Negative=*/true));
  Value yes = attention.countsIfFalse ? excluded : zero, no = attention.countsIfFalse ? zero : excluded;
  return onnx::createNode(rewriter, root->getLoc(), "::Where", RankedTensorType::get(condition.getShape(), type),
                          {attention.counts, yes, no})
      ->getResult(0);
}

LogicalResult quantopt::recognizeAttention(Operation *root, RewriterBase &rewriter) {
  std::optional<Product> product = matchProduct(root);
  if (!product || product->isRhsTransposed)
    return failure();
  Match match(root);
  Attention attention;
  onnx::SoftmaxOp softmax = matchProbabilities(match, product->lhs, attention);
  if (!softmax || !matchMaskedScores(match, softmax->getOperand(0), attention))
    return failure();
  double valueScale = product->scale;
  RankedTensorType query = rankedType(attention.query);
  attention.value = matchCache(match, product->rhs, query.getDimSize(1), /*isTransposed=*/false, valueScale);
  if (!attention.value || valueScale != 1 || !match.isClosed())
    return failure();
  RankedTensorType value = rankedType(attention.value), key = rankedType(attention.key);
  Type element = query.getElementType();
  if (value.getDimSize(1) != key.getDimSize(1) || key.getElementType() != element ||
      value.getElementType() != element || getElementTypeOrSelf(root->getResult(0)) != element ||
      (attention.mask && getElementTypeOrSelf(attention.mask) != element))
    return failure();
  SmallVector<int64_t> shape{query.getDimSize(0), query.getDimSize(1), query.getDimSize(2), value.getDimSize(3)};
  RankedTensorType type = refineType(root, shape, /*required=*/{1});
  if (!type)
    return failure();
  if (attention.counts && !(attention.mask = makeMask(root, rewriter, attention)))
    return failure();
  rewriter.setInsertionPoint(root);
  Value result = llm::AttentionOp::create(rewriter, root->getLoc(), type, attention.query, attention.key,
                                          attention.value, attention.mask, rewriter.getF64FloatAttr(attention.scale),
                                          rewriter.getF64FloatAttr(attention.softcap),
                                          attention.zeroMaskedRows ? rewriter.getUnitAttr() : UnitAttr());
  replaceRoot(rewriter, root, result);
  return success();
}
