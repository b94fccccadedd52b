//===- ArgMax.cpp - index of the largest value of every row ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RowKernels.h"
#include "RowScan.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;

void quantopt::buildArgMax(gpu::GPUModuleOp module, tile::ArgMaxOp op) {
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/2, unsigned(op.getConfig().getThreads())});
  RowScan scan(k, op.getConfig(), lastSize(op.getInput()), typeOf(op.getInput()).getElementType());
  Best best = scan.combine(scan.findFirst(k.pointer(0)), /*scratch=*/0);
  // A row of NaNs has no largest value: 0 stands for it.
  Value index = k.select(k.equal(best.index, scan.none().index), 0, best.index);

  k.storeIf(k.bitAnd(scan.rowExists(), k.equal(scan.getThread(), 0)), index,
            k.rowPointer(k.pointer(1), scan.getRow(), 4), 4);
  k.finish();
}
