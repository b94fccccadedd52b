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

/// Threads, registers and shared memory suffice for whole rows.
static LogicalResult verifyRowPlan(Operation *op) {
  llvm::Expected<RowPlan> plan = getRowPlan(op);
  if (!plan)
    return op->emitOpError() << llvm::toString(plan.takeError());
  return success();
}
LogicalResult NormQuantOp::verify() { return verifyRowPlan(*this); }
LogicalResult SwigluQuantOp::verify() { return verifyRowPlan(*this); }
LogicalResult NormOp::verify() { return verifyRowPlan(*this); }
LogicalResult EmbeddingOp::verify() { return success(); }
LogicalResult ArgMaxOp::verify() { return success(); }
LogicalResult TopKOp::verify() { return success(); }
