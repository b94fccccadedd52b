//===- GemmF16.cpp - f16 or bf16 times the same ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FloatGemm.h"
#include "GemmKernels.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// Weights [N, K] as they are, row-major: read by ldmatrix, as inputs are.
class FloatWeights : public WeightTile {
public:
  FloatWeights(FloatGemm &gemm) : gemm(gemm) {}

  TiledOperand getOperand(Value firstChannel) override {
    return {gemm.pointers.weight, firstChannel,          gemm.k.constantI32(gemm.shape.n),
            gemm.shape.k * 2,     gemm.config.getBn(),   gemm.getInputTileBytes(),
            /*isSwizzled=*/true,  gemm.getWeightOffset()};
  }
  SmallVector<Fragment> load(Value stage, int64_t product) override {
    Value base = gemm.k.shared(gemm.k.add(stage, gemm.getWeightOffset()));
    return gemm.loadRows(base, gemm.getWarpChannel(), gemm.config.getWn(), product);
  }

private:
  FloatGemm &gemm;
};
} // namespace

void quantopt::buildGemmF16(gpu::GPUModuleOp module, tile::GemmF16Op op) {
  FloatGemm gemm(module, op);
  FloatWeights weights(gemm);
  gemm.build(weights);
}
