//===- ResolveBranches.cpp - If with a condition that is known ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Functions of exporters ask for the rank of a value, or whether an attribute is given, and an If chooses. Where types
// and constants tell the answer, the nodes of the branch take the place of the If.
//
//===----------------------------------------------------------------------------===//
#include "ResolveBranches.h"
#include "mlir/IR/IRMapping.h"
#include "quantopt/Dialect/Onnx/Analysis/SymbolicShapes.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Onnx/Subgraph.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;
using onnx::SymbolicShapes;

/// Puts the nodes of the branch that is taken in front of `op`; false where that is not known.
static bool resolve(onnx::IfOp op, SymbolicShapes &shapes, IRRewriter &rewriter) {
  auto node = cast<NodeOpInterface>(op.getOperation());
  std::optional<SmallVector<int64_t>> condition = shapes.constantsOf(op->getOperand(0));
  if (!condition || condition->size() != 1)
    return false;
  auto branch = importSubgraph(node, condition->front() ? "then_branch" : "else_branch");
  if (!branch) {
    llvm::consumeError(branch.takeError());
    return false;
  }
  Block &body = (*branch)->lookupSymbol<func::FuncOp>("main").front();
  auto captures = op->getOperands().drop_front(node.getNodeInputs().size());
  if (body.getNumArguments() != captures.size() || body.getTerminator()->getNumOperands() != op->getNumResults())
    return false;
  IRMapping mapping;
  for (auto [argument, value] : llvm::zip(body.getArguments(), captures))
    mapping.map(argument, value);
  rewriter.setInsertionPoint(op);
  for (Operation &inner : body.without_terminator())
    rewriter.clone(inner, mapping);
  SmallVector<Value> results;
  for (Value result : body.getTerminator()->getOperands())
    results.push_back(mapping.lookup(result));
  rewriter.replaceOp(op, results);
  return true;
}

/// Types that follow now. What the function returns keeps its type.
static void refineTypes(func::FuncOp function) {
  SymbolicShapes shapes(function);
  for (Operation &op : function.front())
    if (isa<NodeOpInterface>(op))
      for (Value result : op.getResults()) {
        bool isReturned = llvm::any_of(result.getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); });
        auto type = dyn_cast<RankedTensorType>(result.getType());
        if (isa<TensorType>(result.getType()) && !isReturned && !(type && type.hasStaticShape()))
          result.setType(shapes.typeOf(result));
      }
}

void quantopt::resolveBranches(func::FuncOp function) {
  SymbolicShapes shapes(function);
  IRRewriter rewriter(function.getContext(), &shapes);
  bool isChanged = false;
  for (Operation *op = &function.front().front(), *next = nullptr; op; op = next) {
    Operation *before = op->getPrevNode();
    next = op->getNextNode();
    auto branch = dyn_cast<onnx::IfOp>(op);
    bool returns = branch && llvm::any_of(op->getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); });
    if (!branch || returns || !resolve(branch, shapes, rewriter))
      continue;
    isChanged = true;
    next = before ? before->getNextNode() : &function.front().front(); // branches inside of the branch
  }
  if (isChanged)
    refineTypes(function);
}
