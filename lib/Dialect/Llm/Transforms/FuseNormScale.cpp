//===- FuseNormScale.cpp - llm-fuse-norm-scale ------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "NormScale.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Support/NodeName.h"

namespace quantopt {
#define GEN_PASS_DEF_FUSENORMSCALEPASS
#include "llm/LlmPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

Operation *llm::findNormScaleBlocker(RmsNormOp norm) {
  if (!param::isWeightExpression(norm.getScale()))
    return norm;
  for (OpOperand &use : norm.getResult().getUses()) {
    auto linear = dyn_cast<LinearOp>(use.getOwner());
    if (!linear || use.getOperandNumber() != 0 || !param::isWeightExpression(linear.getWeight()))
      return use.getOwner();
  }
  return nullptr;
}

/// linear(rms_norm(x, γ), W) = linear(rms_norm(x), W·diag(γ))
static void moveScaleIntoReaders(llm::RmsNormOp norm) {
  OpBuilder builder(norm.getContext());
  for (Operation *user : norm->getUsers()) {
    auto linear = cast<llm::LinearOp>(user);
    builder.setInsertionPoint(linear);
    Value scaled = param::ScaleOp::create(builder, linear.getLoc(), linear.getWeight(), norm.getScale(),
                                          /*dim=*/1, /*inverse=*/false);
    linear.getWeightMutable().assign(scaled);
  }
  norm.getScaleMutable().clear();
}

namespace {
struct FuseNormScalePass : quantopt::impl::FuseNormScalePassBase<FuseNormScalePass> {
  void runOnOperation() override {
    getOperation().walk([](llm::RmsNormOp norm) {
      if (!norm.getScale())
        return;
      Operation *blocker = llm::findNormScaleBlocker(norm);
      if (!blocker)
        return moveScaleIntoReaders(norm);
      InFlightDiagnostic remark = norm.emitRemark() << nodePrefix(norm) << "keeps its scale: ";
      if (blocker == norm)
        remark << "it is not a weight";
      else
        remark << blocker->getName() << " " << nodePrefix(blocker)
               << "reads the norm and is not a linear over a weight";
    });
  }
};
} // namespace
