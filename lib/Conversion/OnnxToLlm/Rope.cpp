//===- Rope.cpp - rotary position embedding -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Element i of a rotated head is x[i] cos[i] - x[j] sin[i] or x[i] cos[i] + x[j] sin[i] for its partner j, whatever
// slices, concatenations and reshapes exporters write it with. So each element is expanded to such a sum, and the sums
// are compared.
//
//===----------------------------------------------------------------------------===//
#include "Layout.h"
#include "Match.h"
#include "llvm/Support/SaveAndRestore.h"
#include <map>

using namespace mlir;
using namespace quantopt;

namespace {
/// How deep the sums of a rotation may be nested.
constexpr int maxDepth = 16;

/// An element of a head, times an element of a table unless it passes; the signs are in the former.
struct Term {
  Element x;
  std::optional<Element> table;
};
using Sum = SmallVector<Term, 2>;

/// What sums of the elements of heads, the last dimension of tensors of rank 4, are.
class Rotation {
public:
  /// The sum for each element of `value`; empty when it is no such thing.
  SmallVector<Sum> of(Value value);
  Layout &heads() { return layouts.try_emplace(3, 3, 0).first->second; }
  Layout &tables(int64_t lead) { return layouts.try_emplace(lead, lead, 0).first->second; }
  /// Whether the dimension of heads is the second one, or the third one, as far as tables tell.
  bool mayBeSecond = true, mayBeThird = true;

private:
  SmallVector<Sum> expand(Value value);
  SmallVector<Sum> expandProduct(Operation *product);
  bool takeTable(Value table, int64_t rank);

  std::map<int64_t, Layout> layouts;
  llvm::MapVector<Value, SmallVector<Sum>> known;
  int depth = 0;
};

/// A rotation of the first `width` elements of a head.
struct Rope {
  ElementMap x, cos, sin;
  bool isInterleaved = false;
};
} // namespace

/// Whether a layer lies before `value`: positions know nothing of weights.
static bool dependsOnLayer(Value value) {
  SmallVector<Value> worklist{value};
  for (int steps = 0; !worklist.empty() && steps < 64; ++steps) {
    Operation *op = worklist.pop_back_val().getDefiningOp();
    if (!op || isa<onnx::ShapeOp>(op))
      continue;
    if (op->getName().getDialectNamespace() == "llm" && !isa<llm::EmbeddingOp>(op))
      return true;
    llvm::append_range(worklist, op->getOperands());
  }
  return false;
}

/// Notes where the heads are if `table`, a factor in a product of rank `rank`, is the same for all of them.
bool Rotation::takeTable(Value table, int64_t rank) {
  RankedTensorType type = rankedType(table);
  if (!type || dependsOnLayer(table))
    return false;
  auto isShared = [&](int64_t dim) {
    int64_t own = dim - (rank - type.getRank());
    return own < 0 || type.getDimSize(own) == 1;
  };
  bool second = mayBeSecond && isShared(1), third = mayBeThird && isShared(2);
  if (!second && !third)
    return false;
  mayBeSecond = second;
  mayBeThird = third;
  return true;
}

SmallVector<Sum> Rotation::expandProduct(Operation *product) {
  RankedTensorType type = rankedType(product->getResult(0));
  for (auto [x, table] : eitherOrder(product)) {
    RankedTensorType xType = rankedType(x), tableType = rankedType(table);
    int64_t lead = tableType ? 3 - (type.getRank() - tableType.getRank()) : -1;
    if (!xType || xType.getRank() < 3 || lead < 0 || xType.getShape().drop_front(3) != type.getShape().drop_front(3) ||
        tableType.getShape().drop_front(lead) != type.getShape().drop_front(3) || !takeTable(table, type.getRank()))
      continue;
    ElementMap elements = heads().of(x), factors = tables(lead).of(table);
    if (elements.empty() || elements.size() != factors.size())
      return {};
    SmallVector<Sum> sums;
    for (auto [element, factor] : llvm::zip_equal(elements, factors)) {
      bool isNegative = element.isNegative != factor.isNegative;
      sums.push_back({Term{{element.source, element.index, isNegative}, Element{factor.source, factor.index}}});
    }
    return sums;
  }
  return {};
}

