//===- Comparison.h - results of kernels against references ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_COMPARISON_H
#define QUANTOPT_TEST_UNIT_KERNELS_COMPARISON_H

#include "quantopt/Support/Tensor.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <string>

namespace quantopt::kerneltest {

// Both return "" where the tensors agree and otherwise say how many elements do not, and which one is the worst: made
// for EXPECT_EQ(compare...(...), "").

/// Equal types, shapes and values; of floats equal bits, except that any NaN equals any other.
std::string compareExact(const Tensor &actual, const Tensor &expected);

/// `actual` (f32, f16 or bf16) within bound(i) of `expected` (f64) at every element i, in row-major order. What is not
/// a number agrees with nothing.
std::string compareWithin(const Tensor &actual, const Tensor &expected, llvm::function_ref<double(int64_t)> bound);

/// The values of a tensor of any type as f64.
std::vector<double> toDoubles(const Tensor &tensor);

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_COMPARISON_H
