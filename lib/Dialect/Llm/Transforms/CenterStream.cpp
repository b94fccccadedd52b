//===- CenterStream.cpp - streams of mean 0, whose LayerNorm is RMSNorm --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "CenterStream.h"
#include "quantopt/Dialect/Rot/Analysis/Web.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::llm;
using rot::Web;

/// Whether a web that was grown with `basis` is written by weights alone and read by bare layer norms alone. The basis
/// stands for "some change of this dimension": what a web admits it for is linear in the dimension.
static bool canBeCentered(const Web &web, rot::Transform basis) {
  for (const Web::Member &member : web.getMembers()) {
    Operation *writer = member.value.getDefiningOp();
    if (!web.isBornInside(member) || isa_and_nonnull<RmsNormOp>(writer) || member.basis != basis)
      return false; // RMSNorm sees the mean
  }
  for (const Web::WeightUse &use : web.getWeightUses()) {
    // A linear that contracts with the stream reads its mean.
    bool isReader = isa<LinearOp>(use.operand->getOwner()) && use.operand->getOperandNumber() == 1 && use.dim == 1;
    if (isReader || use.basis != basis || !isa<LinearOp, EmbeddingOp>(use.operand->getOwner()))
      return false;
  }
  return llvm::all_of(web.getCrossings(), [](const Web::Crossing &crossing) {
    auto norm = dyn_cast_or_null<LayerNormOp>(crossing.op);
    return norm && !crossing.isWriter && !norm.getScale() && !norm.getBias();
  });
}

/// Subtracts the mean from what the weights write, so that no norm has to.
static void center(const Web &web) {
  for (const Web::WeightUse &use : web.getWeightUses()) {
    OpBuilder builder(use.operand->getOwner());
    use.operand->set(param::CenterOp::create(builder, use.operand->getOwner()->getLoc(), use.operand->get(), use.dim));
  }
  for (const Web::Crossing &crossing : web.getCrossings()) {
    auto norm = cast<LayerNormOp>(crossing.op);
    OpBuilder builder(norm);
    auto bare = RmsNormOp::create(builder, norm.getLoc(), norm.getType(), norm.getInput(), Value(), norm.getEpsAttr());
    bare->setDiscardableAttrs(norm->getDiscardableAttrDictionary());
    norm.replaceAllUsesWith(bare.getResult());
    norm.erase();
  }
}

bool llm::centerStream(LayerNormOp norm) {
  auto type = cast<RankedTensorType>(norm.getInput().getType());
  int64_t last = type.getRank() - 1;
  if (norm.getScale() || norm.getBias() || type.isDynamicDim(last))
    return false;
  rot::Transform basis = rot::HadamardAttr::get(norm.getContext(), type.getDimSize(last), /*seed=*/0);
  ScopedDiagnosticHandler silence(norm.getContext(), [](Diagnostic &) { return success(); });
  Web web(norm->getParentOfType<func::FuncOp>(), {param::isWeightExpression, stateAttrName});
  if (failed(web.grow(norm.getInput(), last, basis)) || !canBeCentered(web, basis))
    return false;
  center(web);
  return true;
}
