//===- Exponential.h - exp, sigmoid and silu of arrays ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_COMPUTE_EXPONENTIAL_H
#define QUANTOPT_LIB_INTERP_COMPUTE_EXPONENTIAL_H

#include <cstdint>

namespace quantopt::compute {

/// 1 / (1 + e^-x); x · sigmoid(x). `input` may be `output`.
void sigmoids(const float *input, float *output, int64_t count);
void sigmoids(const double *input, double *output, int64_t count);
void silus(const float *input, float *output, int64_t count);
void silus(const double *input, double *output, int64_t count);

} // namespace quantopt::compute

#endif // QUANTOPT_LIB_INTERP_COMPUTE_EXPONENTIAL_H
