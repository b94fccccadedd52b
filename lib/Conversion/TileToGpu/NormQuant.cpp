//===- NormQuant.cpp - residual, RMS norm, Hadamard transform, quantization -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HadamardKernel.h"
#include "RowKernels.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"

using namespace mlir;
using namespace quantopt;

/// A row is read once, kept in registers, and written as codes: 2 + 1/2 bytes per element for f16 in and 4-bit codes
/// out. The transform is linear, so the norm's factor waits until codes are made, and there it is part of the
/// multiplier.
void quantopt::buildNormQuant(gpu::GPUModuleOp module, tile::NormQuantOp op) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(op));
  unsigned pointers = op->getNumOperands() + op->getNumResults(), result = op->getNumOperands();
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), pointers, unsigned(plan.getThreads())});
  RowKernel row(k, plan);

  Type type = typeOf(op.getInput()).getElementType();
  RowElements x;
  if (op.getResidual())
    x = row.loadSum(k.pointer(0), type, k.pointer(1), typeOf(op.getResidual()).getElementType(),
                    op.getSum() ? k.pointer(result + 2) : Value(),
                    op.getSum() ? typeOf(op.getSum()).getElementType() : type);
  else
    x = row.load(k.pointer(0), type);
  Value unscale = transformRow(row, x);
  // The transform keeps the length of rows but for its own factor: summed up here, the squares need no registers beside
  // those of the transform.
  RowKernel::Reduction whole = row.reduce({row.sumOfSquares(x), row.greatestMagnitude(x)});
  double scale = getTransformScale(plan);
  // From here on elements are (the transform's)/unscale: the sum of their squares may not overflow before that is
  // undone.
  Value factor = k.constantF32(float(scale)), squares = k.mul(whole.sumOfSquares, float(scale * scale));
  if (unscale) {
    factor = k.mul(unscale, factor);
    squares = k.mul(k.mul(squares, unscale), unscale);
  }
  factor = k.mul(row.getNormFactor(squares, op.getEpsilon().convertToDouble()), factor);

  RowQuantizer quantizer{int64_t(op.getBits()), float(op.getClip().convertToDouble()),
                         typeOf(op.getCodes()).getElementTypeBitWidth()};
  row.quantize(x, whole.greatest, factor, quantizer, k.pointer(result), k.pointer(result + 1));
  k.finish();
}
