//===- SwigluQuant.cpp - silu(gate) · up, Hadamard transform, quantization ------------===//
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

/// x / (1 + e^-x). Where e^-x overflows, its reciprocal is 0, and so is the result.
static Value silu(KernelBuilder &k, Value x) {
  constexpr float log2OfE = 1.44269504088896341f;
  Value exponential = k.exp2Approx(k.mul(x, -log2OfE));
  return k.mul(x, k.reciprocalApprox(k.add(exponential, 1.0f)));
}

void quantopt::buildSwigluQuant(gpu::GPUModuleOp module, tile::SwigluQuantOp op) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(op));
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/4, unsigned(plan.getThreads())});
  RowKernel row(k, plan);

  RowElements gate = row.load(k.pointer(0), typeOf(op.getGate()).getElementType());
  RowElements up = row.load(k.pointer(1), typeOf(op.getUp()).getElementType());
  RowElements x = row.map([&](size_t i) { return k.mul(silu(k, gate[i]), up[i]); });
  Value unscale = transformRow(row, x);
  Value greatest = row.reduce({Value(), row.greatestMagnitude(x)}).greatest;

  RowQuantizer quantizer{int64_t(op.getBits()), float(op.getClip().convertToDouble()),
                         typeOf(op.getCodes()).getElementTypeBitWidth()};
  Value factor = k.constantF32(float(getTransformScale(plan)));
  if (unscale)
    factor = k.mul(unscale, factor);
  row.quantize(x, greatest, factor, quantizer, k.pointer(2), k.pointer(3));
  k.finish();
}
