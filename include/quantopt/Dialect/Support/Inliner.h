//===- Inliner.h - ops without state are always inlinable ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_SUPPORT_INLINER_H
#define QUANTOPT_DIALECT_SUPPORT_INLINER_H

#include "mlir/Transforms/InliningUtils.h"

namespace quantopt {

/// A dialect without a DialectInlinerInterface silently blocks inlining of every function that uses it.
struct AlwaysInline : mlir::DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(mlir::Operation *, mlir::Region *, bool, mlir::IRMapping &) const final { return true; }
  bool isLegalToInline(mlir::Region *, mlir::Region *, bool, mlir::IRMapping &) const final { return true; }
};

} // namespace quantopt

#endif // QUANTOPT_DIALECT_SUPPORT_INLINER_H
