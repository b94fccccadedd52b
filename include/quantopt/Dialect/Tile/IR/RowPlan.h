//===- RowPlan.h - how threads share the rows of a kernel -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_TILE_IR_ROWPLAN_H
#define QUANTOPT_DIALECT_TILE_IR_ROWPLAN_H

#include "mlir/IR/Operation.h"
#include "quantopt/Dialect/Tile/IR/Architecture.h"
#include "llvm/Support/Error.h"

namespace quantopt::tile {

/// A transform of rows of blocks·a·b elements: I_blocks ⊗ (diag(signs(seed))·H_{a·b}), H as numerics::HadamardStructure
/// defines it. A row without a transform has a = b = 0.
struct RowTransform {
  int64_t blocks = 1, a = 0, b = 0;
  bool isHartley = false;
  uint64_t seed = 0;
  explicit operator bool() const { return b; }
};

/// Where a kernel that works on whole rows keeps their elements. A row belongs to `threadsPerRow` threads. Its elements
/// are taken as vectors of `width` neighbours; vector q = c·threadsPerRow + t lies in the registers of thread t, before
/// and after every step, so that memory is accessed in full segments. Axes of a transform that reach across warps, or
/// whose factor is dense, are exchanged through shared memory, `planes` elements of every vector at a time: element v
/// of vector q of a piece is the word v·planeWords + q of the row's share.
struct RowPlan {
  int64_t columns = 0;
  /// Columns that the vectors cover at least: with codes, `columns` rounded up to 64.
  int64_t paddedColumns = 0;
  int64_t threadsPerRow = 0, rowsPerBlock = 0;
  int64_t width = 0;
  /// Vectors of a thread; those at `columns` and beyond are zero.
  int64_t vectors = 0;
  RowTransform transform;
  /// Butterfly levels of b by where the partners lie: in a vector, in lanes of a warp, in warps, in vectors of a
  /// thread.
  int64_t elementLevels = 0, laneLevels = 0, warpLevels = 0, vectorLevels = 0;
  /// The dense factor is multiplied by tensor cores, and with it the levels that neither vectors nor lanes hold: a
  /// matrix of order `denseOrder` on columns of 8·2^laneLevels neighbours. Then all elements are exchanged at once, as
  /// chunks of 16 bytes: halves of every vector, first as f16 and the rest that it leaves, then as sums in f32.
  bool usesTensorCores = false;
  int64_t denseOrder = 0;
  /// Elements of every vector that are exchanged at once; 0: no exchange, or on tensor cores.
  int64_t planes = 0;
  int64_t planeWords = 0;
  /// Words between the shares of rows, from the beginning of shared memory.
  int64_t rowWords = 0;
  /// Offsets of the partial sums of warps and of factors (Hartley's, or signs of fragments) behind those shares, and
  /// the end, in bytes.
  int64_t reductionOffset = 0, factorOffset = 0, sharedBytes = 0;

  int64_t getVectorsOfRow() const { return columns / width; }
  int64_t getWarpsPerRow() const { return threadsPerRow > 32 ? threadsPerRow / 32 : 1; }
  int64_t getThreads() const { return threadsPerRow * rowsPerBlock; }
  // On tensor cores:
  /// Vectors side by side in a row of the matrix product: tiles of 8 columns.
  int64_t getDenseVectors() const { return columns / denseOrder / width; }
  /// Tiles of 16 along the dense axis, and the chunks that as many rows have.
  int64_t getDenseTiles() const { return (denseOrder + 15) / 16; }
  int64_t getDenseChunks() const { return 16 * getDenseTiles() * getDenseVectors(); }
  /// Words of signs: 8 tiles of the contraction by 16 rows of the matrix take 64.
  int64_t getSignWords() const { return (getDenseTiles() + 7) / 8 * getDenseTiles() * 64; }

  /// The plan of rows of `columns` elements for blocks of `threads` threads that work on `rows` rows at a time. Fails,
  /// saying what to change, where threads per row are not a power of two from 8 to 1024, where a thread would hold more
  /// than 64 elements, or where the shared memory of a block does not suffice. `withCodes`: the row is written as
  /// padded codes.
  static llvm::Expected<RowPlan> make(int64_t columns, RowTransform transform, bool withCodes, int64_t threads,
                                      int64_t rows, const Architecture &gpu);
};

/// The transform of rows of `columns` elements that an attribute stands for: #rot.hadamard<n>, or #rot.kron<k,
/// #rot.hadamard<n>> for one per block of n elements. Fails for other attributes and as numerics::hadamardStructure
/// does.
llvm::Expected<RowTransform> makeRowTransform(mlir::Attribute attribute, int64_t columns);

/// The plan of a norm_quant, swiglu_quant, norm, quant or swiglu op, or of a rope_append op with a configuration, whose
/// rows are the heads of a token.
llvm::Expected<RowPlan> getRowPlan(mlir::Operation *op);

} // namespace quantopt::tile

#endif // QUANTOPT_DIALECT_TILE_IR_ROWPLAN_H
