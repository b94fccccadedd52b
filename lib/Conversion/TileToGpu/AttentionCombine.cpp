//===- AttentionCombine.cpp - the parts of attention_decode as one ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionKernels.h"
#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;

/// A thread has two elements of a row: parts are 8-byte aligned.
void quantopt::buildAttentionCombine(gpu::GPUModuleOp module, tile::AttentionCombineOp op) {
  tile::Launch launch = op.getLaunch();
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/2, unsigned(launch.threads)});
  int64_t splits = op.getSplits(), columns = lastSize(op.getResult());
  int64_t heads = (lastSize(op.getInput()) / splits - columns) / 2, headDim = columns / heads;
  int64_t threadsPerRow = launch.threads / launch.rowsPerBlock, partBytes = (headDim + 2) * 4;
  Type element = typeOf(op.getResult()).getElementType();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;

  Value row = k.add(k.mul(k.blockY(), launch.rowsPerBlock), k.divU(k.threadX(), threadsPerRow));
  Value column = k.mul(k.add(k.mul(k.blockX(), threadsPerRow), k.remU(k.threadX(), threadsPerRow)), 2);
  k.ifThen(k.bitAnd(k.lessS(row, k.rows()), k.lessS(column, columns)), [&] {
    Value head = k.divU(column, headDim);
    Value parts = k.rowPointer(k.pointer(0), k.mul(k.add(k.mul(row, heads), head), splits), partBytes);
    auto partAt = [&](Value split) { return k.address(parts, k.mul(split, partBytes)); };
    Value none = k.constantF32(-std::numeric_limits<float>::infinity());
    Value greatest = k.loop(0, splits, 1, {none}, [&](Value split, ValueRange carried) {
      return SmallVector<Value>{k.max(carried[0], k.load(k.f32(), partAt(split), 4))};
    })[0];
    // Where all parts are empty: a number, of which -inf can be taken off.
    greatest = k.max(greatest, -1e30f);
    Value zero = k.constantF32(0), inHead = k.mul(k.remU(column, headDim), 4);
    SmallVector<Value> sums = k.loop(0, splits, 1, {zero, zero, zero}, [&](Value split, ValueRange carried) {
      Type pair = k.vectorOf(2, k.f32());
      Fragment statistics = k.elements(k.load(pair, partAt(split), 8));
      Fragment output = k.elements(k.load(pair, k.address(k.address(partAt(split), inHead), 8), 8));
      Value factor = k.exp2Flushed(k.sub(statistics[0], greatest));
      return SmallVector<Value>{k.fma(statistics[1], factor, carried[0]), k.fma(output[0], factor, carried[1]),
                                k.fma(output[1], factor, carried[2])};
    });
    Value inverse = k.select(k.lessS(0.0f, sums[0]), k.reciprocalApprox(sums[0]), 0.0f);
    Value result = k.vector({k.mul(sums[1], inverse), k.mul(sums[2], inverse)});
    Value pointer = k.address(k.rowPointer(k.pointer(1), row, columns * bytes), k.mul(column, bytes));
    k.store(k.convertFloat(result, element), pointer, 2 * bytes);
  });
  k.finish();
}
