//===- TileToGpu.h - kernels of tile ops ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_TILETOGPU_TILETOGPU_H
#define QUANTOPT_CONVERSION_TILETOGPU_TILETOGPU_H

#include "mlir/Pass/Pass.h"

namespace quantopt {
#define GEN_PASS_DECL_TILELOWERPASS
#define GEN_PASS_REGISTRATION_TILELOWERPASS
#include "tile/TilePasses.h.inc"

/// Name of the `gpu.module` that holds a module's kernels.
inline constexpr llvm::StringLiteral kernelModuleName = "kernels";

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_TILETOGPU_TILETOGPU_H
