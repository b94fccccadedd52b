//===- AttentionKernels.h - builders of the kernels that read a cache -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_ATTENTIONKERNELS_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_ATTENTIONKERNELS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

// Each writes the kernel of a verified op to the end of `module`, under the op's kernel name and for its launch.

void buildAttention(mlir::gpu::GPUModuleOp module, tile::AttentionOp op);
void buildAttentionDecode(mlir::gpu::GPUModuleOp module, tile::AttentionDecodeOp op);
void buildAttentionCombine(mlir::gpu::GPUModuleOp module, tile::AttentionCombineOp op);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_ATTENTIONKERNELS_H
