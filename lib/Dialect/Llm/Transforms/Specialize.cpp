//===- Specialize.cpp - llm-specialize ---------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"

namespace quantopt {
#define GEN_PASS_DEF_LLMSPECIALIZEPASS
#include "llm/LlmPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

/// Whether llm-kv-lower has given the function the form of a step.
static bool isStep(func::FuncOp function) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (function.getArgAttr(i, llm::inputAttrName))
      return true;
  return false;
}

namespace {
struct LlmSpecializePass : quantopt::impl::LlmSpecializePassBase<LlmSpecializePass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    for (const std::string &name : phases)
      if (name != "prefill" && name != "decode")
        return emitError(UnknownLoc::get(context))
               << "llm-specialize: expected phases prefill and decode, got '" << name << "'";
    if (decodeRows < 1)
      return emitError(UnknownLoc::get(context))
             << "llm-specialize: expected rows to be at least 1, got " << int64_t(decodeRows);
    return success();
  }

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (function.isDeclaration() || !isStep(function))
        continue;
      if (function->hasAttr(llm::phaseAttrName)) {
        function.emitError() << "llm-specialize: '" << function.getName() << "' is specialized already";
        return signalPassFailure();
      }
      for (const std::string &name : phases)
        symbols.insert(makePhase(function, name), function->getIterator());
      symbols.erase(function);
    }
  }

  func::FuncOp makePhase(func::FuncOp function, StringRef name) {
    func::FuncOp phase = function.clone();
    Builder builder(&getContext());
    phase.setName(name);
    phase->setAttr(llm::phaseAttrName, builder.getStringAttr(name));
    if (name == "decode")
      phase->setAttr(llm::maxRowsAttrName, builder.getI64IntegerAttr(decodeRows));
    return phase;
  }
};
} // namespace
