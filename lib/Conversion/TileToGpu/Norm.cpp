//===- Norm.cpp - residual and RMS norm of rows ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RowKernel.h"
#include "RowKernels.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;

void quantopt::buildNorm(gpu::GPUModuleOp module, tile::NormOp op) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(op));
  unsigned pointers = op->getNumOperands() + op->getNumResults(), result = op->getNumOperands();
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), pointers, unsigned(plan.getThreads())});
  RowKernel row(k, plan);

  Type type = typeOf(op.getInput()).getElementType();
  RowElements x;
  if (op.getResidual())
    x = row.loadSum(k.pointer(0), type, k.pointer(1), typeOf(op.getResidual()).getElementType(),
                    op.getSum() ? k.pointer(result + 1) : Value(),
                    op.getSum() ? typeOf(op.getSum()).getElementType() : type);
  else
    x = row.load(k.pointer(0), type);
  Value squares = row.reduce({row.sumOfSquares(x), Value()}).sumOfSquares;
  Value factor = row.getNormFactor(squares, op.getEpsilon().convertToDouble());
  RowElements normalised = row.map([&](size_t i) { return k.mul(x[i], factor); });
  row.store(normalised, k.pointer(result), typeOf(op.getResult()).getElementType());
  k.finish();
}
