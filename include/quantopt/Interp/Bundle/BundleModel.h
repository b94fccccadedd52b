//===- BundleModel.h - the model inside of a bundle, and its steps ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// The module that a bundle was made of, model.mlir, is in step form: functions over token ids, what is known of every
// sequence, a table of pages, and caches as bytes.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_BUNDLE_BUNDLEMODEL_H
#define QUANTOPT_INTERP_BUNDLE_BUNDLEMODEL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/ADT/StringMap.h"

namespace quantopt::interp {

/// Of that module in a bundle's folder.
inline constexpr llvm::StringLiteral bundleModelName = "model.mlir";

/// Reads that module. Errors: the file cannot be read, or is no valid module of the dialects in `context`.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> readBundleModel(llvm::StringRef path, mlir::MLIRContext &context);

/// What a step reads, besides weights.
struct ModelStep {
  /// [sequences, tokens], row by row: as many tokens for every sequence.
  std::vector<int64_t> ids;
  /// Tokens on the left of each sequence that are padding.
  llvm::ArrayRef<uint32_t> padding;
  /// Tokens of each sequence before these, with padding.
  int64_t past;
  /// i32 [sequences, pages of each]; null for caches without pages.
  Tensor pages;
  /// By the name of their state.
  const llvm::StringMap<Tensor> &caches;
};

/// Arguments of a function in step form. Errors: an argument that is neither an input of a step nor a cache of it.
llvm::Expected<llvm::SmallVector<Tensor>> makeStepInputs(mlir::func::FuncOp function, const ModelStep &step);

/// Puts those results of a function in step form that are caches into `caches`, by the name of their state.
void keepCaches(mlir::func::FuncOp function, llvm::ArrayRef<Tensor> results, llvm::StringMap<Tensor> &caches);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_BUNDLE_BUNDLEMODEL_H
