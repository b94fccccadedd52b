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
// Optimum's merged decoders choose by an input between a decoder that reads a cache and one that has none. A cache of
// no rows makes the first compute what the second does, so it takes the place of both.
//
//===----------------------------------------------------------------------------===//
#include "ResolveBranches.h"
#include "mlir/IR/IRMapping.h"
#include "quantopt/Dialect/Onnx/Analysis/SymbolicShapes.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Onnx/IR/Uses.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "quantopt/Onnx/Subgraph.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;
using onnx::SymbolicShapes;

namespace {
/// A branch of an If as a function of its own, whose arguments are the values that either branch captures.
class Branch {
public:
  static std::optional<Branch> of(onnx::IfOp op, bool condition) {
    auto node = cast<NodeOpInterface>(op.getOperation());
    auto module = importSubgraph(node, condition ? "then_branch" : "else_branch");
    if (!module) {
      llvm::consumeError(module.takeError());
      return std::nullopt;
    }
    Branch branch{std::move(*module), op->getOperands().drop_front(node.getNodeInputs().size())};
    bool fits =
        branch.body().getNumArguments() == branch.captures.size() && branch.results().size() == op->getNumResults();
    return fits ? std::optional<Branch>(std::move(branch)) : std::nullopt;
  }

  Block &body() { return module->lookupSymbol<func::FuncOp>("main").front(); }
  ValueRange results() { return body().getTerminator()->getOperands(); }

  /// The inputs of the graph that the branch reads.
  llvm::SmallSetVector<Value, 8> inputs() {
    llvm::SmallSetVector<Value, 8> inputs;
    for (auto [argument, value] : llvm::zip(body().getArguments(), captures))
      if (isa<BlockArgument>(value) && !argument.use_empty())
        inputs.insert(value);
    return inputs;
  }

  /// Puts the nodes of the branch in the place of the If. What the function returns has the type that it states.
  void inlineInto(onnx::IfOp op, IRRewriter &rewriter) {
    IRMapping mapping;
    for (auto [argument, value] : llvm::zip(body().getArguments(), captures))
      mapping.map(argument, value);
    rewriter.setInsertionPoint(op);
    for (Operation &inner : body().without_terminator())
      rewriter.clone(inner, mapping);
    SmallVector<Value> values;
    for (auto [result, old] : llvm::zip(results(), op->getResults())) {
      values.push_back(mapping.lookup(result));
      if (onnx::isReturned(old))
        values.back().setType(old.getType());
    }
    rewriter.replaceOp(op, values);
  }

private:
  Branch(OwningOpRef<ModuleOp> module, OperandRange captures) : module(std::move(module)), captures(captures) {}

  OwningOpRef<ModuleOp> module;
  OperandRange captures;
};
} // namespace

/// Whether every returned result of the If is one of a node of the branch, and of no other result: its type can be set.
static bool canReturn(onnx::IfOp op, Branch &branch) {
  llvm::SmallPtrSet<Value, 8> seen;
  for (auto [result, old] : llvm::zip(branch.results(), op->getResults()))
    if (onnx::isReturned(old) && (!result.getDefiningOp<NodeOpInterface>() || !seen.insert(result).second))
      return false;
  return true;
}

/// The branch that a known condition takes.
static std::optional<Branch> knownBranch(onnx::IfOp op, SymbolicShapes &shapes) {
  std::optional<SmallVector<int64_t>> condition = shapes.constantsOf(op->getOperand(0));
  if (!condition || condition->size() != 1)
    return std::nullopt;
  return Branch::of(op, condition->front());
}

/// The branch for `true` if it reads what the other one reads, and caches besides. Its condition is an input that
/// nothing else reads.
static std::optional<Branch> cachedBranch(onnx::IfOp op, ArrayRef<interp::InputRole> roles) {
  auto condition = dyn_cast<BlockArgument>(op->getOperand(0));
  if (!condition || !llvm::all_of(condition.getUsers(), [](Operation *user) { return isa<onnx::IfOp>(user); }))
    return std::nullopt;
  std::optional<Branch> cached = Branch::of(op, true), other = Branch::of(op, false);
  if (!cached || !other)
    return std::nullopt;
  llvm::SmallSetVector<Value, 8> read = cached->inputs();
  for (Value value : other->inputs())
    if (!read.remove(value))
      return std::nullopt;
  auto isCache = [&](Value value) {
    return roles[cast<BlockArgument>(value).getArgNumber()] == interp::InputRole::Cache;
  };
  return !read.empty() && llvm::all_of(read, isCache) ? std::move(cached) : std::nullopt;
}

