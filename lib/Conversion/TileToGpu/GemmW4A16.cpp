//===- GemmW4A16.cpp - f16 or bf16 times 4-bit weights --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatGemm.h"
#include "GemmKernels.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// Weights in fragment order: a lane takes 16 bytes for 64 columns and makes floats of them. A scale per group
/// multiplies the floats, rounded to their type; a scale per channel alone multiplies the sums at the end.
class PackedWeights : public WeightTile {
public:
  PackedWeights(FloatGemm &gemm, tile::GemmW4A16Op op);

  TiledOperand getOperand(Value firstChannel) override;
  void beginTile(Value tile, ValueRange carried) override;
  SmallVector<Value> getCarried() override { return nextScales; }
  SmallVector<Fragment> load(Value stage, int64_t product) override;

private:
  static constexpr int64_t blockColumns = 64, blockBytes = 512, productsPerBlock = 4;

  void findScales();
  SmallVector<Value> loadScales(Value tile);
  Value scale(Value pair, Value factor);
  /// Groups that a tile meets.
  int64_t getGroupsPerTile() const { return llvm::divideCeil(gemm.config.getBk(), groupSize); }
  int64_t getChannelBlocks() const { return gemm.config.getWn() / numerics::Layout::blockRows; }

  FloatGemm &gemm;
  KernelBuilder &k;
  Type scaleType;
  int64_t groupSize, tileBytes, rowBytes;
  SmallVector<Value> scalePointers;            ///< Of the two channels of the lane in each 16.
  SmallVector<Value> tileScales, nextScales;   ///< Pairs of equal floats: group by group, two for each 16 channels.
  SmallVector<SmallVector<Fragment>> unpacked; ///< Of each 16 channels, the four products of a block.
};
} // namespace

PackedWeights::PackedWeights(FloatGemm &gemm, tile::GemmW4A16Op op)
    : gemm(gemm), k(gemm.k), scaleType(getElementTypeOrSelf(op.getWeightScale())),
      groupSize(gemm.shape.k / gemm.shape.groups), tileBytes(gemm.config.getBk() / blockColumns * blockBytes),
      rowBytes(numerics::Layout::getPaddedColumns(gemm.shape.k) / blockColumns * blockBytes) {
  if (gemm.shape.groups == 1)
    return;
  findScales();
  nextScales = loadScales(k.constantI32(0));
}

/// A row of this operand is the row of blocks of 16 channels.
TiledOperand PackedWeights::getOperand(Value firstChannel) {
  int64_t blocks = numerics::Layout::getPaddedRows(gemm.shape.n) / numerics::Layout::blockRows;
  return {gemm.pointers.weight,
          k.divU(firstChannel, numerics::Layout::blockRows),
          k.constantI32(blocks),
          rowBytes,
          gemm.config.getBn() / numerics::Layout::blockRows,
          tileBytes,
          /*isSwizzled=*/false,
          gemm.getWeightOffset()};
}

void PackedWeights::findScales() {
  Value first = k.add(k.add(gemm.getBlockChannel(), gemm.getWarpChannel()), k.shrU(k.lane(), 2));
  for (int64_t half = 0; half < 2 * getChannelBlocks(); ++half) {
    Value channel = k.min(k.add(first, 8 * half), gemm.shape.n - 1);
    int64_t bytes = gemm.shape.groups * scaleType.getIntOrFloatBitWidth() / 8;
    scalePointers.push_back(k.rowPointer(gemm.pointers.weightScale, channel, bytes));
  }
}

SmallVector<Value> PackedWeights::loadScales(Value tile) {
  SmallVector<Value> scales;
  unsigned bytes = scaleType.getIntOrFloatBitWidth() / 8;
  for (int64_t i = 0; i < getGroupsPerTile(); ++i) {
    // Beyond the contraction inputs are zeros, whatever the scale.
    Value column = k.add(k.mul(tile, gemm.config.getBk()), i * groupSize);
    Value group = k.min(k.divU(column, groupSize), gemm.shape.groups - 1);
    for (Value pointer : scalePointers) {
      Value loaded = k.load(scaleType, k.address(pointer, k.mul(group, bytes)), bytes);
      Value factor = k.convertFloat(loaded, gemm.inputType);
      scales.push_back(k.vector({factor, factor}));
    }
  }
  return scales;
}

void PackedWeights::beginTile(Value tile, ValueRange carried) {
  tileScales.assign(carried.begin(), carried.end());
  if (!scalePointers.empty())
    nextScales = loadScales(k.add(tile, 1));
}

Value PackedWeights::scale(Value pair, Value factor) {
  Type type = factor.getType();
  return k.bitcast(k.fma(k.bitcast(pair, type), factor, k.constant(type, -0.0)), k.i32());
}

SmallVector<Fragment> PackedWeights::load(Value stage, int64_t product) {
  if (product % productsPerBlock == 0) {
    unpacked.clear();
    Value warp = k.mul(k.divU(gemm.getWarpChannel(), numerics::Layout::blockRows), tileBytes);
    Value lane = k.add(warp, k.mul(k.lane(), 16));
    Value base = k.shared(k.add(k.add(stage, gemm.getWeightOffset()), lane));
    for (int64_t block = 0; block < getChannelBlocks(); ++block) {
      Value source = k.address(base, block * tileBytes + product / productsPerBlock * blockBytes);
      unpacked.push_back(gemm.math.unpack(k.elements(k.load(k.vectorOf(4, k.i32()), source, 16))));
    }
  }
  SmallVector<Fragment> fragments;
  for (int64_t block = 0; block < getChannelBlocks(); ++block) {
    Fragment fragment = unpacked[block][product % productsPerBlock];
    if (!tileScales.empty())
      for (int64_t i = 0; i < 4; ++i) // registers 0 and 2 are of the first channel
        fragment[i] =
            scale(fragment[i], tileScales[product * 16 / groupSize * 2 * getChannelBlocks() + 2 * block + i % 2]);
    fragments.push_back(fragment);
  }
  return fragments;
}

void quantopt::buildGemmW4A16(gpu::GPUModuleOp module, tile::GemmW4A16Op op) {
  FloatGemm gemm(module, op);
  PackedWeights weights(gemm, op);
  gemm.build(weights);
}
