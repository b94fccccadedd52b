//===- Linear.h - products with weights that arrive in pieces -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_LINEAR_H
#define QUANTOPT_INTERP_LINEAR_H

#include "quantopt/Interp/KernelContext.h"

namespace quantopt::interp {

/// x · Wᵀ (or x · W with `inputFirst`: W stored [in, out]) for operand `weight` of the op, deferred or a tensor; x
/// [..., in] is of any float type, which the result has too.
llvm::Expected<Tensor> multiplyByWeight(KernelContext &context, const Tensor &x, unsigned weight, bool inputFirst);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_LINEAR_H
