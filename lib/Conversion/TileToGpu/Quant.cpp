//===- Quant.cpp - Hadamard transform and quantization of rows ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HadamardKernel.h"
#include "RowKernels.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;

void quantopt::buildQuant(gpu::GPUModuleOp module, tile::QuantOp op) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(op));
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/3, unsigned(plan.getThreads())});
  RowKernel row(k, plan);
  RowElements x = row.load(k.pointer(0), typeOf(op.getInput()).getElementType());
  Value factor = transformRowScaled(row, x);
  RowQuantizer quantizer{int64_t(op.getBits()), float(op.getClip().convertToDouble()),
                         typeOf(op.getCodes()).getElementTypeBitWidth()};
  row.quantize(x, factor, quantizer, k.pointer(1), k.pointer(2));
  k.finish();
}
