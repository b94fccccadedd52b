//===- MatMul.h - matrix products of tensors ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_MATMUL_H
#define QUANTOPT_INTERP_COMPUTE_MATMUL_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::compute {

/// numpy's matmul: matrices in the last two dimensions, the others broadcast, vectors as one row or one column. Floats
/// of one type, or integers (exact modulo 2^64). See Gemm.h for what the bits depend on.
llvm::Expected<Tensor> matmul(const Tensor &left, const Tensor &right);

/// result[:, from : from + n] = x · wᵀ for x [..., K] seen as rows and w [n, K]; `result` is [..., N] of x's type, F32
/// or F64. w holds that type or 8-bit or 4-bit codes. So a weight may arrive in pieces of rows.
void linearInto(const Tensor &x, const Tensor &w, Tensor &result, int64_t from);

/// result += x[:, from : from + n] · w for w [n, N] of x's type: a weight that is stored [in, out], in pieces of rows
/// that come in ascending order. The first piece (from = 0) overwrites.
void accumulateProduct(const Tensor &x, const Tensor &w, Tensor &result, int64_t from);

/// The input plus a vector along the last dimension, in place.
void addBias(Tensor &result, const Tensor &bias);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_MATMUL_H
