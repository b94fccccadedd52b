//===- FloatGemm.h - matrix products of floats ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_FLOATGEMM_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_FLOATGEMM_H

#include "FragmentMath.h"
#include "GemmEpilogue.h"
#include "TileCopies.h"

namespace quantopt {

/// The weights of a FloatGemm in shared memory, as the right operand of products.
class WeightTile {
public:
  virtual ~WeightTile() = default;
  /// What a block copies of each tile.
  virtual TiledOperand getOperand(mlir::Value firstChannel) = 0;
  /// Begins the work on tile `tile` (i32); loads from global memory of what the next tile takes. `carried` are the
  /// values of getCarried().
  virtual void beginTile(mlir::Value tile, mlir::ValueRange carried) {}
  /// Values that go from one tile to the next: for the first tile, and after a tile.
  virtual llvm::SmallVector<mlir::Value> getCarried() { return {}; }
  /// Fragments of 16 columns, product `product` of the tile in the stage at byte `stage`: for every 16 channels of the
  /// warp four registers, of which {0, 2} are the right operand for the first 8 channels and {1, 3} for the others.
  virtual llvm::SmallVector<Fragment> load(mlir::Value stage, int64_t product) = 0;
};

/// The body of a kernel with inputs in f16 or bf16. A block walks along the contraction in tiles of bk columns, which
/// travel to shared memory stages - 1 ahead of their use; one barrier a tile.
class FloatGemm {
public:
  FloatGemm(mlir::gpu::GPUModuleOp module, mlir::Operation *op);
  void build(WeightTile &weights);

  KernelBuilder k;
  tile::GemmAttr config;
  tile::GemmShape shape;
  GemmPointers pointers;
  FragmentMath math;
  mlir::Type inputType;

  /// Bytes of a row of the input in a tile.
  int64_t getInputTileBytes() const { return config.getBk() * 2; }
  /// Where the weights of a stage begin.
  int64_t getWeightOffset() const { return config.getBm() * getInputTileBytes(); }
  /// First channel of the block and of the warp within it.
  mlir::Value getBlockChannel() { return k.mul(k.blockX(), config.getBn()); }
  mlir::Value getWarpChannel() { return warpChannel; }
  /// Fragments of 16 rows (or channels) by 16 columns out of swizzled rows of a tile, as ldmatrix.x4 gives them:
  /// registers 0 and 1 are rows 0-7 and 8-15 of the first 8 columns, 2 and 3 of the others. `base` is the tile's first
  /// byte and `firstRow` a multiple of 16.
  llvm::SmallVector<Fragment> loadRows(mlir::Value base, mlir::Value firstRow, int64_t rows, int64_t product);

private:
  llvm::SmallVector<mlir::Value> sumTiles(TileCopies &copies, WeightTile &weights);
  void addTile(mlir::Value stage, WeightTile &weights, llvm::SmallVectorImpl<mlir::Value> &sums);
  void store(mlir::Operation *op, llvm::ArrayRef<mlir::Value> sums);
  mlir::Value nextStage(mlir::Value stage);

  mlir::Operation *op;
  int64_t stageBytes;
  mlir::Value warpRow, warpChannel;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_FLOATGEMM_H
