//===- RowScan.cpp - what kernels share that read rows in passing ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RowScan.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;
using namespace quantopt;

RowScan::RowScan(KernelBuilder &builder, tile::RowsAttr config, int64_t columns, Type element)
    : k(builder), threadsPerRow(config.getThreads() / config.getRows()), rowsPerBlock(config.getRows()),
      columns(columns), element(element) {
  int64_t mostWide = 128 / element.getIntOrFloatBitWidth();
  width = std::min<int64_t>(mostWide, int64_t(1) << llvm::countr_zero(uint64_t(columns)));
  thread = k.remU(k.threadX(), threadsPerRow);
  rowInBlock = k.divU(k.threadX(), threadsPerRow);
  Value wanted = k.add(k.mul(k.blockY(), rowsPerBlock), rowInBlock);
  exists = k.lessS(wanted, k.rows());
  row = k.min(wanted, k.sub(k.rows(), 1));
}

Best RowScan::none() {
  return {k.constantF32(-std::numeric_limits<float>::infinity()), k.constantI32(std::numeric_limits<int32_t>::max())};
}

Value RowScan::comesBefore(Best left, Best right) {
  Value isEarlier = k.bitAnd(k.equal(left.value, right.value), k.lessS(left.index, right.index));
  return k.bitOr(k.lessS(right.value, left.value), isEarlier);
}
Best RowScan::firstOf(Best left, Best right) {
  Value condition = comesBefore(right, left); // not so with a NaN on the right
  return {k.select(condition, right.value, left.value), k.select(condition, right.index, left.index)};
}

Value RowScan::getPart(Value index) { return k.remU(k.divU(index, width), threadsPerRow); }

Best RowScan::findFirst(Value tensor) {
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  Value base = k.rowPointer(tensor, row, columns * bytes);
  Best start = none();
  auto found = k.loop(
      thread, getVectorsOfRow(), threadsPerRow, {start.value, start.index}, [&](Value vector, ValueRange carried) {
        Best best{carried[0], carried[1]};
        Value first = k.mul(vector, width);
        Value values = k.load(k.vectorOf(width, element), k.address(base, k.mul(first, bytes)), width * bytes);
        for (int64_t v : llvm::seq(width))
          best = firstOf(best, {k.convertFloat(k.element(values, v), k.f32()), k.add(first, v)});
        return llvm::SmallVector<Value>{best.value, best.index};
      });
  return {found[0], found[1]};
}

Best RowScan::findNext(Value tensor, Value part, Best last) {
  int64_t bytes = element.getIntOrFloatBitWidth() / 8, stride = threadsPerRow * width;
  Value base = k.rowPointer(tensor, row, columns * bytes);
  Best start = none();
  int64_t elements = llvm::divideCeil(columns, stride) * width;
  auto found = k.loop(thread, elements, threadsPerRow, {start.value, start.index}, [&](Value i, ValueRange carried) {
    Best best{carried[0], carried[1]};
    Value index = k.add(k.mul(k.divU(i, width), stride), k.add(k.mul(part, width), k.remU(i, width)));
    Value inside = k.lessS(index, columns);
    Value safe = k.select(inside, index, 0);
    Value value = k.convertFloat(k.load(element, k.address(base, k.mul(safe, bytes)), bytes), k.f32());
    Best candidate{value, index};
    Value isBetter = k.bitAnd(k.bitAnd(inside, comesBefore(last, candidate)), comesBefore(candidate, best));
    return llvm::SmallVector<Value>{k.select(isBetter, candidate.value, best.value),
                                    k.select(isBetter, candidate.index, best.index)};
  });
  return {found[0], found[1]};
}

Best RowScan::combine(Best mine, int64_t scratch) {
  auto inLanes = [&](Best best, int64_t lanes) {
    for (int64_t mask = lanes / 2; mask > 0; mask /= 2)
      best = firstOf(best, {k.shuffleXor(best.value, mask), k.shuffleXor(best.index, mask)});
    return best;
  };
  mine = inLanes(mine, std::min<int64_t>(threadsPerRow, 32));
  int64_t warps = threadsPerRow / 32;
  if (warps <= 1)
    return mine;
  // Every warp combines the parts again in its lanes. Values lie before indices.
  Value base = k.address(k.shared(scratch), k.mul(rowInBlock, 8 * warps));
  auto slot = [&](Value warp) { return k.address(base, k.mul(warp, 4)); };
  Value own = slot(k.divU(thread, 32));
  k.ifThen(k.equal(k.lane(), 0), [&] {
    k.store(mine.value, own, 4);
    k.store(mine.index, k.address(own, 4 * warps), 4);
  });
  k.barrier();
  Value other = slot(k.remU(k.lane(), warps));
  return inLanes({k.load(k.f32(), other, 4), k.load(k.i32(), k.address(other, 4 * warps), 4)}, warps);
}
