//===- Swiglu.cpp - silu(gate) · up, Hadamard transform, quantization -----------------===//
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

/// silu(gate) · up of a row, transformed, and what elements still have to be multiplied by.
template <typename OpTy> static std::pair<RowElements, Value> computeSwiglu(RowKernel &row, OpTy op) {
  KernelBuilder &k = row.k;
  RowElements gate = row.load(k.pointer(0), typeOf(op.getGate()).getElementType());
  RowElements up = row.load(k.pointer(1), typeOf(op.getUp()).getElementType());
  RowElements x = row.map([&](size_t i) { return k.mul(silu(k, gate[i]), up[i]); });
  Value factor = transformRowScaled(row, x);
  return {std::move(x), factor};
}

void quantopt::buildSwigluQuant(gpu::GPUModuleOp module, tile::SwigluQuantOp op) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(op));
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/4, unsigned(plan.getThreads())});
  RowKernel row(k, plan);
  auto [x, factor] = computeSwiglu(row, op);
  RowQuantizer quantizer{int64_t(op.getBits()), float(op.getClip().convertToDouble()),
                         typeOf(op.getCodes()).getElementTypeBitWidth()};
  row.quantize(x, factor, quantizer, k.pointer(2), k.pointer(3));
  k.finish();
}

void quantopt::buildSwiglu(gpu::GPUModuleOp module, tile::SwigluOp op) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(op));
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/3, unsigned(plan.getThreads())});
  RowKernel row(k, plan);
  auto [x, factor] = computeSwiglu(row, op);
  if (plan.transform)
    for (Value &element : x)
      element = k.mul(element, factor);
  row.store(x, k.pointer(2), typeOf(op.getResult()).getElementType());
  k.finish();
}
