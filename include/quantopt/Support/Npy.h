//===- Npy.h - NumPy's file format for arrays ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_NPY_H
#define QUANTOPT_SUPPORT_NPY_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt {

/// The array in a .npy file (NumPy's format versions 1 to 3; little-endian, row-major). Errors name the file: not an
/// array, an element type without a DType, a length that does not fit.
llvm::Expected<Tensor> readNpy(llvm::StringRef path);

/// Writes format version 1. 4-bit codes are written as 8-bit integers, bf16 as f32: NumPy has neither.
llvm::Error writeNpy(llvm::StringRef path, const Tensor &tensor);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_NPY_H
