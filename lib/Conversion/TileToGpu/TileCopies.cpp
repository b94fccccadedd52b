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
  // Powers of two: a pass of all threads copies whole rows, or equal parts of one. Passes differ by a constant, except
  // where the swizzle, which repeats after 8 rows, puts their chunks in other orders.
  bool isAffine = operand.isSwizzled ? threads % (8 * chunks) == 0 : true;
  for (int64_t first = 0; first < total; first += threads) {
    int64_t firstRow = isAffine ? first / chunks : 0, firstChunk = isAffine ? first % chunks : 0;
    Value number = k.add(k.threadX(), isAffine ? 0 : first);
    Value row = k.divU(number, chunks), chunk = k.remU(number, chunks);
    Value sourceRow = k.add(operand.firstRow, row), offset = k.mul(chunk, chunkBytes);
    Copy copy;
    copy.source = k.address(k.rowPointer(operand.tensor, sourceRow, operand.rowBytes), offset);
    copy.sourceOffset = firstRow * operand.rowBytes + firstChunk * chunkBytes;
    copy.destination = tileOffset(k, row, chunk, operand.tileBytes, operand.isSwizzled);
    copy.destinationOffset = operand.sharedOffset + firstRow * operand.tileBytes + firstChunk * chunkBytes;
    if (operand.rowBytes % operand.tileBytes)
      copy.bytesLeft = k.sub(operand.rowBytes - firstChunk * chunkBytes, offset);
    if (operand.rowLimit)
      copy.linesLeft = k.sub(operand.rowLimit, sourceRow);
    copy.line = firstRow;
    if (first + threads > total)
      copy.isActive = k.lessS(k.threadX(), total - first);
    copy.tileBytes = operand.tileBytes;
    copy.rowBytes = operand.rowBytes;
    copies.push_back(copy);
  }
}

Value TileCopies::exists(const Copy &copy, Value distance) {
  Value isWithin = copy.bytesLeft ? k.lessS(distance, copy.bytesLeft) : k.lessS(distance, copy.rowBytes);
  // One comparison per row of a pass, against a limit that is the tile's.
  return copy.linesLeft ? k.lessS(copy.line, k.select(isWithin, copy.linesLeft, 0)) : isWithin;
}

Value TileCopies::destinationOf(const Copy &copy, Value stage) {
  return k.address(k.shared(k.add(copy.destination, stage)), copy.destinationOffset);
}

void TileCopies::begin(Value tile, Value stage) {
  for (Copy &copy : copies) {
    Value distance = k.mul(tile, copy.tileBytes);
    Value isRead = exists(copy, distance);
    Value source = k.address(k.address(copy.source, distance), copy.sourceOffset);
    if (!isAsync) {
      Type type = k.vectorOf(4, k.i32());
      isRead = copy.isActive ? k.bitAnd(isRead, copy.isActive) : isRead;
      copy.loaded = k.loadIf(isRead, type, source, chunkBytes, k.zero(type));
      continue;
    }
    auto copyChunk = [&] { k.copyAsync(destinationOf(copy, stage), source, k.select(isRead, chunkBytes, 0)); };
    copy.isActive ? k.ifThen(copy.isActive, copyChunk) : copyChunk();
  }
}

void TileCopies::end(Value stage) {
  if (isAsync)
    return k.copyAsyncCommit();
  for (Copy &copy : copies) {
    auto storeChunk = [&] { k.store(copy.loaded, destinationOf(copy, stage), chunkBytes); };
    copy.isActive ? k.ifThen(copy.isActive, storeChunk) : storeChunk();
  }
}

void TileCopies::wait(unsigned pending) {
  if (isAsync)
    k.copyAsyncWait(pending);
  k.barrier();
}