SmallVector<Sum> Rotation::expand(Value value) {
  if (depth == maxDepth)
    return {};
  llvm::SaveAndRestore nested(depth, depth + 1);
  Operation *op = value.getDefiningOp();
  if (isa<onnx::MulOp>(op))
    return expandProduct(op);
  SmallVector<Sum> left = of(op->getOperand(0)), right = of(op->getOperand(1));
  if (left.empty() || left.size() != right.size())
    return {};
  for (auto [sum, more] : llvm::zip_equal(left, right))
    for (Term term : more) {
      if (sum.size() == 2) // more than any rotation adds
        return {};
      term.x.isNegative ^= isa<onnx::SubOp>(op);
      sum.push_back(term);
    }
  return left;
}

SmallVector<Sum> Rotation::of(Value value) {
  SmallVector<Sum> sums;
  for (const Element &element : heads().of(value)) {
    if (!isa_and_nonnull<onnx::AddOp, onnx::SubOp, onnx::MulOp>(element.source.getDefiningOp())) {
      sums.push_back({Term{element, std::nullopt}});
      continue;
    }
    auto found = known.find(element.source);
    if (found == known.end())
      found = known.insert({element.source, expand(element.source)}).first;
    if (found->second.empty())
      return {};
    Sum sum = found->second[element.index];
    for (Term &term : sum)
      term.x.isNegative ^= element.isNegative;
    sums.push_back(std::move(sum));
  }
  return sums;
}

/// Two terms whose x are given up to sign, the first one positive: the first one's table and the second one's.
static bool matchTerms(const Sum &sum, bool isSecondNegative, const Element *straight, const Element *turned,
                       SmallVector<Term, 2> &ordered) {
  if (sum.size() != 2 || !sum[0].table || !sum[1].table)
    return false;
  auto is = [](const Term &term, const Element *x, bool isNegative) {
    return term.x.isNegative == isNegative && (!x || (term.x.source == x->source && term.x.index == x->index));
  };
  for (unsigned first : {0, 1})
    if (is(sum[first], straight, false) && is(sum[1 - first], turned, isSecondNegative)) {
      ordered = {sum[first], sum[1 - first]};
      return true;
    }
  return false;
}

/// The rotation that pairs element i with i + width/2, or neighbours.
static std::optional<Rope> matchRope(ArrayRef<Sum> sums, bool isInterleaved) {
  int64_t width = llvm::count_if(sums, [](const Sum &sum) { return sum.size() == 2; });
  if (width == 0 || width % 2)
    return std::nullopt;
  Rope rope;
  rope.isInterleaved = isInterleaved;
  rope.x.resize(sums.size());
  rope.cos.resize(width);
  rope.sin.resize(width);
  for (int64_t pair = 0; pair < width / 2; ++pair) {
    int64_t low = isInterleaved ? 2 * pair : pair, high = isInterleaved ? low + 1 : pair + width / 2;
    SmallVector<Term, 2> first, second;
    if (!matchTerms(sums[low], /*isSecondNegative=*/true, nullptr, nullptr, first))
      return std::nullopt;
    Element a = first[0].x, b = first[1].x;
    b.isNegative = false;
    if (!matchTerms(sums[high], /*isSecondNegative=*/false, &b, &a, second))
      return std::nullopt;
    rope.x[low] = a;
    rope.x[high] = b;
    rope.cos[low] = *first[0].table;
    rope.sin[low] = *first[1].table;
    rope.cos[high] = *second[0].table;
    rope.sin[high] = *second[1].table;
  }
  for (int64_t i = width, e = sums.size(); i < e; ++i) {
    if (sums[i].size() != 1 || sums[i][0].table || sums[i][0].x.isNegative)
      return std::nullopt;
    rope.x[i] = sums[i][0].x;
  }
  return rope;
}

