//===- InferenceRules.cpp - inference rules of arithmetic and contractions ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InferenceRules.h"
#include "Convert.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;

//===----------------------------------------------------------------------------===//
// What rules are written with
//===----------------------------------------------------------------------------===//

const Fact &quantopt::inputOf(const NodeFacts &node, unsigned i) {
  static const Fact omitted = [] {
    Fact fact;
    fact.isOmitted = true;
    return fact;
  }();
  return i < node.inputs.size() ? node.inputs[i] : omitted;
}

std::optional<int64_t> quantopt::intOf(const NodeFacts &node, StringRef name) {
  auto attr = dyn_cast_or_null<IntegerAttr>(node.attributes.get(name));
  return attr ? std::optional(attr.getInt()) : std::nullopt;
}

int64_t quantopt::intOf(const NodeFacts &node, StringRef name, int64_t absent) {
  return intOf(node, name).value_or(absent);
}

std::optional<SmallVector<int64_t>> quantopt::intsOf(const NodeFacts &node, StringRef name, unsigned i) {
  if (auto attr = dyn_cast_or_null<DenseI64ArrayAttr>(node.attributes.get(name)))
    return SmallVector<int64_t>(attr.asArrayRef());
  const Fact &input = inputOf(node, i);
  if (!input.elements || !all_of(*input.elements, [](Dim dim) { return dim.isConstant(); }))
    return std::nullopt;
  return SmallVector<int64_t>(map_range(*input.elements, [](Dim dim) { return dim.get(); }));
}

bool quantopt::isAbsent(const NodeFacts &node, StringRef name, unsigned i) {
  return !node.attributes.contains(name) && inputOf(node, i).isOmitted;
}

std::optional<int64_t> quantopt::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

std::optional<Dims> quantopt::broadcast(Inference &inference, const std::optional<Dims> &a,
                                        const std::optional<Dims> &b) {
  if (!a || !b)
    return std::nullopt;
  Dims result(std::max(a->size(), b->size()));
  for (size_t i = 0; i < result.size(); ++i) {
    // i counts from the last dimension.
    Dim x = i < a->size() ? (*a)[a->size() - 1 - i] : Dim::constant(1);
    Dim y = i < b->size() ? (*b)[b->size() - 1 - i] : Dim::constant(1);
    Dim &size = result[result.size() - 1 - i];
    if (x == y || y.is(1))
      size = x;
    else if (x.is(1))
      size = y;
    else if (x.isConstant() != y.isConstant())
      size = x.isConstant() ? x : y; // the unknown one is 1 or the same
    else
      size = inference.newSymbol();
  }
  return result;
}

//===----------------------------------------------------------------------------===//
// Elementwise operators
//===----------------------------------------------------------------------------===//

static Type booleanType(Inference &inference) { return Builder(inference.getContext()).getI1Type(); }

/// The first output is like the first input.
static void inferSame(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  outputs[0].shape = inputOf(node, 0).shape;
}

static void inferIdentity(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0] = inputOf(node, 0);
}

/// Rounding keeps elements that are known, for these are integers.
static void inferSameElements(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elements = inputOf(node, 0).elements;
}

static void inferCast(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  Type type = importElementType(intOf(node, "to", 0), inference.getContext());
  outputs[0].elementType = type;
  // A cast to bool or to a narrow type changes integers.
  if (type && (type.isInteger(64) || type.isInteger(32) || isa<FloatType>(type)))
    outputs[0].elements = inputOf(node, 0).elements;
}

static void inferCastLike(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elementType = inputOf(node, 1).elementType;
}

static void inferPredicate(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elementType = booleanType(inference);
}

static std::optional<Dims> broadcastInputs(Inference &inference, const NodeFacts &node) {
  std::optional<Dims> shape = Dims();
  for (const Fact &input : node.inputs)
    shape = broadcast(inference, shape, input.shape);
  return shape;
}

/// Element `i` of known elements that are broadcast to `count`.
static Dim elementAt(const Dims &elements, size_t i) { return elements.size() == 1 ? elements[0] : elements[i]; }

/// Number of elements of the broadcast of known elements; nothing if one does not fit or is not known.
static std::optional<size_t> commonCount(ArrayRef<const Fact *> facts) {
  size_t count = 1;
  for (const Fact *fact : facts) {
    if (!fact->elements)
      return std::nullopt;
    size_t size = fact->elements->size();
    if (size == 1)
      continue;
    if (count != 1 && size != count)
      return std::nullopt;
    count = size;
  }
  return count;
}

/// Elementwise function of two inputs; known elements are computed.
template <char op>
static void inferArithmetic(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  outputs[0].shape = broadcastInputs(inference, node);
  const Fact &a = inputOf(node, 0), &b = inputOf(node, 1);
  std::optional<size_t> count = commonCount({&a, &b});
  if (!count)
    return;
  Dims elements;
  for (size_t i = 0; i < *count; ++i)
    elements.push_back(inference.combine(op, elementAt(*a.elements, i), elementAt(*b.elements, i)));
  outputs[0].elements = std::move(elements);
}

