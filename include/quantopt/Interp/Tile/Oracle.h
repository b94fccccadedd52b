//===- Oracle.h - what tile ops compute on the way to their results -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_TILE_ORACLE_H
#define QUANTOPT_INTERP_TILE_ORACLE_H

#include "quantopt/Interp/KernelContext.h"

namespace quantopt::interp {

// For judging a kernel's result: a code may be another one where the quotient is next to a tie, a sum of floats is off
// by a share of the sum of magnitudes. In Precision::F64 nothing here is rounded to less.

/// The rows that a norm_quant, swiglu_quant or quant op quantizes: after norm, SwiGLU and transform.
llvm::Expected<Tensor> rowsToQuantize(KernelContext &context);

/// Σ|x·w| + |bias| + |residual| for every result of a matrix product of floats.
llvm::Expected<Tensor> magnitudesOfSums(KernelContext &context);

/// Queries, keys and values [rows, heads, 1, d] of a rope_append op, as they are before they are rounded or quantized.
struct RowsToAppend {
  Tensor query, key, value;
};
llvm::Expected<RowsToAppend> rowsToAppend(KernelContext &context);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_TILE_ORACLE_H
