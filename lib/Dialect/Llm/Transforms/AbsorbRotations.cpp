//===- AbsorbRotations.cpp - rot-absorb -------------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Rot/Transforms/Absorb.h"

namespace quantopt {
#define GEN_PASS_DEF_ROTABSORBPASS
#include "llm/LlmPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

namespace {
struct RotAbsorbPass : quantopt::impl::RotAbsorbPassBase<RotAbsorbPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    rot::populateAbsorbPatterns(patterns, param::isWeightExpression);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