static void inferBroadcast(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  outputs[0].shape = broadcastInputs(inference, node);
}

static void inferComparison(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferBroadcast(inference, node, outputs);
  outputs[0].elementType = booleanType(inference);
}

/// Symbols are sizes, so they differ from negative constants: this decides the idiom Where(shape == -1, 1, shape).
static void inferEqual(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferComparison(inference, node, outputs);
  const Fact &a = inputOf(node, 0), &b = inputOf(node, 1);
  std::optional<size_t> count = commonCount({&a, &b});
  if (!count)
    return;
  Dims elements;
  for (size_t i = 0; i < *count; ++i) {
    Dim x = elementAt(*a.elements, i), y = elementAt(*b.elements, i);
    bool differ =
        x.isConstant() && y.isConstant() ? x != y : (x.isConstant() && x.get() < 0) || (y.isConstant() && y.get() < 0);
    if (x != y && !differ)
      return;
    elements.push_back(Dim::constant(x == y));
  }
  outputs[0].elements = std::move(elements);
}

static void inferWhere(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 1).elementType;
  outputs[0].shape = broadcastInputs(inference, node);
  const Fact &condition = inputOf(node, 0), &yes = inputOf(node, 1), &no = inputOf(node, 2);
  std::optional<size_t> count = commonCount({&condition, &yes, &no});
  if (!count)
    return;
  Dims elements;
  for (size_t i = 0; i < *count; ++i)
    elements.push_back(elementAt(elementAt(*condition.elements, i).is(0) ? *no.elements : *yes.elements, i));
  outputs[0].elements = std::move(elements);
}

static void inferRange(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &start = inputOf(node, 0), &limit = inputOf(node, 1), &delta = inputOf(node, 2);
  outputs[0].elementType = start.elementType;
  Dim size = inference.newSymbol();
  bool isUnitStep = delta.elements && delta.elements->size() == 1 && delta.elements->front().is(1);
  if (isUnitStep && start.elements && limit.elements && start.elements->size() == 1 && limit.elements->size() == 1)
    size = inference.combine('-', limit.elements->front(), start.elements->front());
  outputs[0].shape = Dims{size};
}

static void inferQuantize(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  Type stated = importElementType(intOf(node, "output_dtype", 0), inference.getContext());
  Type byDefault = Builder(inference.getContext()).getIntegerType(8, /*isSigned=*/false);
  Type ofZeroPoint = inputOf(node, 2).elementType;
  outputs[0].elementType = stated ? stated : ofZeroPoint ? ofZeroPoint : byDefault;
}

static void inferDequantize(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elementType = inputOf(node, 1).elementType;
}

//===----------------------------------------------------------------------------===//
// Contractions and reductions
//===----------------------------------------------------------------------------===//

static void swapLastTwo(std::optional<Dims> &shape) {
  if (shape && shape->size() >= 2)
    std::swap(shape->end()[-1], shape->end()[-2]);
}

/// numpy.matmul on shapes.
static std::optional<Dims> multiply(Inference &inference, std::optional<Dims> a, std::optional<Dims> b) {
  if (!a || !b || a->empty() || b->empty())
    return std::nullopt;
  bool isRow = a->size() == 1, isColumn = b->size() == 1;
  if (isRow)
    a->insert(a->begin(), Dim::constant(1));
  if (isColumn)
    b->push_back(Dim::constant(1));
  Dim rows = a->end()[-2], columns = b->end()[-1];
  a->pop_back_n(2);
  b->pop_back_n(2);
  std::optional<Dims> result = broadcast(inference, a, b);
  if (!isRow)
    result->push_back(rows);
  if (!isColumn)
    result->push_back(columns);
  return result;
}

