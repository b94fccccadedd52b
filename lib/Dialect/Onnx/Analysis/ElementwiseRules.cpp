//===- ElementwiseRules.cpp - inference rules of elementwise operators ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InferenceRules.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Onnx/IR/DataTypes.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

static Type booleanType(Inference &inference) { return Builder(inference.getContext()).getI1Type(); }

void onnx::inferSame(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  outputs[0].shape = inputOf(node, 0).shape;
}

static void inferIdentity(Inference &, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0] = inputOf(node, 0);
}

/// Without training the mask, the second output, is all ones.
static void inferDropout(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  if (outputs.size() < 2)
    return;
  outputs[1].shape = inputOf(node, 0).shape;
  outputs[1].elementType = booleanType(inference);
}

/// Rounding keeps elements that are known, for these are integers.
static void inferSameElements(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elements = inputOf(node, 0).elements;
}

/// Integers keep their values in wide types; what is no value of a narrow one, and what f16 rounds, is dropped.
static void castElements(Inference &inference, const Fact &input, Fact &output) {
  if (!input.elements || !output.elementType)
    return;
  Type type = output.elementType;
  if (type.isInteger(64) || type.isInteger(32) || type.isF32() || type.isF64())
    output.elements = input.elements;
  if (!type.isInteger(1))
    return;
  output.elements = input.elements;
  for (SymbolicDim &element : *output.elements) {
    std::optional<bool> isZero = inference.dims.isEqual(element, SymbolicDim());
    element = isZero ? SymbolicDim::constant(!*isZero) : inference.dims.call("nonzero", {element}, true);
  }
}

static void inferCast(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elementType = getElementType(intOf(node, "to", 0), inference.getContext());
  castElements(inference, inputOf(node, 0), outputs[0]);
}

static void inferCastLike(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elementType = inputOf(node, 1).elementType;
  castElements(inference, inputOf(node, 0), outputs[0]);
}

static void inferPredicate(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  outputs[0].elementType = booleanType(inference);
}

//===----------------------------------------------------------------------------===//
// Broadcasting operators
//===----------------------------------------------------------------------------===//

static void inferBroadcast(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  outputs[0].elementType = inputOf(node, 0).elementType;
  std::optional<SymbolicDims> shape = SymbolicDims();
  for (const Fact &input : node.inputs)
    shape = broadcast(inference, shape, input.shape);
  outputs[0].shape = std::move(shape);
}

