//===- SymbolicShapes.cpp - shapes and small integer tensors of a function ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Onnx/Analysis/SymbolicShapes.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

//===----------------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------------===//

static SymbolicDims withLast(SymbolicDims shape, SymbolicDim last) {
  shape.back() = last;
  return shape;
}

/// The shape of a layer's result; nothing for other ops. `shapes` are those of its operands, all known: layers work on
/// ranked tensors.
static std::optional<SymbolicDims> shapeOfLayer(DimContext &dims, Operation *op, ArrayRef<SymbolicDims> shapes) {
  using Result = std::optional<SymbolicDims>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case<llm::RmsNormOp, llm::LayerNormOp, llm::ResidualAddOp, llm::SwigluOp, llm::GegluOp, llm::ScaleOp,
            llm::RopeOp>([&](auto) { return shapes[0]; })
      .Case<llm::EmbeddingOp>([&](auto) {
        SymbolicDims shape = shapes[0];
        shape.push_back(shapes[1].back());
        return shape;
      })
      .Case<llm::LinearOp>([&](auto) { return withLast(shapes[0], shapes[1].front()); })
      .Case<llm::SplitHeadsOp>([&](llm::SplitHeadsOp split) -> Result {
        int64_t headSize = cast<RankedTensorType>(split.getResult().getType()).getDimSize(3);
        if (headSize <= 0) // unknown
          return std::nullopt;
        SymbolicDim last = SymbolicDim::constant(headSize);
        return SymbolicDims{shapes[0][0], dims.divide(shapes[0][2], last), shapes[0][1], last};
      })
      .Case<llm::MergeHeadsOp>(
          [&](auto) { return SymbolicDims{shapes[0][0], shapes[0][2], dims.multiply(shapes[0][1], shapes[0][3])}; })
      .Case<llm::KvAppendOp>([&](auto) {
        SymbolicDims shape = shapes[0];
        shape[2] = dims.add(shapes[0][2], shapes[1][2]);
        return shape;
      })
      .Case<llm::KvWriteOp>([&](llm::KvWriteOp write) { return write.getLength() ? Result() : Result(shapes[0]); })
      .Case<llm::AttentionOp, llm::MixedAttentionOp>([&](auto) { return withLast(shapes[0], shapes[2].back()); })
      .Default([](Operation *) { return Result(); });
}

//===----------------------------------------------------------------------------===//
// Facts
//===----------------------------------------------------------------------------===//

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
    fact = inference.declare(type, {});
    return;
  }
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
  } else if (op->getName().getDialectNamespace() == "llm" && results.size() == 1) {
    SmallVector<SymbolicDims> shapes;
    for (Value operand : op->getOperands())
      shapes.push_back(facts.at(operand)->shape.value_or(SymbolicDims()));
    results[0].shape = shapeOfLayer(inference.dims, op, shapes);
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
