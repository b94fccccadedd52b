//===- TileCopies.cpp - tiles of operands on their way to shared memory ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "TileCopies.h"

using namespace mlir;
using namespace quantopt;

static constexpr int64_t chunkBytes = 16;
/// One access of all 32 banks of shared memory.
static constexpr int64_t lineBytes = 128;

Value quantopt::tileOffset(KernelBuilder &k, Value row, Value chunk, int64_t tileBytes, bool isSwizzled) {
  if (isSwizzled) {
    int64_t rowsPerLine = std::max<int64_t>(1, lineBytes / tileBytes);
    int64_t chunksPerLine = std::min(tileBytes, lineBytes) / chunkBytes;
    chunk = k.bitXor(chunk, k.bitAnd(k.divU(row, rowsPerLine), chunksPerLine - 1));
  }
  return k.add(k.mul(row, tileBytes), k.mul(chunk, chunkBytes));
}

void TileCopies::add(const TiledOperand &operand) {
  int64_t chunks = operand.tileBytes / chunkBytes, total = operand.rows * chunks;
  for (int64_t first = 0; first < total; first += threads) {
    Copy copy;
    Value number = k.add(k.threadX(), first);
    Value row = k.divU(number, chunks), chunk = k.remU(number, chunks);
    Value sourceRow = k.min(k.add(operand.firstRow, row), operand.lastRow);
    Value offset = k.mul(chunk, chunkBytes);
    copy.source = k.address(k.rowPointer(operand.tensor, sourceRow, operand.rowBytes), offset);
    copy.destination = k.add(tileOffset(k, row, chunk, operand.tileBytes, operand.isSwizzled), operand.sharedOffset);
    copy.bytesLeft = k.sub(operand.rowBytes, offset);
    if (first + threads > total)
      copy.isActive = k.lessS(number, total);
    copy.tileBytes = operand.tileBytes;
    copies.push_back(copy);
  }
}

void TileCopies::begin(Value tile, Value stage) {
  for (Copy &copy : copies) {
    Value distance = k.mul(tile, copy.tileBytes);
    Value exists = k.lessS(distance, copy.bytesLeft), source = k.address(copy.source, distance);
    if (!isAsync) {
      Type type = k.vectorOf(4, k.i32());
      Value isRead = copy.isActive ? k.bitAnd(exists, copy.isActive) : exists;
      copy.loaded = k.loadIf(isRead, type, source, chunkBytes, k.zero(type));
      continue;
    }
    auto copyChunk = [&] {
      k.copyAsync(k.shared(k.add(copy.destination, stage)), source, k.select(exists, chunkBytes, 0));
    };
    copy.isActive ? k.ifThen(copy.isActive, copyChunk) : copyChunk();
  }
}

void TileCopies::end(Value stage) {
  if (isAsync)
    return k.copyAsyncCommit();
  for (Copy &copy : copies) {
    auto storeChunk = [&] { k.store(copy.loaded, k.shared(k.add(copy.destination, stage)), chunkBytes); };
    copy.isActive ? k.ifThen(copy.isActive, storeChunk) : storeChunk();
  }
}

void TileCopies::wait(unsigned pending) {
  if (isAsync)
    k.copyAsyncWait(pending);
  k.barrier();
}
