//===- Bundle.h - kernels, packed weights and a plan of launches ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TARGET_PTX_BUNDLE_H
#define QUANTOPT_TARGET_PTX_BUNDLE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace quantopt {

#define GEN_PASS_DECL_EMITBUNDLEPASS
#define GEN_PASS_REGISTRATION_EMITBUNDLEPASS
#include "tile/TilePasses.h.inc"

struct BundleOptions {
  /// The folder to write.
  std::string output;
  /// Architecture of all kernels, as tile-select names it.
  std::string arch = "sm_80";
  /// Of a launch, for which tile-select chooses kernels; 0: any number. Decode has decodeRows at most.
  int64_t maxRows = 0;
  /// Of caches: llm-kv-lower's and llm-specialize's options.
  std::string layout = "contiguous";
  int64_t page = 64, maxContext = 2048;
  llvm::SmallVector<int64_t> decodeRows = {8, 64};
  /// 0: one per core.
  unsigned threads = 0;
  /// Bytes of working memory of all threads together, for weights.
  uint64_t maxMemory = uint64_t(128) << 20;
  /// Print what will be computed and how much memory it takes, before it is done.
  bool printPlan = false;
};

/// Writes what runs the model on a GPU, without changing `module`: kernels.ptx, weights.safetensors with the weights
/// that the kernels read, plan.json (lib/Target/PTX/plan.schema.json), model.mlir (the tile ops, where every op has a
/// kernel), and the tokenizer and the configuration that lie beside the source model.
/// Ops without a kernel are listed in the plan and in a warning. Replaces a bundle that has the folder's name; after a
/// failure, which has been reported, that is as it was and nothing has been left behind.
mlir::LogicalResult emitBundle(mlir::ModuleOp module, const BundleOptions &options);

} // namespace quantopt

#endif // QUANTOPT_TARGET_PTX_BUNDLE_H
