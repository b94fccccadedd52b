//===- SoftmaxRow.h - softmax of one row --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_COMPUTE_SOFTMAXROW_H
#define QUANTOPT_LIB_INTERP_COMPUTE_SOFTMAXROW_H

#include <cstdint>

namespace quantopt::compute {

/// See compute::softmax; for float and double. `input` may be `output`.
template <typename T> void softmaxRow(const T *input, T *output, int64_t count);

} // namespace quantopt::compute

#endif // QUANTOPT_LIB_INTERP_COMPUTE_SOFTMAXROW_H