/// Elements of the broadcast of two tensors of at most one dimension, computed one by one; nothing when an element of
/// the result is not known.
using BinaryFunction = llvm::function_ref<std::optional<SymbolicDim>(SymbolicDim, SymbolicDim)>;
static std::optional<SymbolicDims> zipElements(const std::optional<SymbolicDims> &a,
                                               const std::optional<SymbolicDims> &b, BinaryFunction function) {
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1))
    return std::nullopt;
  SymbolicDims elements;
  for (size_t i = 0, count = a->size() == 1 ? b->size() : a->size(); i < count; ++i) {
    std::optional<SymbolicDim> element = function((*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
    if (!element)
      return std::nullopt;
    elements.push_back(*element);
  }
  return elements;
}

/// Whether elements that broadcast pair up in order: no input that has more than one element has a rank above 1 unless
/// all have the same shape.
static bool pairInOrder(const NodeFacts &node) {
  const Fact *widest = nullptr;
  for (const Fact &input : node.inputs) {
    if (!input.shape || !input.elements)
      return false;
    if (input.elements->size() == 1)
      continue;
    if (widest && widest->shape != input.shape)
      return false;
    widest = &input;
  }
  return true;
}

static std::optional<SymbolicDim> evaluate(DimContext &dims, StringRef type, SymbolicDim a, SymbolicDim b,
                                           bool isInteger) {
  if (type == "Add" || type == "Sum")
    return dims.add(a, b);
  if (type == "Sub")
    return dims.subtract(a, b);
  if (type == "Mul")
    return dims.multiply(a, b);
  if (type == "Max")
    return dims.maximum(a, b);
  if (type == "Min")
    return dims.minimum(a, b);
  if (type == "Div")
    return isInteger ? dims.divide(a, b) : dims.divideExactly(a, b);
  if (type == "Mod" && isInteger)
    return dims.modulo(a, b);
  if (type == "And")
    return dims.minimum(a, b);
  if (type == "Or")
    return dims.maximum(a, b);
  return std::nullopt;
}

/// Functions of integers: those of known elements are computed.
static void inferArithmetic(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferBroadcast(inference, node, outputs);
  if (node.inputs.empty() || !pairInOrder(node) || intOf(node, "fmod", 0))
    return;
  bool isInteger = isa_and_nonnull<IntegerType>(outputs[0].elementType);
  std::optional<SymbolicDims> elements = node.inputs[0].elements;
  for (const Fact &input : node.inputs.drop_front())
    elements = zipElements(elements, input.elements, [&](SymbolicDim a, SymbolicDim b) {
      return evaluate(inference.dims, node.type, a, b, isInteger);
    });
  outputs[0].elements = std::move(elements);
}

static void inferNegation(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  SymbolicDim minuend = SymbolicDim::constant(node.type == "Not" ? 1 : 0);
  outputs[0].elements =
      zipElements(SymbolicDims{minuend}, inputOf(node, 0).elements,
                  [&](SymbolicDim a, SymbolicDim b) { return std::optional(inference.dims.subtract(a, b)); });
}

static std::optional<bool> compare(DimContext &dims, StringRef type, SymbolicDim a, SymbolicDim b) {
  if (type == "Equal")
    return dims.isEqual(a, b);
  if (type == "Less")
    return dims.isLess(a, b);
  if (type == "LessOrEqual")
    return dims.isLessOrEqual(a, b);
  if (type == "Greater")
    return dims.isLess(b, a);
  return type == "GreaterOrEqual" ? dims.isLessOrEqual(b, a) : std::nullopt;
}

/// Sizes differ from negative constants: this decides the idiom Where(shape == -1, 1, shape).
static void inferComparison(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferBroadcast(inference, node, outputs);
  outputs[0].elementType = booleanType(inference);
  if (node.inputs.size() != 2 || !pairInOrder(node))
    return;
  outputs[0].elements =
      zipElements(node.inputs[0].elements, node.inputs[1].elements, [&](SymbolicDim a, SymbolicDim b) {
        std::optional<bool> result = compare(inference.dims, node.type, a, b);
        return std::optional(result ? SymbolicDim::constant(*result)
                                    : inference.dims.call(node.type, {a, b}, /*isNonNegative=*/true));
      });
}

static void inferWhere(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferBroadcast(inference, node, outputs);
  outputs[0].elementType = inputOf(node, 1).elementType;
  if (node.inputs.size() != 3 || !pairInOrder(node))
    return;
  const SymbolicDims &condition = *node.inputs[0].elements, &yes = *node.inputs[1].elements,
                     &no = *node.inputs[2].elements;
  size_t count = 1;
  for (const Fact &input : node.inputs)
    count = input.elements->size() == 1 ? count : input.elements->size();
  SymbolicDims elements;
  for (size_t i = 0; i < count; ++i) {
    SymbolicDim c = condition[condition.size() == 1 ? 0 : i];
    SymbolicDim y = yes[yes.size() == 1 ? 0 : i], n = no[no.size() == 1 ? 0 : i];
    if (c.isConstant() || y == n)
      elements.push_back(c.is(0) ? n : y);
    else
      elements.push_back(inference.dims.call("where", {c, y, n}, y.isNonNegative() && n.isNonNegative()));
  }
  outputs[0].elements = std::move(elements);
}

//===----------------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------------===//

static void inferQuantize(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  Type stated = getElementType(intOf(node, "output_dtype", 0), inference.getContext());
  Type byDefault = Builder(inference.getContext()).getIntegerType(8, /*isSigned=*/false);
  Type ofZeroPoint = inputOf(node, 2).elementType;
  outputs[0].elementType = stated ? stated : ofZeroPoint ? ofZeroPoint : byDefault;
}

static void inferDequantize(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  inferSame(inference, node, outputs);
  Type stated = getElementType(intOf(node, "output_dtype", 0), inference.getContext());
  outputs[0].elementType = stated ? stated : inputOf(node, 1).elementType;
}

/// Codes, scale, zero point.
static void inferDynamicQuantize(Inference &inference, const NodeFacts &node, MutableArrayRef<Fact> outputs) {
  Type code = Builder(inference.getContext()).getIntegerType(8, /*isSigned=*/false);
  outputs[0].shape = inputOf(node, 0).shape;
  for (auto [i, output] : enumerate(outputs)) {
    output.elementType = i == 1 ? inputOf(node, 0).elementType : code;
    if (i > 0)
      output.shape = SymbolicDims();
  }
}

InferenceRule onnx::findElementwiseRule(StringRef type) {
  return llvm::StringSwitch<InferenceRule>(type)
      .Cases({"Abs", "BitwiseNot", "Clip", "Cos", "CumSum", "Erf"}, inferSame)
      .Cases({"Exp", "Gelu", "GroupNormalization", "InstanceNormalization"}, inferSame)
      .Cases({"LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization"}, inferSame)
      .Cases({"RMSNormalization", "Reciprocal", "Relu", "RotaryEmbedding"}, inferSame)
      .Cases({"Scatter", "ScatterElements", "ScatterND", "Sigmoid", "Sign", "SimplifiedLayerNormalization"}, inferSame)
      .Cases({"Sin", "Softmax", "Softplus", "Sqrt", "Swish"}, inferSame)
      .Cases({"Tanh", "TensorScatter", "Trilu", "BatchNormalization"}, inferSame)
      .Cases({"Floor", "Ceil", "Round"}, inferSameElements)
      .Cases({"Neg", "Not"}, inferNegation)
      .Case("Identity", inferIdentity)
      .Case("Dropout", inferDropout)
      .Case("Cast", inferCast)
      .Case("CastLike", inferCastLike)
      .Cases({"IsInf", "IsNaN"}, inferPredicate)
      .Cases({"Add", "Sub", "Mul", "Div", "Mod"}, inferArithmetic)
      .Cases({"And", "Or", "Max", "Min", "Sum"}, inferArithmetic)
      .Cases({"BitwiseAnd", "BitwiseOr", "Pow", "Xor"}, inferBroadcast)
      .Cases({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"}, inferComparison)
      .Case("Where", inferWhere)
      .Case("QuantizeLinear", inferQuantize)
      .Case("DequantizeLinear", inferDequantize)
      .Case("DynamicQuantizeLinear", inferDynamicQuantize)
      .Default(nullptr);
}
