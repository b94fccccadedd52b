//===- Dispatch.h - from an element type to C++ code --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_COMPUTE_DISPATCH_H
#define QUANTOPT_LIB_INTERP_COMPUTE_DISPATCH_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/ErrorHandling.h"

namespace quantopt::compute {

/// Calls `function` with a value of the C++ type of an arithmetic type (see arithmeticType).
template <typename Function> auto dispatchArithmetic(DType type, Function function) {
  switch (type) {
  case DType::F64:
    return function(double());
  case DType::F32:
    return function(float());
  case DType::I64:
    return function(int64_t());
  case DType::U64:
    return function(uint64_t());
  default:
    llvm_unreachable("not an arithmetic type");
  }
}

/// Calls `function` with an unsigned integer as wide as an element: for code that only moves elements.
template <typename Function> auto dispatchBytes(DType type, Function function) {
  switch (bytesInMemory(type)) {
  case 1:
    return function(uint8_t());
  case 2:
    return function(uint16_t());
  case 4:
    return function(uint32_t());
  default:
    return function(uint64_t());
  }
}

} // namespace quantopt::compute

#endif // QUANTOPT_LIB_INTERP_COMPUTE_DISPATCH_H
