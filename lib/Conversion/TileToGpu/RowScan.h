//===- RowScan.h - what kernels share that read rows in passing -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWSCAN_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWSCAN_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

/// The element of a row that comes first among those seen: the largest, and of several such the one of least index.
/// NaNs are not seen.
struct Best {
  mlir::Value value, index;
};

/// Threads that share the rows of a tensor [rows, columns] which is too long for registers. Thread t of a row sees
/// vectors t, t + threadsPerRow, ... of `width` elements: its part of the row. As in RowKernel, threads of rows that do
/// not exist work on the last one and write nothing.
class RowScan {
public:
  RowScan(KernelBuilder &builder, tile::RowsAttr config, int64_t columns, mlir::Type element);

  mlir::Value getThread() const { return thread; }
  mlir::Value getRow() const { return row; }
  mlir::Value rowExists() const { return exists; }
  int64_t getWidth() const { return width; }
  int64_t getVectorsOfRow() const { return columns / width; }

  /// Nothing seen yet: comes after every element.
  Best none();
  /// The first of this thread's part of its row of `tensor`.
  Best findFirst(mlir::Value tensor);
  /// The first among elements after `last` in the part of thread `part`. All threads of the row look for it, and each
  /// gets the first of those that it looked at.
  Best findNext(mlir::Value tensor, mlir::Value part, Best last);
  /// The thread that has element `index` in its part.
  mlir::Value getPart(mlir::Value index);
  /// The first of what the threads of a row have. Uses 8 bytes of shared memory per warp from byte `scratch` on; a
  /// barrier is due before they are written again.
  Best combine(Best mine, int64_t scratch);

private:
  Best firstOf(Best left, Best right);
  mlir::Value comesBefore(Best left, Best right);

  KernelBuilder &k;
  int64_t threadsPerRow, rowsPerBlock, columns, width;
  mlir::Type element;
  mlir::Value thread, rowInBlock, row, exists;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWSCAN_H
