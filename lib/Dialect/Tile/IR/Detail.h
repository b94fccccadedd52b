//===- Detail.h - what the files of the tile dialect share ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_DIALECT_TILE_IR_DETAIL_H
#define QUANTOPT_LIB_DIALECT_TILE_IR_DETAIL_H

#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt::tile {

// The methods of all gemm ops.
llvm::SmallVector<rot::BasisTie> getGemmBasisTies(mlir::Operation *op);
std::string getGemmKernelName(mlir::Operation *op);
Launch getGemmLaunch(mlir::Operation *op);
Cost getGemmCost(mlir::Operation *op, int64_t rows);
std::optional<TensorMapPlan> getGemmTensorMap(mlir::Operation *op, unsigned number);
mlir::LogicalResult verifyGemm(mlir::Operation *op);
/// C21: operands and results have bf16 elements only where the architecture computes with them.
mlir::LogicalResult verifyBfloats(mlir::Operation *op, Arch arch);

/// Bytes of a number of elements in memory, 4-bit ones two to a byte.
int64_t getBytes(int64_t count, mlir::Type element);
/// Columns of a row of codes or floats in memory: codes are filled to a multiple of 64.
int64_t getStoredColumns(mlir::RankedTensorType type);

/// Parts of names of kernels: sizes, types and threads of a kernel over rows; a number as letters, digits and
/// underscores; a transform, by its hash where it is not a Hadamard matrix.
std::string nameRows(mlir::Operation *op, mlir::Value row, RowsAttr config);
std::string nameNumber(const llvm::APFloat &value);
std::string nameTransform(std::optional<mlir::Attribute> transform);
/// Every operand is read once, every result written once.
Cost getRowsCost(mlir::Operation *op, int64_t rows);

} // namespace quantopt::tile

#endif // QUANTOPT_LIB_DIALECT_TILE_IR_DETAIL_H
