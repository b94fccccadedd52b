//===- Types.cpp - element types of tensors in kernels ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;

DType compute::arithmeticType(DType type) {
  if (type == DType::F64 || type == DType::U64)
    return type;
  return isFloat(type) || isNarrowFloat(type) ? DType::F32 : DType::I64;
}

llvm::SmallVector<int64_t> compute::toIntegers(const Tensor &tensor) {
  Tensor wide = convert(tensor, DType::I64);
  return llvm::SmallVector<int64_t>(wide.data<int64_t>());
}

double compute::scalarAsDouble(const Tensor &tensor) {
  assert(tensor.numElements() == 1);
  return convert(tensor, DType::F64).data<double>()[0];
}

Tensor compute::scalar(double value, DType type) {
  return convert(Tensor::from<double>(DType::F64, {}, {value}), type);
}
