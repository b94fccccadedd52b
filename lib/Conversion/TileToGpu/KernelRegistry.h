//===- KernelRegistry.h - who builds the kernel of which op ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_KERNELREGISTRY_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_KERNELREGISTRY_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

/// The builders of kernels, by op.
class KernelRegistry {
public:
  /// `build` writes the kernel of an op to the end of a module, under the op's kernel name and for its launch; or says
  /// with a diagnostic on the op why there is none.
  template <typename OpTy> void add(mlir::LogicalResult (*build)(mlir::gpu::GPUModuleOp, OpTy)) {
    builders[OpTy::getOperationName()] = [build](mlir::gpu::GPUModuleOp module, mlir::Operation *op) {
      return build(module, mlir::cast<OpTy>(op));
    };
  }
  /// As above, for kernels that exist for every op that verifies.
  template <typename OpTy> void add(void (*build)(mlir::gpu::GPUModuleOp, OpTy)) {
    builders[OpTy::getOperationName()] = [build](mlir::gpu::GPUModuleOp module, mlir::Operation *op) {
      build(module, mlir::cast<OpTy>(op));
      return mlir::success();
    };
  }

  mlir::LogicalResult build(mlir::gpu::GPUModuleOp module, mlir::Operation *op) const {
    auto builder = builders.find(op->getName().getStringRef());
    if (builder == builders.end())
      return op->emitOpError("has no kernel");
    return builder->second(module, op);
  }

private:
  llvm::StringMap<std::function<mlir::LogicalResult(mlir::gpu::GPUModuleOp, mlir::Operation *)>> builders;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_KERNELREGISTRY_H
