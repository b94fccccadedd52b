//===- LinearSelection.cpp - which linears a quantizer is to change ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "LinearSelection.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Support/NodeName.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::llm;

llvm::Expected<LinearPatterns> LinearPatterns::parse(ArrayRef<std::string> texts) {
  LinearPatterns result;
  for (const std::string &text : texts) {
    llvm::Expected<llvm::GlobPattern> pattern = llvm::GlobPattern::create(text);
    if (!pattern)
      return llvm::createStringError("pattern '" + text + "': " + llvm::toString(pattern.takeError()));
    result.patterns.push_back(std::move(*pattern));
  }
  return result;
}

bool LinearPatterns::match(LinearOp linear) const {
  auto role = linear->getAttrOfType<StringAttr>(roleAttrName);
  return llvm::any_of(patterns, [&](const llvm::GlobPattern &pattern) {
    return pattern.match(getNodeName(linear)) || (role && pattern.match(role));
  });
}

/// The ops of a function from which a linear is reached.
static llvm::DenseSet<Operation *> findOpsBeforeLinears(func::FuncOp func) {
  llvm::DenseSet<Operation *> before;
  Block &body = func.front();
  for (Operation &op : llvm::reverse(body)) {
    auto leads = [&](Operation *user) {
      Operation *ancestor = body.findAncestorOpInBlock(*user);
      return isa<LinearOp, q::LinearOp>(user) || before.contains(ancestor);
    };
    if (llvm::any_of(op.getUsers(), leads))
      before.insert(&op);
  }
  return before;
}

SmallVector<LinearOp> llm::selectLinears(func::FuncOp func, const LinearPatterns &skip, bool includeHead) {
  SmallVector<LinearOp> linears;
  if (func.isDeclaration())
    return linears;
  llvm::DenseSet<Operation *> before = findOpsBeforeLinears(func);
  for (auto linear : func.front().getOps<LinearOp>())
    if ((includeHead || before.contains(linear)) && !skip.match(linear))
      linears.push_back(linear);
  return linears;
}

void llm::warnWithoutLinears(func::FuncOp func, StringRef pass) {
  if (func.isPrivate() || func.isDeclaration())
    return;
  WalkResult result = func.walk(
      [](Operation *op) { return isa<LinearOp, q::LinearOp>(op) ? WalkResult::interrupt() : WalkResult::advance(); });
  if (!result.wasInterrupted())
    func.emitWarning() << "has no llm.linear: there is nothing for " << pass << " to quantize; run llm-recognize first";
}

LogicalResult llm::checkBits(MLIRContext *context, StringRef pass, int64_t bits) {
  if (bits == 16 || (bits >= 2 && bits <= 8))
    return success();
  return emitError(UnknownLoc::get(context))
         << pass << " needs bits from 2 to 8, or 16 to leave everything as it is; got " << bits;
}
