//===- IntegerGemms.h - builders of the matrix products of codes ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_INTEGERGEMMS_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_INTEGERGEMMS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

// Each writes the kernel of an op to the end of `module`, under the op's kernel name and for its launch. Fails with a
// diagnostic for configurations that multiply by wgmma.

mlir::LogicalResult buildGemmW4A4(mlir::gpu::GPUModuleOp module, tile::GemmW4A4Op op);
mlir::LogicalResult buildGemmW4A8(mlir::gpu::GPUModuleOp module, tile::GemmW4A8Op op);
mlir::LogicalResult buildGemmW8A8(mlir::gpu::GPUModuleOp module, tile::GemmW8A8Op op);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_INTEGERGEMMS_H
