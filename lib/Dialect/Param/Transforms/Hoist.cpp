//===- Hoist.cpp - param-hoist ---------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/IR/IRMapping.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

namespace quantopt {
#define GEN_PASS_DEF_PARAMHOISTPASS
#include "param/ParamPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;

namespace {
/// The ops of an expression, operands before users.
using Expression = llvm::SetVector<Operation *>;

void collect(Operation *op, Expression &expression) {
  for (Value operand : op->getOperands())
    if (!expression.contains(operand.getDefiningOp()))
      collect(operand.getDefiningOp(), expression);
  expression.insert(op);
}

bool isExpression(Operation *op) { return op->getNumResults() && isWeightExpression(op->getResult(0)); }

/// An expansion that something other than an expression reads (Rationale C10).
bool staysWithReader(Operation *op) {
  return isExpression(op) && !isa<LoadOp>(op) && cast<WeightOpInterface>(op).isExpansion() &&
         !llvm::all_of(op->getUsers(), isExpression);
}

/// An expression that something other than an expression reads.
bool isRoot(Operation *op) {
  return isExpression(op) && !isa<LoadOp>(op) && !staysWithReader(op) &&
         llvm::any_of(op->getUsers(), [](Operation *user) { return !isExpression(user) || staysWithReader(user); });
}

/// The body as text, without locations: equal texts compute the same.
std::string textOf(DerivedOp derived) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (Operation &op : derived.getBody().front())
    op.print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

class Outliner {
public:
  explicit Outliner(ModuleOp module) : symbols(module) {}

  void run(Operation *function) {
    SmallVector<std::pair<Operation *, DerivedOp>> outlined;
    Expression replaced;
    function->walk([&](Operation *op) {
      if (!isRoot(op))
        return;
      Expression expression;
      collect(op, expression);
      outlined.emplace_back(op, outline(op, expression, function));
      replaced.insert_range(expression);
    });
    for (auto [root, derived] : outlined) {
      OpBuilder builder(root);
      auto load = LoadOp::create(builder, root->getLoc(), root->getResultTypes(), derived.getSymName());
      root->replaceAllUsesWith(load.getResults());
    }
    for (Operation *op : llvm::reverse(replaced))
      if (op->use_empty())
        op->erase();
  }

private:
  /// The parameter of that expression, a new one or one with the same body.
  DerivedOp outline(Operation *root, const Expression &expression, Operation *function) {
    OpBuilder builder(root->getContext());
    auto derived = DerivedOp::create(builder, root->getLoc(), "");
    builder.createBlock(&derived.getBody());
    IRMapping mapping;
    for (Operation *op : expression)
      builder.clone(*op, mapping);
    YieldOp::create(builder, root->getLoc(), mapping.lookup(root)->getResults());

    std::string text = textOf(derived);
    auto [known, isNew] = byText.try_emplace(text, derived);
    if (!isNew) {
      derived->destroy();
      return known->second;
    }
    derived.setSymName(chooseName(expression, text));
    symbols.insert(derived, function->getIterator());
    return derived;
  }

  std::string chooseName(const Expression &expression, StringRef text) {
    std::string base;
    SmallVector<std::string> roles;
    for (Operation *op : expression) {
      if (auto load = dyn_cast<LoadOp>(op))
        base = base.empty() ? load.getParam().str() : base;
      else if (std::string role = cast<WeightOpInterface>(op).getRole(); !llvm::is_contained(roles, role))
        roles.push_back(role);
    }
    if (!base.empty())
      base += ".";
    std::string all = base + llvm::join(roles, "_");
    for (const std::string &name : {base + roles.back(), all})
      if (!symbols.lookup(name))
        return name;
    return all + "." + llvm::utohexstr(llvm::xxh3_64bits(text), /*LowerCase=*/true);
  }

  SymbolTable symbols;
  llvm::StringMap<DerivedOp> byText;
};

struct HoistPass : quantopt::impl::ParamHoistPassBase<HoistPass> {
  void runOnOperation() override {
    Outliner outliner(getOperation());
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (op.getNumRegions() && !isa<DerivedOp>(op))
        outliner.run(&op);
  }
};
} // namespace
