//===- Operands.h - random operands for any kernel -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_OPERANDS_H
#define QUANTOPT_TEST_UNIT_KERNELS_OPERANDS_H

#include "Harness.h"

namespace quantopt::kerneltest {

/// Operands for a kernel over that many rows, by their types alone: codes over the whole range, floats as a layer has
/// them (activations around 1, scales small and positive), ids that exist.
std::vector<Tensor> randomOperands(const Kernel &kernel, int64_t rows, unsigned seed);

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_OPERANDS_H
