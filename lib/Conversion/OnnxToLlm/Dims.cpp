//===- Dims.cpp - which sizes are equal whenever the graph runs ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Dims.h"
#include "Evaluate.h"
#include "Match.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

namespace {
/// Steps of a query: the residual stream alone has two for each layer of a deep model.
constexpr int maxDepth = 1024;

/// One query. Every step looks behind one op; where that is not possible the size is that of the value it has come to.
class DimQuery {
public:
  /// The size of dimension `dim` of `value`.
  Dim ofValue(Value value, int64_t dim);

private:
  Dim ofElement(Value vector, int64_t index);
  Dim unknown(Value value, int64_t index) { return {ShapedType::kDynamic, {}, value, index}; }
  Dim ofArgument(BlockArgument argument, int64_t dim);
  std::optional<Dim> behindLayer(Operation *op, int64_t dim);
  std::optional<Dim> behindNode(NodeOpInterface node, int64_t dim);
  std::optional<Dim> broadcast(OperandRange operands, int64_t rank, int64_t dim);
  std::optional<Dim> behindSlice(NodeOpInterface node, int64_t dim);
  std::optional<Dim> behindConcat(NodeOpInterface node, int64_t dim);
  std::optional<Dim> behindReshape(NodeOpInterface node, int64_t dim);
  std::optional<Dim> rest(NodeOpInterface reshape, const Elements &target, int64_t dim);
  std::optional<Dim> behindElement(NodeOpInterface node, int64_t index);

  int depth = 0;
};

RankedTensorType rankedTypeOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

std::optional<SmallVector<int64_t>> axesOf(NodeOpInterface node) {
  if (auto stated = node.getInts("axes"))
    return SmallVector<int64_t>(stated->begin(), stated->end());
  Value input = node.getNodeInput(1);
  return input ? evaluateIntegers(input) : std::nullopt;
}
} // namespace

Dim DimQuery::ofArgument(BlockArgument argument, int64_t dim) {
  auto function = dyn_cast_or_null<func::FuncOp>(argument.getOwner()->getParentOp());
  auto names = function ? function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), onnx::OnnxDialect::dimsAttrName)
                        : ArrayAttr();
  auto name = names && dim < int64_t(names.size()) ? dyn_cast<StringAttr>(names[dim]) : StringAttr();
  if (!name || name.empty())
    return unknown(argument, dim);
  return {ShapedType::kDynamic, name, {}, 0};
}

std::optional<Dim> DimQuery::behindLayer(Operation *op, int64_t dim) {
  using Result = std::optional<Dim>;
  bool isLast = dim == rankedTypeOf(op->getResult(0)).getRank() - 1;
  return TypeSwitch<Operation *, Result>(op)
      .Case<llm::RmsNormOp, llm::LayerNormOp, llm::ScaleOp, llm::RopeOp, llm::ActivationOp>(
          [&](auto layer) -> Result { return ofValue(layer.getInput(), dim); })
      .Case<llm::ResidualAddOp>([&](auto add) -> Result { return ofValue(add.getLhs(), dim); })
      .Case<llm::SwigluOp, llm::GegluOp>([&](auto gated) -> Result { return ofValue(gated.getGate(), dim); })
      .Case<llm::LinearOp>([&](auto linear) { return isLast ? Result() : ofValue(linear.getInput(), dim); })
      .Case<llm::EmbeddingOp>([&](auto embedding) { return isLast ? Result() : ofValue(embedding.getIds(), dim); })
      .Case<llm::AttentionOp>([&](auto attention) { return isLast ? Result() : ofValue(attention.getQuery(), dim); })
      .Case<llm::SplitHeadsOp>([&](auto split) { return ofValue(split.getInput(), dim / 2); })
      .Case<llm::MergeHeadsOp>([&](auto merge) { return isLast ? Result() : ofValue(merge.getInput(), 2 * dim); })
      .Default([](Operation *) { return Result(); });
}

/// Operands of size 1 are stretched to the size of the others.
std::optional<Dim> DimQuery::broadcast(OperandRange operands, int64_t rank, int64_t dim) {
  std::optional<Dim> found;
  for (Value operand : operands) {
    RankedTensorType type = rankedTypeOf(operand);
    if (!type)
      return std::nullopt;
    int64_t own = dim - (rank - type.getRank());
    if (own < 0 || type.getDimSize(own) == 1)
      continue;
    Dim size = ofValue(operand, own);
    if (found && !(*found == size))
      return std::nullopt;
    found = size;
  }
  return found;
}

