//===- ContractionRules.cpp - inference rules of contractions and reductions ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InferenceRules.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"
#include <map>

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

static void swapLastTwo(std::optional<SymbolicDims> &shape) {
  if (shape && shape->size() >= 2)
    std::swap(shape->end()[-1], shape->end()[-2]);
}

/// numpy.matmul on shapes.
static std::optional<SymbolicDims> multiply(Inference &inference, std::optional<SymbolicDims> a,
                                            std::optional<SymbolicDims> b) {
  if (!a || !b || a->empty() || b->empty())
    return std::nullopt;
  bool isRow = a->size() == 1, isColumn = b->size() == 1;
  if (isRow)
    a->insert(a->begin(), SymbolicDim::constant(1));
  if (isColumn)
    b->push_back(SymbolicDim::constant(1));
  SymbolicDim rows = a->end()[-2], columns = b->end()[-1];
  a->pop_back_n(2);
  b->pop_back_n(2);
  std::optional<SymbolicDims> result = broadcast(inference, a, b);
  if (!isRow)
    result->push_back(rows);
  if (!isColumn)
    result->push_back(columns);
  return result;
}

void onnx::inferMatMul(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  std::optional<SymbolicDims> a = inputOf(node, 0).shape, b = inputOf(node, 1).shape;
  if (intOf(node, "transA", 0)) // FusedMatMul and Gemm
    swapLastTwo(a);
  if (intOf(node, "transB", 0))
    swapLastTwo(b);
  outputs[0].elementType = inputOf(node, 0).elementType;
  outputs[0].shape = multiply(inference, std::move(a), std::move(b));
}

static void inferMatMulInteger(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferMatMul(inference, node, outputs);
  outputs[0].elementType = Builder(inference.getContext()).getI32Type();
}

/// Alpha·A·B + C: the addend broadcasts to the product.
static void inferGemm(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  std::optional<SymbolicDims> a = inputOf(node, 0).shape, b = inputOf(node, 1).shape;
  if (a && b && a->size() == 2 && b->size() == 2)
    inferMatMul(inference, node, outputs);
  outputs[0].elementType = inputOf(node, 0).elementType;
}

//===----------------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------------===//

/// Which dimensions a reduction drops; nothing when its axes are not known.
static std::optional<SmallVector<bool>> reducedDims(const NodeFacts &node, size_t rank) {
  auto axes = intsOf(node, "axes", 1);
  bool hasNoAxes = isAbsent(node, "axes", 1) || (axes && axes->empty());
  if (hasNoAxes)
    return SmallVector<bool>(rank, !intOf(node, "noop_with_empty_axes", 0));
  if (!axes)
    return std::nullopt;
  SmallVector<bool> isReduced(rank, false);
  for (int64_t axis : *axes) {
    std::optional<int64_t> normal = normalizeAxis(axis, rank);
    if (!normal)
      return std::nullopt;
    isReduced[*normal] = true;
  }
  return isReduced;
}

/// The value of a reduction of all of a vector.
static std::optional<SymbolicDim> reduceElements(DimContext &dims, StringRef type, const SymbolicDims &elements) {
  if (type == "ReduceProd")
    return dims.product(elements);
  SymbolicDim result;
  for (auto [i, element] : enumerate(elements)) {
    if (i == 0)
      result = element;
    else if (type == "ReduceSum")
      result = dims.add(result, element);
    else if (type == "ReduceMax")
      result = dims.maximum(result, element);
    else
      result = dims.minimum(result, element);
  }
  return elements.empty() && type != "ReduceSum" ? std::nullopt : std::optional(result);
}

static void inferReduce(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  std::optional<SmallVector<bool>> isReduced = reducedDims(node, input.shape->size());
  if (!isReduced)
    return;
  SymbolicDims result;
  for (auto [dim, reduced] : zip(*input.shape, *isReduced)) {
    if (!reduced)
      result.push_back(dim);
    else if (intOf(node, "keepdims", 1))
      result.push_back(SymbolicDim::constant(1));
  }
  outputs[0].shape = std::move(result);
  bool isFold = is_contained({"ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"}, node.type);
  if (isFold && input.elements && input.shape->size() == 1 && isReduced->front())
    if (std::optional<SymbolicDim> value = reduceElements(inference.dims, node.type, *input.elements))
      outputs[0].elements = SymbolicDims{*value};
}

