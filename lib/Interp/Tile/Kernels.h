//===- Kernels.h - kernels of the tile dialect, by kind -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_TILE_KERNELS_H
#define QUANTOPT_LIB_INTERP_TILE_KERNELS_H

#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/KernelContext.h"

namespace quantopt::interp {

// The oracle of emitted PTX: tensors are logical (a code is a byte, rows of codes have no padding), and what a kernel
// keeps in f32 is not rounded on the way, unlike in the q and llm forms of a 16-bit model. For f32 models a tile op
// gives the bits of the ops that it was selected from.

void registerTileGemms(KernelRegistry &registry);
void registerTileRows(KernelRegistry &registry);
void registerTileAttention(KernelRegistry &registry);

/// Rows · hadamard along the last dimension, where there is one.
llvm::Expected<Tensor> transformRows(KernelContext &context, const Tensor &rows,
                                     std::optional<mlir::Attribute> hadamard);

/// A float tensor in the type that kernels compute in: f32, or f64 in that precision.
inline Tensor widen(const Tensor &tensor) { return convert(tensor, compute::arithmeticType(tensor.dtype())); }

} // namespace quantopt::interp

#endif // QUANTOPT_LIB_INTERP_TILE_KERNELS_H
