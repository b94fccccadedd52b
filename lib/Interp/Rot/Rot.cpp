//===- Rot.cpp - kernels of the rot dialect -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/BasisChange.h"

using namespace quantopt;
using namespace quantopt::interp;

static llvm::Expected<Tensors> convertBasis(KernelContext &context) {
  auto op = llvm::cast<rot::ConvertOp>(context.op());
  return single(changeBasis(context, context.operand(0), op.getInput().getType(), op.getResult().getType()));
}

void interp::registerRotKernels(KernelRegistry &registry) { registry.add<rot::ConvertOp>(convertBasis); }
