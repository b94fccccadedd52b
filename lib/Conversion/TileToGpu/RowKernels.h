//===- RowKernels.h - builders of the kernels that work row by row --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWKERNELS_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWKERNELS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

// Each writes the kernel of a verified op to the end of `module`, under the op's kernel name and for its launch.

void buildNormQuant(mlir::gpu::GPUModuleOp module, tile::NormQuantOp op);
void buildSwigluQuant(mlir::gpu::GPUModuleOp module, tile::SwigluQuantOp op);
void buildQuant(mlir::gpu::GPUModuleOp module, tile::QuantOp op);
void buildSwiglu(mlir::gpu::GPUModuleOp module, tile::SwigluOp op);
void buildRopeAppend(mlir::gpu::GPUModuleOp module, tile::RopeAppendOp op);
void buildNorm(mlir::gpu::GPUModuleOp module, tile::NormOp op);
void buildEmbedding(mlir::gpu::GPUModuleOp module, tile::EmbeddingOp op);
void buildArgMax(mlir::gpu::GPUModuleOp module, tile::ArgMaxOp op);
void buildTopK(mlir::gpu::GPUModuleOp module, tile::TopKOp op);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWKERNELS_H
