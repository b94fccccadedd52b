//===- TopK.cpp - the largest values of every row and their indices -------------------===//
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

/// Every thread knows the first element of its part of the row. The first of those is a result; then all threads look
/// through the part that it came from, for the element that follows. So a row is read once, and one part per result
/// again.
void quantopt::buildTopK(gpu::GPUModuleOp module, tile::TopKOp op) {
  tile::RowsAttr config = op.getConfig();
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/3, unsigned(config.getThreads())});
  RowScan scan(k, config, lastSize(op.getInput()), typeOf(op.getInput()).getElementType());
  int64_t count = lastSize(op.getValues()), secondScratch = config.getThreads() / 32 * 8;
  Type valueType = typeOf(op.getValues()).getElementType();
  int64_t valueBytes = valueType.getIntOrFloatBitWidth() / 8;
  Value values = k.rowPointer(k.pointer(1), scan.getRow(), count * valueBytes);
  Value indices = k.rowPointer(k.pointer(2), scan.getRow(), count * 4);
  Value isWriter = k.bitAnd(scan.rowExists(), k.equal(scan.getThread(), 0));

  Best mine = scan.findFirst(k.pointer(0));
  k.loop(0, count, 1, {mine.value, mine.index}, [&](Value rank, ValueRange carried) {
    Best best = scan.combine({carried[0], carried[1]}, /*scratch=*/0);
    k.ifThen(isWriter, [&] {
      k.store(k.convertFloat(best.value, valueType), k.address(values, k.mul(rank, valueBytes)), valueBytes);
      k.store(best.index, k.address(indices, k.mul(rank, 4)), 4);
    });
    // The barriers of the two exchanges alternate, so either scratch is free again when its turn comes.
    Value part = scan.getPart(best.index);
    Best next = scan.combine(scan.findNext(k.pointer(0), part, best), secondScratch);
    Value isMine = k.equal(part, scan.getThread());
    return llvm::SmallVector<Value>{k.select(isMine, next.value, carried[0]), k.select(isMine, next.index, carried[1])};
  });
  k.finish();
}
