//===- TileLower.cpp - tile-lower -----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionKernels.h"
#include "GemmKernels.h"
#include "IntegerGemms.h"
#include "KernelRegistry.h"
#include "RowKernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantopt/Conversion/TileToGpu/TileToGpu.h"

namespace quantopt {
#define GEN_PASS_DEF_TILELOWERPASS
#include "tile/TilePasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

/// Every kernel there is.
static const KernelRegistry &getKernelRegistry() {
  static const KernelRegistry registry = [] {
    KernelRegistry registry;
    registry.add(buildGemmW4A4);
    registry.add(buildGemmW4A8);
    registry.add(buildGemmW8A8);
    registry.add(buildGemmW4A16);
    registry.add(buildGemmF16);
    registry.add(buildGemmDecode);
    registry.add(buildNormQuant);
    registry.add(buildSwigluQuant);
    registry.add(buildQuant);
    registry.add(buildSwiglu);
    registry.add(buildRopeAppend);
    registry.add(buildNorm);
    registry.add(buildEmbedding);
    registry.add(buildArgMax);
    registry.add(buildTopK);
    registry.add(buildAttention);
    registry.add(buildAttentionDecode);
    registry.add(buildAttentionCombine);
    return registry;
  }();
  return registry;
}

namespace {
struct TileLower : quantopt::impl::TileLowerPassBase<TileLower> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<tile::KernelOpInterface> ops;
    module.walk([&](tile::KernelOpInterface op) { ops.push_back(op); });
    if (ops.empty())
      return;
    auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kernelModuleName);
    if (!kernels) {
      OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
      kernels = gpu::GPUModuleOp::create(b, module.getLoc(), kernelModuleName);
    }
    for (tile::KernelOpInterface op : ops) {
      std::string name = op.getKernelName();
      if (!kernels.lookupSymbol(name) && failed(getKernelRegistry().build(kernels, op)))
        return signalPassFailure();
      auto reference = SymbolRefAttr::get(&getContext(), kernelModuleName, FlatSymbolRefAttr::get(&getContext(), name));
      op->setAttr("kernel", reference);
    }
  }
};
} // namespace