/// A mask is as long as caches and tokens together. Merged decoders may state the length that it has in the branch
/// without a cache, that of the tokens.
static void forgetMaskLength(func::FuncOp function) {
  for (auto [i, role] : llvm::enumerate(interp::findInputRoles(function))) {
    auto dims = function.getArgAttrOfType<ArrayAttr>(i, onnx::OnnxDialect::dimsAttrName);
    if (role != interp::InputRole::AttentionMask || !dims || dims.empty() || !isa<StringAttr>(dims.getValue().back()))
      continue;
    SmallVector<Attribute> changed = llvm::to_vector(dims);
    changed.back() = StringAttr::get(function.getContext(), "");
    function.setArgAttr(i, onnx::OnnxDialect::dimsAttrName, ArrayAttr::get(function.getContext(), changed));
  }
}

/// Types that follow now.
static void refineTypes(func::FuncOp function) {
  SymbolicShapes shapes(function);
  for (Operation &op : function.front())
    if (isa<NodeOpInterface>(op))
      for (Value result : op.getResults()) {
        auto type = dyn_cast<RankedTensorType>(result.getType());
        if (isa<TensorType>(result.getType()) && !(type && type.hasStaticShape()))
          result.setType(shapes.typeOf(result));
      }
  TypeRange results = function.front().getTerminator()->getOperandTypes();
  function.setFunctionType(FunctionType::get(function.getContext(), function.getArgumentTypes(), results));
}

/// Puts a branch in the place of each If that has one: `choose` gives it, or nothing.
static bool inlineBranches(func::FuncOp function, IRRewriter &rewriter,
                           llvm::function_ref<std::optional<Branch>(onnx::IfOp)> choose) {
  bool isChanged = false;
  for (Operation *op = &function.front().front(), *next = nullptr; op; op = next) {
    Operation *before = op->getPrevNode();
    next = op->getNextNode();
    auto branchOp = dyn_cast<onnx::IfOp>(op);
    if (!branchOp)
      continue;
    std::optional<Branch> branch = choose(branchOp);
    if (!branch || !canReturn(branchOp, *branch))
      continue;
    branch->inlineInto(branchOp, rewriter);
    isChanged = true;
    next = before ? before->getNextNode() : &function.front().front(); // branches inside of the branch
  }
  return isChanged;
}

/// Merged decoders become the decoder that reads a cache.
static bool takeCachedBranches(func::FuncOp function) {
  IRRewriter rewriter(function.getContext());
  SmallVector<interp::InputRole> roles = interp::findInputRoles(function);
  llvm::SmallSetVector<Value, 1> conditions;
  bool isChanged = inlineBranches(function, rewriter, [&](onnx::IfOp op) {
    std::optional<Branch> branch = cachedBranch(op, roles);
    if (branch)
      conditions.insert(op->getOperand(0));
    return branch;
  });
  if (!isChanged)
    return false;
  forgetMaskLength(function);
  for (Value condition : conditions)
    if (condition.use_empty())
      function.setArgAttr(cast<BlockArgument>(condition).getArgNumber(), onnx::OnnxDialect::leftOutAttrName,
                          rewriter.getUnitAttr());
  return true;
}

/// Branches that types and constants choose.
static bool takeKnownBranches(func::FuncOp function) {
  SymbolicShapes shapes(function);
  IRRewriter rewriter(function.getContext(), &shapes);
  return inlineBranches(function, rewriter, [&](onnx::IfOp op) { return knownBranch(op, shapes); });
}

void quantopt::resolveBranches(func::FuncOp function) {
  // First, since it corrects what the function says of its arguments.
  bool isChanged = takeCachedBranches(function);
  isChanged |= takeKnownBranches(function);
  if (isChanged)
    refineTypes(function);
}
