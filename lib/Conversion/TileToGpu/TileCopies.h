//===- TileCopies.h - tiles of operands on their way to shared memory -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_TILECOPIES_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_TILECOPIES_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"

namespace quantopt {

/// An operand that a block reads tile by tile along its rows of bytes.
struct TiledOperand {
  mlir::Value tensor;   ///< Its rows lie one after the other, 16-byte aligned.
  mlir::Value firstRow; ///< Of the block.
  mlir::Value rowLimit; ///< Number of rows of the tensor; beyond are zeros. Null: every block has all of its rows.
  int64_t rowBytes;     ///< In memory, a multiple of 16.
  int64_t rows;         ///< Of the block.
  int64_t tileBytes;    ///< Of a row in a tile: a power of two from 16 on.
  bool isSwizzled;      ///< For ldmatrix: 8 rows at one column of 16 bytes meet all banks.
  int64_t sharedOffset; ///< Of the tile within a stage.
};

/// Where 16-byte chunk `chunk` of row `row` lies within a tile, in bytes.
mlir::Value tileOffset(KernelBuilder &k, mlir::Value row, mlir::Value chunk, int64_t tileBytes, bool isSwizzled);

/// The copies that a thread makes of each tile. They are asynchronous, or go through registers on sm_75. Bytes beyond
/// the end of a row become zeros.
class TileCopies {
public:
  TileCopies(KernelBuilder &k, int64_t threads, bool isAsync) : k(k), threads(threads), isAsync(isAsync) {}
  void add(const TiledOperand &operand);

  /// Begins to copy tile number `tile` (i32) to the stage at byte `stage`.
  void begin(mlir::Value tile, mlir::Value stage);
  /// Ends what `begin` began last: a group of asynchronous copies, or the stores of what was loaded.
  void end(mlir::Value stage);
  /// Waits until at most `pending` of the latest tiles are under way, for the copies of all threads.
  void wait(unsigned pending);

private:
  /// One 16-byte copy of a thread per tile. Addresses and limits are a value that several copies share and a constant,
  /// so that the constants become part of instructions.
  struct Copy {
    mlir::Value source; ///< In tile 0.
    int64_t sourceOffset = 0;
    mlir::Value destination; ///< i32, within a stage.
    int64_t destinationOffset = 0;
    mlir::Value bytesLeft; ///< Of the row from the copy in tile 0 on; null: every tile of a row is whole.
    /// The row exists where `line` < `linesLeft`. Null: it does.
    mlir::Value linesLeft;
    int64_t line = 0;
    mlir::Value isActive; ///< Null: in every thread.
    int64_t tileBytes = 0, rowBytes = 0;
    mlir::Value loaded; ///< On its way through a register.
  };
  /// Whether a copy of tile 0 that many bytes further on is within the tensor.
  mlir::Value exists(const Copy &copy, mlir::Value distance);
  mlir::Value destinationOf(const Copy &copy, mlir::Value stage);

  KernelBuilder &k;
  int64_t threads;
  bool isAsync;
  llvm::SmallVector<Copy> copies;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_TILECOPIES_H
