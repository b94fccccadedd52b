//===- FuseNormScale.cpp - llm-fuse-norm-scale ------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "CenterStream.h"
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

Operation *llm::findNormScaleBlocker(Operation *norm) {
  if (!llvm::all_of(norm->getOperands().drop_front(), param::isWeightExpression))
    return norm;
  for (OpOperand &use : norm->getUses()) {
    auto linear = dyn_cast<LinearOp>(use.getOwner());
    if (!linear || use.getOperandNumber() != 0 || !param::isWeightExpression(linear.getWeight()))
      return use.getOwner();
  }
  return nullptr;
}

/// linear(n·γ, W) = linear(n, W·diag(γ))
static void moveScale(Value scale, llm::LinearOp linear) {
  OpBuilder builder(linear);
  Value scaled = param::ScaleOp::create(builder, linear.getLoc(), linear.getWeight(), scale, /*dim=*/1,
                                        /*inverse=*/false);
  linear.getWeightMutable().assign(scaled);
}

/// linear(n + β, W) = linear(n, W) + W β
static void moveBias(Value bias, llm::LinearOp linear) {
  OpBuilder builder(linear);
  auto weight = cast<RankedTensorType>(linear.getWeight().getType());
  auto type = RankedTensorType::get({weight.getDimSize(0)}, weight.getElementType());
  Value sum = param::MatvecOp::create(builder, linear.getLoc(), type, linear.getWeight(), bias);
  if (linear.getBias())
    sum = param::AddOp::create(builder, linear.getLoc(), linear.getBias(), sum);
  linear.getBiasMutable().assign(sum);
}

/// Moves the scale of a norm, and before it the bias of a layer norm, into the linears that read it.
template <typename NormOp> static void moveIntoReaders(NormOp norm) {
  for (Operation *user : norm->getUsers()) {
    auto linear = cast<llm::LinearOp>(user);
    if constexpr (std::is_same_v<NormOp, llm::LayerNormOp>)
      if (norm.getBias())
        moveBias(norm.getBias(), linear);
    if (norm.getScale())
      moveScale(norm.getScale(), linear);
  }
  norm.getScaleMutable().clear();
  if constexpr (std::is_same_v<NormOp, llm::LayerNormOp>)
    norm.getBiasMutable().clear();
}

template <typename NormOp> static void fuse(NormOp norm) {
  if (norm->getNumOperands() == 1)
    return;
  Operation *blocker = llm::findNormScaleBlocker(norm);
  if (!blocker)
    return moveIntoReaders(norm);
  InFlightDiagnostic remark = norm.emitRemark() << nodePrefix(norm) << "keeps its scale: ";
  if (blocker == norm)
    remark << "it is not a weight";
  else
    remark << blocker->getName() << " " << nodePrefix(blocker) << "reads the norm and is not a linear over a weight";
}

namespace {
struct FuseNormScalePass : quantopt::impl::FuseNormScalePassBase<FuseNormScalePass> {
  void runOnOperation() override {
    getOperation().walk([](llm::RmsNormOp norm) { fuse(norm); });
    getOperation().walk([](llm::LayerNormOp norm) { fuse(norm); });
    // Centring one norm rewrites all that share its stream.
    bool changed = true;
    while (changed) {
      SmallVector<llm::LayerNormOp> norms(getOperation().getOps<llm::LayerNormOp>());
      changed = llvm::any_of(norms, llm::centerStream);
    }
  }
};
} // namespace
