//===- StepValues.cpp - some values of a decoder at one step ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InputDescription.h"
#include "mlir/IR/IRMapping.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::interp;

/// The argument whose shape, and nothing else of it, a value is; null for others.
static BlockArgument argumentOfShape(Value value) {
  auto node = value.getDefiningOp<onnx::NodeOpInterface>();
  return node && node.isNode("Shape") ? dyn_cast<BlockArgument>(node->getOperand(0)) : BlockArgument();
}

/// The ops that `values` depend on, and where these begin: at arguments, and at their shapes.
static void collectSlice(ArrayRef<Value> values, llvm::SetVector<Operation *> &ops, llvm::SetVector<Value> &leaves) {
  SmallVector<Value> open(values);
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (isa<BlockArgument>(value) || argumentOfShape(value))
      leaves.insert(value);
    else if (ops.insert(value.getDefiningOp()))
      llvm::append_range(open, value.getDefiningOp()->getOperands());
  }
}

/// A private function beside the original that computes `values` of `leaves`.
static func::FuncOp makeSlice(func::FuncOp function, ArrayRef<Value> values, ArrayRef<Operation *> ops,
                              ArrayRef<Value> leaves) {
  OpBuilder builder(function);
  auto typeOf = [](Value value) { return value.getType(); };
  auto type = builder.getFunctionType(llvm::map_to_vector(leaves, typeOf), llvm::map_to_vector(values, typeOf));
  auto slice = func::FuncOp::create(builder, function.getLoc(), (function.getName() + ".slice").str(), type);
  slice.setPrivate();
  Block *block = slice.addEntryBlock();
  IRMapping mapping;
  for (auto [from, to] : llvm::zip_equal(leaves, block->getArguments()))
    mapping.map(from, to);
  builder.setInsertionPointToStart(block);
  for (Operation *op : ops)
    builder.clone(*op, mapping);
  func::ReturnOp::create(builder, function.getLoc(),
                         llvm::map_to_vector(values, [&](Value value) { return mapping.lookup(value); }));
  return slice;
}

/// What a Shape node gives for a shape.
static Tensor shapeTensor(onnx::NodeOpInterface node, ArrayRef<int64_t> shape) {
  int64_t rank = shape.size();
  auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  int64_t start = clamp(node.getInt("start", 0)), end = std::max(start, clamp(node.getInt("end", rank)));
  Tensor tensor(DType::I64, {end - start});
  llvm::copy(shape.slice(start, end - start), tensor.mutableData<int64_t>().begin());
  return tensor;
}

llvm::Expected<SmallVector<Tensor>> interp::evaluateAtStep(func::FuncOp function, ArrayRef<Value> values,
                                                           const DecoderStep &step) {
  llvm::SetVector<Operation *> ops;
  llvm::SetVector<Value> leaves;
  collectSlice(values, ops, leaves);
  SmallVector<Operation *> ordered = ops.takeVector();
  llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  SmallVector<InputDescription> descriptions = describeInputs(function);
  auto isNeeded = [&](unsigned i) { return leaves.contains(function.getArgument(i)); };
  SmallVector<Tensor> all = makeInputs(function, descriptions, step, isNeeded), inputs;
  SmallVector<SmallVector<int64_t>> shapes = makeInputShapes(function, descriptions, step);
  for (Value leaf : leaves) {
    if (BlockArgument argument = argumentOfShape(leaf))
      inputs.push_back(shapeTensor(leaf.getDefiningOp<onnx::NodeOpInterface>(), shapes[argument.getArgNumber()]));
    else
      inputs.push_back(all[cast<BlockArgument>(leaf).getArgNumber()]);
    if (!inputs.back())
      return llvm::createStringError("no values are known for argument #" +
                                     llvm::Twine(cast<BlockArgument>(leaf).getArgNumber()));
  }
  func::FuncOp slice = makeSlice(function, values, ordered, leaves.getArrayRef());
  llvm::Expected<std::vector<SmallVector<Tensor>>> results = runVerificationSteps(slice, {{"step", inputs}});
  slice.erase();
  if (!results)
    return results.takeError();
  return std::move(results->front());
}
