//===- IntegerGemms.cpp - builders of the matrix products of codes --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "IntegerGemms.h"
#include "GemmKernels.h"
#include "IntegerGemm.h"

using namespace mlir;
using namespace quantopt;

/// The plan of an op's kernel.
static IntegerGemmPlan makePlan(Operation *op) {
  tile::GemmOperands operands = tile::getGemmOperands(op);
  tile::GemmShape shape = tile::getGemmShape(op);
  tile::GemmAttr config = operands.config;
  IntegerGemmPlan plan;
  plan.n = shape.n;
  plan.k = shape.k;
  plan.inputBits = shape.inputBits;
  plan.weightBits = shape.weightBits;
  plan.groups = operands.groupScales ? shape.groups : 0;
  plan.hasBias = operands.bias != nullptr;
  plan.hasResidual = operands.residual != nullptr;
  plan.resultType = getElementTypeOrSelf(op->getResult(0));
  plan.bm = config.getBm();
  plan.bn = config.getBn();
  plan.bk = config.getBk();
  plan.wm = config.getWm();
  plan.wn = config.getWn();
  plan.stages = config.getStages();
  plan.isTuring = config.getArch() == tile::Arch::sm_75;
  return plan;
}

static LogicalResult buildGemm(gpu::GPUModuleOp module, tile::KernelOpInterface op) {
  if (tile::getGemmOperands(op).config.getMma() == tile::Mma::WgmmaS8)
    return op->emitOpError("has no kernel that multiplies by wgmma");
  IntegerGemmPlan plan = makePlan(op);
  unsigned pointers = op->getNumOperands() + op->getNumResults();
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), pointers, unsigned(plan.threads())});
  buildIntegerGemm(k, plan);
  k.finish();
  return success();
}

LogicalResult quantopt::buildGemmW4A4(gpu::GPUModuleOp module, tile::GemmW4A4Op op) { return buildGemm(module, op); }
LogicalResult quantopt::buildGemmW4A8(gpu::GPUModuleOp module, tile::GemmW4A8Op op) {
  if (op.getConfig().getMma() != tile::Mma::WgmmaS8)
    return buildGemm(module, op);
  buildGemmHopper(module, op);
  return success();
}
LogicalResult quantopt::buildGemmW8A8(gpu::GPUModuleOp module, tile::GemmW8A8Op op) { return buildGemm(module, op); }
