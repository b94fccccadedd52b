//===- RotationSites.h - where rotations can be inserted ------------------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_LLM_TRANSFORMS_ROTATIONSITES_H
#define QUANTOPT_DIALECT_LLM_TRANSFORMS_ROTATIONSITES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"

namespace quantopt::llm {

/// A place where a rotation begins; what has to change with it is the business of rot::Web.
struct RotationSite {
  mlir::Value value;
  int64_t dim;
  rot::Transform basis;
};

/// A kind of site, by the names that SpinQuant gave them (arXiv:2405.16406, figure 1).
struct RotationSiteKind {
  llvm::StringRef name;
  /// What is rotated there, for diagnostics.
  llvm::StringRef description;
  /// Whether the model has to convert values that it computes; the other kinds end in weights.
  bool isOnline;
  /// The sites that an op stands for, if any. `seed` is that of R1; the other kinds have no signs.
  void (*addSites)(llvm::SmallVectorImpl<RotationSite> &sites, mlir::Operation *op, int64_t seed);

  /// The sites in a function, in its order. Several may lie in one web.
  llvm::SmallVector<RotationSite> findSites(mlir::func::FuncOp func, int64_t seed) const;
};

/// R1, R2, R3 and R4.
llvm::ArrayRef<RotationSiteKind> getRotationSiteKinds();

} // namespace quantopt::llm

#endif // QUANTOPT_DIALECT_LLM_TRANSFORMS_ROTATIONSITES_H