/// The size that -1 stands for: what the others leave of the input's sizes, when that is one size.
std::optional<Dim> DimQuery::rest(NodeOpInterface reshape, const Elements &target, int64_t dim) {
  Value input = reshape->getOperand(0);
  RankedTensorType type = rankedTypeOf(input);
  SmallVector<Dim> sizes;
  int64_t product = 1;
  for (int64_t i = 0, e = type ? type.getRank() : 0; i < e; ++i) {
    Dim size = ofValue(input, i);
    if (!size.isNumber())
      sizes.push_back(size);
    else if (llvm::MulOverflow(product, size.size, product))
      return std::nullopt;
  }
  int64_t others = 1;
  for (int64_t i = 0, e = target.size(); i < e; ++i) {
    if (i == dim)
      continue;
    Dim size = target[i] == 0.0 ? ofValue(input, i) : ofElement(reshape->getOperand(1), i);
    if (size.isNumber()) {
      if (llvm::MulOverflow(others, size.size, others))
        return std::nullopt;
      continue;
    }
    auto same = llvm::find(sizes, size);
    if (same == sizes.end())
      return std::nullopt;
    sizes.erase(same);
  }
  if (!type || others <= 0 || product % others)
    return std::nullopt;
  if (sizes.empty())
    return Dim{product / others, {}, {}, 0};
  return sizes.size() == 1 && product == others ? std::optional<Dim>(sizes.front()) : std::nullopt;
}

std::optional<Dim> DimQuery::behindReshape(NodeOpInterface node, int64_t dim) {
  Value input = node->getOperand(0), shape = node.getNodeInput(1);
  RankedTensorType type = rankedTypeOf(input);
  std::optional<Elements> target = shape ? evaluate(shape) : std::nullopt;
  if (!target || !type || dim >= int64_t(target->size()))
    return std::nullopt;
  bool copies = (*target)[dim] == 0.0 && node.getInt("allowzero", 0) == 0 && dim < type.getRank();
  if (copies)
    return ofValue(input, dim);
  return (*target)[dim] == -1.0 ? rest(node, *target, dim) : std::optional<Dim>(ofElement(shape, dim));
}

std::optional<Dim> DimQuery::behindSlice(NodeOpInterface node, int64_t dim) {
  auto integers = [&](unsigned i) {
    Value input = node.getNodeInput(i);
    return input ? evaluateIntegers(input) : std::nullopt;
  };
  RankedTensorType type = rankedTypeOf(node->getResult(0));
  std::optional<SmallVector<int64_t>> axes = integers(3);
  if (!axes)
    return std::nullopt;
  auto stated = llvm::find_if(*axes, [&](int64_t axis) { return isAxis(axis, dim, type); });
  Dim whole = ofValue(node->getOperand(0), dim);
  if (stated == axes->end())
    return whole;
  auto starts = integers(1), ends = integers(2), steps = integers(4);
  size_t i = stated - axes->begin();
  if (!whole.isNumber() || !starts || !ends || i >= starts->size() || i >= ends->size() ||
      (node.getNodeInput(4) && (!steps || i >= steps->size() || (*steps)[i] < 1)))
    return std::nullopt;
  auto fromStart = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + whole.size : at, 0, whole.size); };
  int64_t step = steps ? (*steps)[i] : 1, start = fromStart((*starts)[i]), end = fromStart((*ends)[i]);
  return Dim{start < end ? (end - start - 1) / step + 1 : 0, {}, {}, 0};
}

std::optional<Dim> DimQuery::behindConcat(NodeOpInterface node, int64_t dim) {
  std::optional<int64_t> axis = node.getInt("axis");
  if (!axis)
    return std::nullopt;
  if (!isAxis(*axis, dim, rankedTypeOf(node->getResult(0))))
    return ofValue(node->getOperand(0), dim);
  Dim sum{0, {}, {}, 0};
  for (Value operand : node->getOperands()) {
    Dim part = ofValue(operand, dim);
    if (!part.isNumber() || llvm::AddOverflow(sum.size, part.size, sum.size))
      return std::nullopt;
  }
  return sum;
}

