//===- SymbolicShapes.cpp - shapes and small integer tensors of a function ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Onnx/Analysis/SymbolicShapes.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

Fact SymbolicShapes::inferArgument(BlockArgument argument) {
  auto function = dyn_cast_or_null<func::FuncOp>(argument.getOwner()->getParentOp());
  ArrayAttr names;
  if (function && argument.getOwner()->isEntryBlock())
    names = function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), OnnxDialect::dimsAttrName);
  return inference.declare(argument.getType(), names);
}

void SymbolicShapes::refine(Fact &fact, Type type) {
  auto tensor = dyn_cast<TensorType>(type);
  if (!tensor)
    return;
  if (!fact.shape) {
    Type inferred = fact.elementType;
    fact = inference.declare(type, {});
    if (inferred && isa<UnknownType>(fact.elementType))
      fact.elementType = inferred;
    return;
  }
  if (!fact.elementType || !isa<UnknownType>(tensor.getElementType()))
    fact.elementType = tensor.getElementType();
  if (!tensor.hasRank() || tensor.getRank() != int64_t(fact.shape->size()))
    return;
  for (auto [dim, size] : llvm::zip_equal(*fact.shape, tensor.getShape()))
    if (!dim.isConstant() && !ShapedType::isDynamic(size))
      dim = SymbolicDim::constant(size);
}

void SymbolicShapes::inferResults(Operation *op) {
  SmallVector<Fact> results(op->getNumResults());
  if (auto node = dyn_cast<NodeOpInterface>(op)) {
    SmallVector<Fact> inputs;
    for (Value input : node.getNodeInputs())
      inputs.push_back(*facts.at(input));
    results =
        inference.infer({node.getDomain(), node.getOpType(), node.getNodeAttrs(), inputs, unsigned(results.size())});
  }
  for (auto [value, result] : llvm::zip_equal(op->getResults(), results)) {
    if (DenseElementsAttr elements = getConstant(value))
      result = inference.constant(elements);
    refine(result, value.getType());
    result.isOmitted = isa<NoneType>(value.getType());
    facts[value] = std::make_unique<Fact>(std::move(result));
  }
}

const Fact &SymbolicShapes::factOf(Value value) {
  // No recursion: chains are as long as the graph.
  SmallVector<Value> worklist{value};
  while (!worklist.empty()) {
    Value next = worklist.back();
    if (facts.contains(next)) {
      worklist.pop_back();
      continue;
    }
    Operation *op = next.getDefiningOp();
    if (!op) {
      facts[next] = std::make_unique<Fact>(inferArgument(cast<BlockArgument>(next)));
      continue;
    }
    size_t known = worklist.size();
    for (Value operand : op->getOperands())
      if (!facts.contains(operand))
        worklist.push_back(operand);
    if (worklist.size() == known)
      inferResults(op);
  }
  return *facts.at(value);
}

void SymbolicShapes::notifyOperationErased(Operation *op) {
  for (Value result : op->getResults())
    facts.erase(result);
}

//===----------------------------------------------------------------------------===//
// Questions
//===----------------------------------------------------------------------------===//

Type SymbolicShapes::typeOf(Value value) { return factOf(value).toType(inference.getContext()); }

std::optional<ArrayRef<SymbolicDim>> SymbolicShapes::shapeOf(Value value) {
  const Fact &fact = factOf(value);
  return fact.shape ? std::optional(ArrayRef(*fact.shape)) : std::nullopt;
}

std::optional<ArrayRef<SymbolicDim>> SymbolicShapes::valuesOf(Value value) {
  const Fact &fact = factOf(value);
  return fact.elements ? std::optional(ArrayRef(*fact.elements)) : std::nullopt;
}

std::optional<SmallVector<int64_t>> SymbolicShapes::constantsOf(Value value) {
  std::optional<ArrayRef<SymbolicDim>> elements = valuesOf(value);
  if (!elements || !llvm::all_of(*elements, [](SymbolicDim element) { return element.isConstant(); }))
    return std::nullopt;
  return llvm::map_to_vector(*elements, [](SymbolicDim element) { return element.get(); });
}

bool SymbolicShapes::haveEqualShape(Value a, Value b) {
  std::optional<ArrayRef<SymbolicDim>> first = shapeOf(a), second = shapeOf(b);
  return first && second && *first == *second;
}

bool SymbolicShapes::haveEqualDim(Value a, int64_t dimOfA, Value b, int64_t dimOfB) {
  auto dimOf = [&](Value value, int64_t dim) -> std::optional<SymbolicDim> {
    std::optional<ArrayRef<SymbolicDim>> shape = shapeOf(value);
    if (!shape)
      return std::nullopt;
    int64_t rank = shape->size(), index = dim < 0 ? dim + rank : dim;
    return index >= 0 && index < rank ? std::optional((*shape)[index]) : std::nullopt;
  };
  std::optional<SymbolicDim> first = dimOf(a, dimOfA), second = dimOf(b, dimOfB);
  return first && first == second;
}

std::string SymbolicShapes::print(Value value) {
  std::optional<ArrayRef<SymbolicDim>> shape = shapeOf(value);
  if (!shape)
    return "[...]";
  std::string text = "[";
  llvm::interleave(*shape, [&](SymbolicDim dim) { text += inference.dims.print(dim); }, [&] { text += ", "; });
  return text + "]";
}