static void inferMatMul(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  std::optional<Dims> a = inputOf(node, 0).shape, b = inputOf(node, 1).shape;
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

/// com.microsoft::MatMulNBits: [..., K] to [..., N].
static void inferMatMulNBits(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  std::optional<int64_t> columns = intOf(node, "N");
  if (outputs[0].shape && !outputs[0].shape->empty() && columns)
    outputs[0].shape->back() = Dim::constant(*columns);
}

static void inferReduce(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &input = inputOf(node, 0);
  outputs[0].elementType = input.elementType;
  if (!input.shape)
    return;
  bool keepsDims = intOf(node, "keepdims", 1);
  Dims shape = *input.shape;
  SmallVector<bool> isReduced(shape.size(), isAbsent(node, "axes", 1) && !intOf(node, "noop_with_empty_axes", 0));
  if (!isAbsent(node, "axes", 1)) {
    auto axes = intsOf(node, "axes", 1);
    if (!axes)
      return;
    for (int64_t axis : *axes) {
      std::optional<int64_t> normal = normalizeAxis(axis, shape.size());
      if (!normal)
        return;
      isReduced[*normal] = true;
    }
  }
  Dims result;
  for (auto [dim, reduced] : llvm::zip(shape, isReduced)) {
    if (!reduced)
      result.push_back(dim);
    else if (keepsDims)
      result.push_back(Dim::constant(1));
  }
  outputs[0].shape = std::move(result);
}

//===----------------------------------------------------------------------------===//
// Fused operators
//===----------------------------------------------------------------------------===//

/// com.microsoft::SkipSimplifiedLayerNormalization: result #3 is the sum, like the input.
static void inferSkipNormalization(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  for (unsigned i : {0u, 3u}) {
    if (i >= outputs.size())
      continue;
    outputs[i].elementType = inputOf(node, 0).elementType;
    outputs[i].shape = inputOf(node, 0).shape;
  }
}

/// Attention (opset 23) on 4-D inputs: [B, H, S, D]; on 3-D inputs [B, S, H·Dv]. Caches are [B, Hkv, P + S, D].
static void inferAttention(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  const Fact &query = inputOf(node, 0);
  for (Fact &output : outputs)
    output.elementType = query.elementType;
  if (!query.shape)
    return;
  const std::optional<Dims> &value = inputOf(node, 2).shape;
  Dims shape = *query.shape;
  if (shape.size() == 4 && value && value->size() == 4)
    shape.back() = value->back();
  else if (shape.size() == 3)
    shape.back() = inference.newSymbol();
  outputs[0].shape = std::move(shape);
  for (unsigned i = 1; i < std::min<unsigned>(outputs.size(), 3); ++i) {
    const std::optional<Dims> &past = inputOf(node, 3 + i).shape;
    const std::optional<Dims> &added = inputOf(node, i).shape;
    if (!past || past->size() != 4 || !added || added->size() < 3)
      continue;
    outputs[i].shape = *past;
    Dim length = (*added)[added->size() == 4 ? 2 : 1];
    (*outputs[i].shape)[2] = inference.combine('+', (*past)[2], length);
  }
}

static InferenceRule findMicrosoftRule(StringRef type) {
  return llvm::StringSwitch<InferenceRule>(type)
      .Case("MatMulNBits", inferMatMulNBits)
      .Case("FusedMatMul", inferMatMul)
      .Cases({"QuickGelu", "RotaryEmbedding", "FastGelu", "Gelu"}, inferSame)
      .Cases({"SkipSimplifiedLayerNormalization", "SkipLayerNormalization"}, inferSkipNormalization)
      .Default(nullptr);
}

InferenceRule quantopt::findInferenceRule(StringRef domain, StringRef type) {
  if (domain == "com.microsoft")
    return findMicrosoftRule(type);
  if (!domain.empty())
    return nullptr;
  if (InferenceRule rule = findShapeRule(type))
    return rule;
  return llvm::StringSwitch<InferenceRule>(type)
      .Cases({"Abs", "Clip", "Cos", "CumSum", "Erf", "Exp"}, inferSame)
      .Cases({"Gelu", "Log", "LpNormalization", "Neg", "Not", "Reciprocal"}, inferSame)
      .Cases({"RotaryEmbedding", "ScatterND", "Sigmoid", "Sin", "Softmax", "Sqrt"}, inferSame)
      .Cases({"Swish", "Tanh", "TensorScatter", "Trilu"}, inferSame)
      .Cases({"Floor", "Ceil", "Round"}, inferSameElements)
      .Cases({"Identity", "Dropout"}, inferIdentity)
      .Case("Cast", inferCast)
      .Case("CastLike", inferCastLike)
      .Case("IsNaN", inferPredicate)
      .Case("Add", inferArithmetic<'+'>)
      .Case("Sub", inferArithmetic<'-'>)
      .Case("Mul", inferArithmetic<'*'>)
      .Case("Div", inferArithmetic<'/'>)
      .Cases({"And", "Or", "Max", "Min", "Mod", "Pow"}, inferBroadcast)
      .Case("Sum", inferBroadcast)
      .Cases({"Greater", "GreaterOrEqual", "Less", "LessOrEqual"}, inferComparison)
      .Case("Equal", inferEqual)
      .Case("Where", inferWhere)
      .Case("Range", inferRange)
      .Case("QuantizeLinear", inferQuantize)
      .Case("DequantizeLinear", inferDequantize)
      .Cases({"MatMul", "Gemm"}, inferMatMul)
      .Case("MatMulInteger", inferMatMulInteger)
      .Cases({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"}, inferReduce)
      .Cases({"LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"}, inferSame)
      .Case("Attention", inferAttention)
      .Default(nullptr);
}
