//===- Verify.cpp - what architectures execute and memory holds -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Detail.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

LogicalResult GemmAttr::verify(function_ref<InFlightDiagnostic()> emitError, Arch arch, int64_t bm, int64_t bn,
                               int64_t bk, int64_t wm, int64_t wn, int64_t stages, int64_t splitK, Mma mma) {
  if (bm < 1 || bn < 1 || bk < 1 || wm < 1 || wn < 1 || bm % wm || bn % wn) // C1
    return emitError() << "expected warps of " << wm << " by " << wn << " to divide a block of " << bm << " by " << bn;
  if (stages < 1 || splitK < 1) // C1
    return emitError() << "expected at least one stage and one part of the contraction, got " << stages << " and "
                       << splitK;
  return success();
}

LogicalResult RowsAttr::verify(function_ref<InFlightDiagnostic()> emitError, Arch arch, int64_t threads, int64_t rows) {
  if (threads < 32 || threads > 1024 || threads % 32 || rows < 1 || threads % rows) // C2
    return emitError() << "expected equal shares of whole warps for " << rows << " rows and at most 1024 threads, got "
                       << threads;
  return success();
}

LogicalResult quantopt::tile::verifyGemm(Operation *op) { return success(); }

/// bf16 conversions exist from sm_80 on.
static LogicalResult verifyRowTypes(Operation *op, RowsAttr config) {
  auto isBfloat = [](Value value) { return typeOf(value).getElementType().isBF16(); };
  if (config.getArch() == Arch::sm_75 &&
      (llvm::any_of(op->getOperands(), isBfloat) || llvm::any_of(op->getResults(), isBfloat)))
    return op->emitOpError("expected f16 or f32: sm_75 does not convert bf16");
  return success();
}
/// Threads, registers and shared memory suffice for whole rows.
static LogicalResult verifyWholeRows(Operation *op, RowsAttr config) {
  llvm::Expected<RowPlan> plan = getRowPlan(op);
  if (!plan)
    return op->emitOpError() << llvm::toString(plan.takeError());
  return verifyRowTypes(op, config);
}
/// Threads of a row exchange values in butterflies.
static LogicalResult verifyRowShares(Operation *op, RowsAttr config) {
  if (!llvm::isPowerOf2_64(config.getThreads() / config.getRows()))
    return op->emitOpError() << "expected a power of two of threads per row, got "
                             << config.getThreads() / config.getRows();
  return verifyRowTypes(op, config);
}
LogicalResult NormQuantOp::verify() { return verifyWholeRows(*this, getConfig()); }
LogicalResult SwigluQuantOp::verify() { return verifyWholeRows(*this, getConfig()); }
LogicalResult NormOp::verify() { return verifyWholeRows(*this, getConfig()); }
LogicalResult EmbeddingOp::verify() { return verifyRowTypes(*this, getConfig()); }
LogicalResult ArgMaxOp::verify() { return verifyRowShares(*this, getConfig()); }
LogicalResult TopKOp::verify() {
  if (lastSize(getValues()) > lastSize(getInput()))
    return emitOpError() << "expected at most " << lastSize(getInput()) << " values of a row, got "
                         << lastSize(getValues());
  return verifyRowShares(*this, getConfig());
}