/// A value on the way whose elements are these, or null.
static Value findValue(const Layout &layout, const ElementMap &map, int64_t rank) {
  for (const auto &entry : layout.visited())
    if (entry.second == map && rankedType(entry.first).getRank() == rank)
      return entry.first;
  return {};
}

/// The table of these elements, as llm.rope takes it: [B, 1, S, r] or [B, S, r]; null when they come from several.
static Value makeTable(Rotation &rotation, const ElementMap &map, bool isSecond, Operation *root,
                       RewriterBase &rewriter) {
  Value source = map.front().source;
  RankedTensorType type = rankedType(source);
  if (llvm::any_of(map, [&](const Element &element) { return element.source != source; }) || type.getRank() > 4)
    return {};
  int64_t rank = type.getRank(), width = map.size();
  rewriter.setInsertionPoint(root);
  auto constant = [&](ArrayRef<int64_t> values) {
    auto attr = DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, rewriter.getI64Type()), values);
    return onnx::createNode(rewriter, root->getLoc(), "::Constant", attr.getType(), {},
                            rewriter.getNamedAttr("value", attr))
        ->getResult(0);
  };
  Value table = findValue(rotation.tables(rank - 1), map, rank);
  if (!table) {
    SmallVector<int64_t> indices, shape(type.getShape());
    for (const Element &element : map)
      indices.push_back(element.index);
    shape.back() = width;
    table = onnx::createNode(rewriter, root->getLoc(), "::Gather", type.clone(shape), {source, constant(indices)},
                             rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(rank - 1)))
                ->getResult(0);
    type = rankedType(table);
  }
  if (isSecond && rank >= 3)
    return table;
  // [B, S, 1, r], [S, 1, r], [S, r] or [r].
  bool hasBatch = rank == 4;
  int64_t sequence = rank == 1 ? 1 : type.getDimSize(hasBatch ? 1 : 0);
  SmallVector<int64_t> shape{hasBatch ? type.getDimSize(0) : 1, sequence, width};
  Value target = constant({hasBatch ? 0 : 1, hasBatch ? 0 : rank == 1 ? 1 : -1, width});
  return onnx::createNode(rewriter, root->getLoc(), "::Reshape", type.clone(shape), {table, target})->getResult(0);
}

/// Takes what lies between the root and the operands of the rope.
static void takeInner(Match &match, Value x, const Rope &rope, ArrayRef<Value> tables) {
  SmallVector<Value> worklist(match.root->getOperands());
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    Operation *op = value.getDefiningOp();
    bool isSource = value == rope.cos.front().source || value == rope.sin.front().source;
    if (value == x || isSource || llvm::is_contained(tables, value) || !isa_and_nonnull<onnx::NodeOpInterface>(op) ||
        onnx::getConstant(value) || llvm::is_contained(match.inner, op) || !isa<FloatType>(getElementTypeOrSelf(value)))
      continue;
    match.inner.push_back(op);
    llvm::append_range(worklist, op->getOperands());
  }
}

/// llm.rope of `x`, [B, heads, S, d], or of its transpose when the heads come third.
static Value makeRope(Operation *root, RewriterBase &rewriter, Value x, Value cos, Value sin, const Rope &rope,
                      bool isSecond) {
  rewriter.setInsertionPoint(root);
  UnitAttr interleaved = rope.isInterleaved ? rewriter.getUnitAttr() : UnitAttr();
  Value input = isSecond ? x : exchangeHeads(root, rewriter, x);
  Value rotated = llm::RopeOp::create(rewriter, root->getLoc(), input.getType(), input, cos, sin, interleaved);
  return isSecond ? rotated : exchangeHeads(root, rewriter, rotated);
}

