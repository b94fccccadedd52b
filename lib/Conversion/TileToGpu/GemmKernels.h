//===- GemmKernels.h - builders of the kernels that multiply matrices ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_GEMMKERNELS_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_GEMMKERNELS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

// Each writes the kernel of a verified op to the end of `module`, under the op's kernel name and for its launch.

void buildGemmDecode(mlir::gpu::GPUModuleOp module, tile::GemmDecodeOp op);
/// With `mma = wgmma_s8`.
void buildGemmHopper(mlir::gpu::GPUModuleOp module, tile::GemmW4A8Op op);
void buildGemmF16(mlir::gpu::GPUModuleOp module, tile::GemmF16Op op);
void buildGemmW4A16(mlir::gpu::GPUModuleOp module, tile::GemmW4A16Op op);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_GEMMKERNELS_H
