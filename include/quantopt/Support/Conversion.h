//===- Conversion.h - tensors from one element type to another -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_CONVERSION_H
#define QUANTOPT_SUPPORT_CONVERSION_H

#include "quantopt/Support/Tensor.h"

namespace quantopt {

/// The elements of `tensor` as `type`; the same buffer if it has that type already.
/// To a float: rounded once, to nearest even. From a float to an integer: truncated towards zero, saturated, NaN is 0
/// (ONNX Cast leaves the last two open). Between integers: the low bits. To Bool: not equal to zero. To a narrow float:
/// saturated, powers of two rounded up (see NarrowFloat.h). Numeric types only.
Tensor convert(const Tensor &tensor, DType type);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_CONVERSION_H
