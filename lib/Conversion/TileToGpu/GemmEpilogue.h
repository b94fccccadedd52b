//===- GemmEpilogue.h - from sums to the result of a matrix product -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_GEMMEPILOGUE_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_GEMMEPILOGUE_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

/// The signature of a gemm op's kernel: its operands, its result, the number of rows.
KernelSignature getGemmSignature(mlir::Operation *op);

/// The pointer parameters of a gemm op's kernel; null for operands that it does not have.
struct GemmPointers {
  GemmPointers(KernelBuilder &k, const tile::GemmOperands &operands);
  mlir::Value input, inputScale, weight, weightScale, groupScales, bias, residual, result;
};

/// Scales, adds and writes sums. Elements beyond the rows and columns of the result are left out.
class GemmEpilogue {
public:
  GemmEpilogue(KernelBuilder &k, mlir::Operation *op);

  /// Writes the result of `sums`, neighbours in one row from `column` on: one or two of them, of which the first is in
  /// an even column. i32 sums are those of codes: they are scaled by row and by column. f32 sums are scaled by column
  /// where the weight has one scale per column.
  void store(llvm::ArrayRef<mlir::Value> sums, mlir::Value row, mlir::Value column);

  /// What the rows of one column share.
  struct Column {
    mlir::Value index;
    mlir::Value exists; ///< Null: always.
    mlir::Value scale, bias;
  };
  Column findColumn(mlir::Value column);
  /// Writes the results of i32 sums in one row.
  void storeRow(llvm::ArrayRef<mlir::Value> sums, llvm::ArrayRef<Column> columns, mlir::Value row);

private:
  /// As `store`, of elements that exist.
  void storeExisting(llvm::ArrayRef<mlir::Value> sums, mlir::Value row, mlir::Value column);
  /// `count` elements of `element` type at `pointer`, as f32.
  Fragment loadFloats(mlir::Value pointer, mlir::Type element, size_t count);
  /// A vector of one register, or the scalar where there is one element.
  mlir::Type groupOf(mlir::Type element, size_t count);

  KernelBuilder &k;
  tile::GemmShape shape;
  GemmPointers pointers;
  mlir::Type scaleType, resultType;
  bool isRagged; ///< Blocks have columns that do not exist.
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_GEMMEPILOGUE_H
