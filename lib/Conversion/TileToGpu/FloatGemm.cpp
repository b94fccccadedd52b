//===- FloatGemm.cpp - matrix products of floats --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatGemm.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;

FloatGemm::FloatGemm(gpu::GPUModuleOp module, Operation *op)
    : k(module, op->getLoc(), getGemmSignature(op)), config(tile::getGemmOperands(op).config),
      shape(tile::getGemmShape(op)), pointers(k, tile::getGemmOperands(op)), math(k, op),
      inputType(getElementTypeOrSelf(tile::getGemmOperands(op).input)), op(op) {
  stageBytes = config.getBk() * (config.getBm() * shape.inputBits + config.getBn() * shape.weightBits) / 8;
  int64_t warpsAlongRows = config.getBm() / config.getWm();
  warpRow = k.mul(k.remU(k.warp(), warpsAlongRows), config.getWm());
  warpChannel = k.mul(k.divU(k.warp(), warpsAlongRows), config.getWn());
}

void FloatGemm::build(WeightTile &weights) {
  TileCopies copies(k, config.getThreads(), tile::getArchitecture(config.getArch()).hasCpAsync);
  Value firstRow = k.mul(k.blockY(), config.getBm());
  copies.add({pointers.input, firstRow, k.rows(), shape.k * 2, config.getBm(), getInputTileBytes(), /*isSwizzled=*/true,
              /*sharedOffset=*/0});
  copies.add(weights.getOperand(getBlockChannel()));
  store(op, sumTiles(copies, weights));
  k.finish();
}

Value FloatGemm::nextStage(Value stage) {
  Value next = k.add(stage, stageBytes);
  return k.select(k.equal(next, config.getStages() * stageBytes), 0, next);
}

/// The stage that is written in one iteration is the one that was read in the iteration before: the barrier between is
/// the only one that a tile needs.
SmallVector<Value> FloatGemm::sumTiles(TileCopies &copies, WeightTile &weights) {
  int64_t stages = config.getStages(), tiles = llvm::divideCeil(shape.k, config.getBk());
  for (int64_t tile = 0; tile < stages - 1; ++tile) {
    Value stage = k.constantI32(tile * stageBytes);
    copies.begin(k.constantI32(tile), stage);
    copies.end(stage);
  }
  size_t numSums = config.getWm() / 16 * (config.getWn() / 8) * 4;
  SmallVector<Value> carried(numSums, k.constantF32(0));
  carried.push_back(k.constantI32(0));                         // the stage that is read
  carried.push_back(k.constantI32((stages - 1) * stageBytes)); // the stage that is written
  carried.append(weights.getCarried());
  SmallVector<Value> sums = k.loop(0, tiles, 1, carried, [&](Value tile, ValueRange values) {
    SmallVector<Value> next(values.take_front(numSums));
    Value readStage = values[numSums], writeStage = values[numSums + 1];
    copies.wait(stages - 2);
    copies.begin(k.add(tile, stages - 1), writeStage);
    bool isAsync = tile::getArchitecture(config.getArch()).hasCpAsync;
    if (isAsync)
      copies.end(writeStage);
    weights.beginTile(tile, values.drop_front(numSums + 2));
    addTile(readStage, weights, next);
    if (!isAsync)
      copies.end(writeStage);
    next.append({nextStage(readStage), nextStage(writeStage)});
    next.append(weights.getCarried());
    return next;
  });
  sums.truncate(numSums);
  return sums;
}

SmallVector<Fragment> FloatGemm::loadRows(Value base, Value firstRow, int64_t rows, int64_t product) {
  Value row = k.add(firstRow, k.bitAnd(k.lane(), 15)), chunk = k.add(k.shrU(k.lane(), 4), 2 * product);
  Value first = k.address(base, tileOffset(k, row, chunk, getInputTileBytes(), /*isSwizzled=*/true));
  SmallVector<Fragment> fragments;
  for (int64_t i = 0; i < rows; i += 16)
    fragments.push_back(k.loadMatrix4(k.address(first, i * getInputTileBytes())));
  return fragments;
}

void FloatGemm::addTile(Value stage, WeightTile &weights, SmallVectorImpl<Value> &sums) {
  for (int64_t product = 0; product < config.getBk() / 16; ++product) {
    SmallVector<Fragment> rows = loadRows(k.shared(stage), warpRow, config.getWm(), product);
    SmallVector<Fragment> channels = weights.load(stage, product);
    auto *sum = sums.begin();
    for (const Fragment &left : rows)
      for (const Fragment &right : channels)
        for (int64_t half : {0, 1}) {
          Fragment next = math.multiply(left, {right[half], right[half + 2]}, Fragment(sum, sum + 4));
          sum = llvm::copy(next, sum);
        }
  }
}

void FloatGemm::store(Operation *op, ArrayRef<Value> sums) {
  GemmEpilogue epilogue(k, op);
  Value row = k.add(k.add(k.mul(k.blockY(), config.getBm()), warpRow), k.shrU(k.lane(), 2));
  Value channel = k.add(k.add(getBlockChannel(), warpChannel), k.mul(k.bitAnd(k.lane(), 3), 2));
  for (int64_t i = 0; i < config.getWm(); i += 16)
    for (int64_t j = 0; j < config.getWn(); j += 8, sums = sums.drop_front(4))
      for (int64_t half : {0, 1})
        epilogue.store(sums.slice(2 * half, 2), k.add(row, i + 8 * half), k.add(channel, j));
}