/// A rotation of the first elements of heads, joined with the others: that of the heads.
static LogicalResult recognizePartialRope(Operation *root, RewriterBase &rewriter, ArrayRef<Sum> sums) {
  Value turned = sums.front().front().x.source;
  auto order = turned.getDefiningOp<onnx::TransposeOp>();
  bool isExchanged = isTranspose(order, {0, 2, 1, 3}) && order->hasOneUse();
  auto inner = (isExchanged ? order->getOperand(0) : turned).getDefiningOp<llm::RopeOp>();
  if (!inner || !inner->hasOneUse() || !isa<onnx::ConcatOp>(root))
    return failure();
  Value part = inner.getInput();
  if (isExchanged) {
    auto back = part.getDefiningOp<onnx::TransposeOp>();
    if (!isTranspose(back, {0, 2, 1, 3}))
      return failure();
    part = back->getOperand(0);
  }
  int64_t width = rankedType(turned).getDimSize(3);
  Layout layout(3, 0);
  ElementMap map = layout.of(part);
  if (width >= int64_t(sums.size()) || int64_t(map.size()) != width)
    return failure();
  for (auto [i, sum] : llvm::enumerate(sums)) {
    if (sum.size() != 1 || sum[0].table || sum[0].x.isNegative)
      return failure();
    bool isRotated = sum[0].x.source == turned;
    if (int64_t(i) < width ? !isRotated || sum[0].x.index != int64_t(i) : isRotated)
      return failure();
    if (int64_t(i) >= width)
      map.push_back(sum[0].x);
  }
  (void)layout.of(root->getOperand(root->getNumOperands() - 1));
  Value x = findValue(layout, map, 4);
  RankedTensorType type =
      x ? refineType(root, rankedType(x).getShape(), /*required=*/{isExchanged ? 2 : 1, 3}) : RankedTensorType();
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  Value input = isExchanged ? exchangeHeads(root, rewriter, x) : x;
  Value rotated = llm::RopeOp::create(rewriter, root->getLoc(), input.getType(), input, inner.getCos(), inner.getSin(),
                                      inner.getInterleavedAttr());
  replaceRoot(rewriter, root, isExchanged ? exchangeHeads(root, rewriter, rotated) : rotated);
  return success();
}

LogicalResult quantopt::recognizeRope(Operation *root, RewriterBase &rewriter) {
  RankedTensorType rootType = root->getNumResults() == 1 ? rankedType(root->getResult(0)) : RankedTensorType();
  if (!isa<onnx::AddOp, onnx::ConcatOp, onnx::ReshapeOp>(root) || !rootType || rootType.getRank() != 4 ||
      rootType.isDynamicDim(3) || !isa<FloatType>(rootType.getElementType()))
    return failure();
  Rotation rotation;
  SmallVector<Sum> sums = rotation.of(root->getResult(0));
  if (sums.empty())
    return failure();
  if (succeeded(recognizePartialRope(root, rewriter, sums)))
    return success();
  for (bool isInterleaved : {false, true}) {
    std::optional<Rope> rope = matchRope(sums, isInterleaved);
    Value x = rope ? findValue(rotation.heads(), rope->x, 4) : Value();
    if (!x || !rotation.of(x).size())
      continue;
    RankedTensorType type = rankedType(x);
    bool isSecond = rotation.mayBeSecond && !type.isDynamicDim(1);
    if (!isSecond && (!rotation.mayBeThird || type.isDynamicDim(2)))
      continue;
    Value cosSource = rope->cos.front().source, sinSource = rope->sin.front().source;
    auto tableOf = [&](Value source, const ElementMap &map) {
      return findValue(rotation.tables(rankedType(source).getRank() - 1), map, rankedType(source).getRank());
    };
    Match match(root);
    takeInner(match, x, *rope, {tableOf(cosSource, rope->cos), tableOf(sinSource, rope->sin)});
    RankedTensorType result = refineType(root, type.getShape(), /*required=*/{isSecond ? 1 : 2, 3});
    if (!match.isClosed() || !result)
      continue;
    Value cos = makeTable(rotation, rope->cos, isSecond, root, rewriter);
    Value sin = cos ? makeTable(rotation, rope->sin, isSecond, root, rewriter) : Value();
    if (!sin)
      return failure();
    replaceRoot(rewriter, root, makeRope(root, rewriter, x, cos, sin, *rope, isSecond));
    return success();
  }
  return failure();
}
