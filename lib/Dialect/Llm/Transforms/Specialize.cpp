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

bool llm::isStep(func::FuncOp function) {
  auto hasName = [&](unsigned argument) { return function.getArgAttr(argument, inputAttrName) != nullptr; };
  return llvm::any_of(llvm::seq(function.getNumArguments()), hasName);
}

namespace {
struct LlmSpecializePass : quantopt::impl::LlmSpecializePassBase<LlmSpecializePass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    for (const std::string &name : phases)
      if (name != "prefill" && name != "decode")
        return emitError(UnknownLoc::get(context))
               << "llm-specialize: expected phases prefill and decode, got '" << name << "'";
    for (int64_t rows : decodeRows)
      if (rows < 1)
        return emitError(UnknownLoc::get(context)) << "llm-specialize: expected rows to be at least 1, got " << rows;
    if (phases.empty() || decodeRows.empty())
      return emitError(UnknownLoc::get(context)) << "llm-specialize: expected phases and numbers of rows, got none";
    return success();
  }

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (function.isDeclaration() || !llm::isStep(function))
        continue;
      if (function->hasAttr(llm::phaseAttrName)) {
        function.emitError() << "llm-specialize: '" << function.getName() << "' is specialized already";
        return signalPassFailure();
      }
      for (const std::string &name : phases)
        makePhases(function, name, symbols);
      symbols.erase(function);
    }
  }

  void makePhases(func::FuncOp function, StringRef name, SymbolTable &symbols) {
    if (name == "prefill") {
      symbols.insert(makePhase(function, name, name), function->getIterator());
      return;
    }
    SmallVector<int64_t> numbers(decodeRows.begin(), decodeRows.end());
    llvm::sort(numbers);
    numbers.erase(llvm::unique(numbers), numbers.end());
    for (int64_t rows : numbers) {
      std::string unique = rows == numbers.front() ? name.str() : (name + "_" + Twine(rows)).str();
      func::FuncOp phase = makePhase(function, name, unique);
      phase->setAttr(llm::maxRowsAttrName, Builder(&getContext()).getI64IntegerAttr(rows));
      symbols.insert(phase, function->getIterator());
    }
  }

  func::FuncOp makePhase(func::FuncOp function, StringRef kind, StringRef name) {
    func::FuncOp phase = function.clone();
    phase.setName(name);
    phase->setAttr(llm::phaseAttrName, StringAttr::get(&getContext(), kind));
    return phase;
  }
};
} // namespace