std::optional<Dim> DimQuery::behindNode(NodeOpInterface node, int64_t dim) {
  static const llvm::StringSet<> unary = {"Cast",
                                          "CastLike",
                                          "Identity",
                                          "Dropout",
                                          "Neg",
                                          "Sqrt",
                                          "Reciprocal",
                                          "Tanh",
                                          "Erf",
                                          "Exp",
                                          "Sigmoid",
                                          "Gelu",
                                          "Swish",
                                          "Softmax",
                                          "IsNaN",
                                          "Not",
                                          "Relu",
                                          "LayerNormalization",
                                          "Sin",
                                          "Cos",
                                          "Abs",
                                          "Clip",
                                          "Floor",
                                          "Log",
                                          "FastGelu",
                                          "Silu",
                                          "SimplifiedLayerNormalization",
                                          "QuickGelu",
                                          "RMSNormalization"};
  static const llvm::StringSet<> stretching = {"Add",  "Sub",     "Mul",   "Div",         "Pow",
                                               "And",  "Or",      "Max",   "Min",         "Equal",
                                               "Less", "Greater", "Where", "LessOrEqual", "GreaterOrEqual"};
  StringRef type = node.getOpType();
  Value input = node->getNumOperands() ? node->getOperand(0) : Value();
  RankedTensorType inputType = input ? rankedTypeOf(input) : RankedTensorType();
  RankedTensorType resultType = rankedTypeOf(node->getResult(0));
  if (!inputType || !resultType)
    return std::nullopt;
  int64_t rank = resultType.getRank();
  bool isSkipNorm = type == "SkipSimplifiedLayerNormalization" || type == "SkipLayerNormalization";
  bool isAttention = type == "GroupQueryAttention" || type == "MultiHeadAttention";
  if (unary.contains(type) || isSkipNorm || (isAttention && inputType.getRank() == 3 && dim < 2))
    return inputType.getRank() == rank ? std::optional<Dim>(ofValue(input, dim)) : std::nullopt;
  if (stretching.contains(type))
    return broadcast(node->getOperands(), rank, dim);
  if (type == "Reshape")
    return behindReshape(node, dim);
  if (type == "Slice" && inputType.getRank() == rank)
    return behindSlice(node, dim);
  if (type == "Concat" && inputType.getRank() == rank)
    return behindConcat(node, dim);
  if (type == "Transpose") {
    auto permutation = statedPermutation(node);
    return permutation && dim < int64_t(permutation->size()) ? std::optional<Dim>(ofValue(input, (*permutation)[dim]))
                                                             : std::nullopt;
  }
  if (type == "MatMul" && dim < rank - 2 && inputType.getRank() == rank)
    return broadcast(node->getOperands(), rank, dim);
  if (type == "MatMul" && dim == rank - 2 && inputType.getRank() == rank)
    return ofValue(input, dim);
  if (type == "MatMul" && dim == rank - 1)
    if (RankedTensorType right = rankedTypeOf(node->getOperand(1)); right && right.getRank() >= 2)
      return ofValue(node->getOperand(1), right.getRank() - 1);
  if (type == "Expand")
    return inputType.getRank() == rank && inputType.getDimSize(dim) == 1
               ? std::optional<Dim>(ofElement(node->getOperand(1), dim))
               : std::nullopt;
  if (type != "Unsqueeze" && type != "Squeeze")
    return std::nullopt;
  std::optional<SmallVector<int64_t>> axes = axesOf(node);
  if (!axes)
    return std::nullopt;
  int64_t wide = std::max(rank, inputType.getRank()), own = 0;
  auto isAdded = [&](int64_t i) { return llvm::is_contained(*axes, i) || llvm::is_contained(*axes, i - wide); };
  if (type == "Unsqueeze") {
    for (int64_t i = 0; i < dim; ++i)
      own += !isAdded(i);
    return ofValue(input, own);
  }
  for (int64_t left = dim; own < wide && (isAdded(own) || left-- > 0);)
    ++own;
  return own < wide ? std::optional<Dim>(ofValue(input, own)) : std::nullopt;
}

Dim DimQuery::ofValue(Value value, int64_t dim) {
  RankedTensorType type = rankedTypeOf(value);
  if (!type || dim < 0 || dim >= type.getRank())
    return unknown(value, dim);
  if (!type.isDynamicDim(dim))
    return {type.getDimSize(dim), {}, {}, 0};
  if (auto argument = dyn_cast<BlockArgument>(value))
    return ofArgument(argument, dim);
  Operation *op = value.getDefiningOp();
  if (++depth > maxDepth)
    return unknown(value, dim);
  if (auto split = dyn_cast<onnx::SplitOp>(op)) {
    int64_t axis = cast<NodeOpInterface>(op).getInt("axis", 0);
    return isAxis(axis, dim, type) ? unknown(value, dim) : ofValue(op->getOperand(0), dim);
  }
  auto node = dyn_cast<NodeOpInterface>(op);
  // The sum that a fused norm has as its last result is of the norm's shape.
  bool isSum = node && value != op->getResult(0) && node.getOpType().starts_with("Skip") && type.getRank() == 3;
  if (value != op->getResult(0) && !isSum)
    return unknown(value, dim);
  std::optional<Dim> behind = node ? behindNode(node, dim) : behindLayer(op, dim);
  return behind.value_or(unknown(value, dim));
}

