//===- Translate.h - GPU kernels as PTX text ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TARGET_PTX_TRANSLATE_H
#define QUANTOPT_TARGET_PTX_TRANSLATE_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include <string>

namespace quantopt {

/// Registers what translateToPtx() and the kernel builders need of MLIR: the gpu, nvvm, llvm, arith, scf, cf, ub and
/// vector dialects with their conversions to LLVM. A context has to be made with it before kernels are built.
void registerPtxTranslation(mlir::DialectRegistry &registry);

/// Translates the kernels of `kernels` to one PTX text for the architecture `arch` ("sm_80", "sm_90a", ...). `kernels`
/// is left as it is. Works in this process, without a CUDA toolkit; the same input gives the same text.
///
/// The kernels must already be legal for `arch`: LLVM aborts on an instruction that an architecture does not have, so
/// the tile dialect's verifiers decide that before any kernel is built. Fails with a diagnostic on `kernels` for an
/// unknown architecture, for ops that do not lower to LLVM, and when the text would call a function that is not in it
/// (a device library's).
mlir::FailureOr<std::string> translateToPtx(mlir::gpu::GPUModuleOp kernels, llvm::StringRef arch);

} // namespace quantopt

#endif // QUANTOPT_TARGET_PTX_TRANSLATE_H