static void inferArgReduce(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = Builder(inference.getContext()).getI64Type();
  if (!input.shape)
    return;
  std::optional<int64_t> axis = normalizeAxis(intOf(node, "axis", 0), input.shape->size());
  if (!axis)
    return;
  SymbolicDims shape = *input.shape;
  shape[*axis] = SymbolicDim::constant(1);
  if (!intOf(node, "keepdims", 1))
    shape.erase(shape.begin() + *axis);
  outputs[0].shape = std::move(shape);
}

//===----------------------------------------------------------------------------===//
// Einsum
//===----------------------------------------------------------------------------===//

/// Sizes by letter; terms with an ellipsis are left unknown.
static void inferEinsum(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  auto attr = dyn_cast_or_null<StringAttr>(node.attributes.get("equation"));
  if (!attr || attr.getValue().contains('.') || !attr.getValue().contains("->"))
    return;
  std::string equation = attr.getValue().str();
  erase(equation, ' ');
  auto [left, right] = StringRef(equation).split("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  std::map<char, SymbolicDim> sizes;
  if (terms.size() != node.inputs.size())
    return;
  for (auto [term, input] : zip(terms, node.inputs)) {
    if (!input.shape || input.shape->size() != term.size())
      return;
    for (auto [letter, dim] : zip(term, *input.shape))
      if (SymbolicDim &size = sizes.try_emplace(letter, dim).first->second; !size.isConstant() || size.is(1))
        size = dim;
  }
  SymbolicDims shape;
  for (char letter : right) {
    if (!sizes.count(letter))
      return;
    shape.push_back(sizes[letter]);
  }
  outputs[0].shape = std::move(shape);
}

//===----------------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------------===//

/// Attention (opset 23): [B, H, S, d] or [B, S, H·d]; caches are [B, Hkv, P + S, d].
static void inferAttention(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &query = inputOf(node, 0);
  for (Fact &output : outputs)
    output.elementType = query.elementType;
  const std::optional<SymbolicDims> &key = inputOf(node, 1).shape, &value = inputOf(node, 2).shape;
  bool haveRanks = query.shape && key && value && query.shape->size() == key->size() && key->size() == value->size();
  if (!haveRanks || (value->size() != 3 && value->size() != 4))
    return;
  DimContext &dims = inference.dims;
  bool isFlat = value->size() == 3;
  SymbolicDim valueHeads = isFlat ? SymbolicDim::constant(intOf(node, "kv_num_heads", 1)) : (*value)[1];
  auto headSize = [&](const SymbolicDims &shape) {
    return isFlat ? dims.divide(shape.back(), valueHeads) : shape.back();
  };
  SymbolicDims shape = *query.shape;
  if (shape.size() == 4)
    shape.back() = headSize(*value);
  else
    shape.back() = dims.multiply(SymbolicDim::constant(intOf(node, "q_num_heads", 1)), headSize(*value));
  outputs[0].shape = shape;
  SymbolicDim length = (*key)[isFlat ? 1 : 2];
  if (const std::optional<SymbolicDims> &past = inputOf(node, 4).shape; past && past->size() == 4)
    length = dims.add((*past)[2], length);
  const std::optional<SymbolicDims> *added[] = {&key, &value};
  for (unsigned i = 1; i < std::min<unsigned>(outputs.size(), 3); ++i)
    outputs[i].shape = SymbolicDims{shape[0], valueHeads, length, headSize(**added[i - 1])};
  if (outputs.size() == 4)
    outputs[3].shape = SymbolicDims{shape[0], isFlat ? SymbolicDim::constant(intOf(node, "q_num_heads", 1)) : shape[1],
                                    shape[isFlat ? 1 : 2], length};
}

InferenceRule onnx::findContractionRule(StringRef type) {
  return llvm::StringSwitch<InferenceRule>(type)
      .Case("MatMul", inferMatMul)
      .Case("Gemm", inferGemm)
      .Case("MatMulInteger", inferMatMulInteger)
      .Cases({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"}, inferReduce)
      .Cases({"ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"}, inferReduce)
      .Cases({"ArgMax", "ArgMin"}, inferArgReduce)
      .Case("Einsum", inferEinsum)
      .Case("Attention", inferAttention)
      .Default(nullptr);
}
