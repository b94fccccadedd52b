//===- TestTensors.h - tensors for tests --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_INTERP_TESTTENSORS_H
#define QUANTOPT_TEST_UNIT_INTERP_TESTTENSORS_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>

namespace quantopt {

inline Tensor randomFloats(llvm::ArrayRef<int64_t> shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Tensor tensor(DType::F32, shape);
  for (float &value : tensor.mutableData<float>())
    value = normal(generator);
  return tensor;
}

inline Tensor floats(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> values) {
  return Tensor::from<float>(DType::F32, shape, values);
}
inline Tensor integers(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> values) {
  return Tensor::from<int64_t>(DType::I64, shape, values);
}

/// The value, or a failed test.
template <typename T> T take(llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  ADD_FAILURE() << llvm::toString(value.takeError());
  return T();
}

template <typename T> std::string errorOf(llvm::Expected<T> value) {
  return value ? "no error" : llvm::toString(value.takeError());
}

inline void expectSameBits(const Tensor &a, const Tensor &b) {
  ASSERT_EQ(a.dtype(), b.dtype());
  ASSERT_EQ(a.shape().vec(), b.shape().vec());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.sizeInBytes()), 0);
}

template <typename T> void expectElements(const Tensor &tensor, std::vector<int64_t> shape, std::vector<T> values) {
  EXPECT_EQ(tensor.shape().vec(), shape);
  EXPECT_EQ(tensor.data<T>().vec(), values);
}

} // namespace quantopt

#endif // QUANTOPT_TEST_UNIT_INTERP_TESTTENSORS_H
