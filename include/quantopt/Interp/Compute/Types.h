//===- Types.h - element types of tensors in kernels --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_TYPES_H
#define QUANTOPT_INTERP_COMPUTE_TYPES_H

#include "quantopt/Support/Conversion.h"
#include "quantopt/Support/Tensor.h"

namespace quantopt::compute {

/// The type that arithmetic on `type` runs in: F32 for 16-bit and narrower floats, I64 for all integers and Bool except
/// U64.
DType arithmeticType(DType type);

/// Integer elements as int64, for shapes, axes and indices.
llvm::SmallVector<int64_t> toIntegers(const Tensor &tensor);

/// A tensor without dimensions.
Tensor scalar(double value, DType type);

/// The only element of a tensor, as a double.
double scalarAsDouble(const Tensor &tensor);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_TYPES_H
