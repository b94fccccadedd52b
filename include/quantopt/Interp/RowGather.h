//===- RowGather.h - rows of a weight that lookups need -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_ROWGATHER_H
#define QUANTOPT_INTERP_ROWGATHER_H

#include "quantopt/Interp/KernelContext.h"

namespace quantopt::interp {

/// Rows `indices` of deferred weight `operand`, [..., row shape]: each different row is read once. Negative indices
/// count from the end.
llvm::Expected<Tensor> gatherWeightRows(KernelContext &context, unsigned operand, const Tensor &indices);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_ROWGATHER_H