std::optional<Dim> DimQuery::behindElement(NodeOpInterface node, int64_t index) {
  StringRef type = node.getOpType();
  Value input = node->getNumOperands() ? node->getOperand(0) : Value();
  RankedTensorType inputType = input ? rankedTypeOf(input) : RankedTensorType();
  if (!inputType)
    return std::nullopt;
  if (type == "Unsqueeze" || type == "Squeeze" || type == "Reshape" || type == "Identity" || type == "Cast" ||
      type == "Flatten")
    return ofElement(input, index);
  if (type == "Shape") {
    int64_t start = node.getInt("start", 0), rank = inputType.getRank();
    return ofValue(input, index + std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank));
  }
  if (type == "Gather") {
    std::optional<SmallVector<int64_t>> indices = evaluateIntegers(node->getOperand(1));
    if (inputType.getRank() != 1 || !indices || index >= int64_t(indices->size()) ||
        ((*indices)[index] < 0 && inputType.isDynamicDim(0)))
      return std::nullopt;
    int64_t picked = (*indices)[index];
    return ofElement(input, picked < 0 ? picked + inputType.getDimSize(0) : picked);
  }
  if (type == "Slice") {
    std::optional<double> start = evaluateScalar(node->getOperand(1));
    Value step = node.getNodeInput(4);
    if (inputType.getRank() != 1 || inputType.isDynamicDim(0) || !start || (step && evaluateScalar(step) != 1.0))
      return std::nullopt;
    double size = inputType.getDimSize(0);
    return ofElement(input, index + toInteger(std::clamp(*start < 0 ? *start + size : *start, 0.0, size)));
  }
  if (type == "Concat")
    for (Value part : node->getOperands()) {
      RankedTensorType partType = rankedTypeOf(part);
      if (!partType || partType.getRank() != 1 || partType.isDynamicDim(0))
        return std::nullopt;
      if (index < partType.getDimSize(0))
        return ofElement(part, index);
      index -= partType.getDimSize(0);
    }
  // Where(shape == -1, ones, shape), as PyTorch's expand is written: sizes are not -1.
  if (type == "Where")
    if (auto equal = node->getOperand(0).getDefiningOp<onnx::EqualOp>()) {
      std::optional<Elements> bound = evaluate(equal->getOperand(1));
      Dim size = ofElement(node->getOperand(2), index);
      if (equal->getOperand(0) == node->getOperand(2) && bound && index < int64_t(bound->size()) &&
          (*bound)[index] == -1.0 && !size.value)
        return size;
    }
  return std::nullopt;
}

/// What element `index` of a vector of sizes, or a scalar, is.
Dim DimQuery::ofElement(Value vector, int64_t index) {
  if (std::optional<Elements> elements = evaluate(vector);
      elements && index >= 0 && index < int64_t(elements->size()) && (*elements)[index])
    return {toInteger(*(*elements)[index]), {}, {}, 0};
  auto node = vector.getDefiningOp<NodeOpInterface>();
  Dim element = unknown(vector, -1 - index); // so that it is not taken for the size of a dimension
  return node && ++depth <= maxDepth ? behindElement(node, index).value_or(element) : element;
}

Dim quantopt::dimOf(Value value, int64_t dim) { return DimQuery().ofValue(value, dim); }

bool quantopt::haveSameShape(Value a, Value b) {
  RankedTensorType first = rankedTypeOf(a), second = rankedTypeOf(b);
  if (!first || !second || first.getRank() != second.getRank())
    return false;
  return llvm::all_of(llvm::seq<int64_t>(first.getRank()), [&](int64_t i) { return dimOf(a, i) == dimOf(b, i); });
}

std::optional<ArrayRef<int64_t>> quantopt::statedPermutation(Operation *op) {
  auto transpose = dyn_cast_or_null<onnx::TransposeOp>(op);
  auto stated = transpose ? cast<NodeOpInterface>(op).getInts("perm") : std::nullopt;
  RankedTensorType type = stated ? rankedTypeOf(op->getOperand(0)) : RankedTensorType();
  if (!stated || (type && type.getRank() != int64_t(stated->size())))
    return std::nullopt;
  SmallVector<int64_t> sorted = llvm::to_vector(*stated);
  llvm::sort(sorted);
  return llvm::equal(sorted, llvm::seq<int64_t>(sorted.size())) ? stated : std::nullopt;
}
