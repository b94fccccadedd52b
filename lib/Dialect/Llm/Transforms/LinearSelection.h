//===- LinearSelection.h - which linears a quantizer is to change --------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_LLM_TRANSFORMS_LINEARSELECTION_H
#define QUANTOPT_DIALECT_LLM_TRANSFORMS_LINEARSELECTION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "llvm/Support/GlobPattern.h"

namespace quantopt::llm {

/// Patterns for linears to leave alone, by the name of the node or by role.
class LinearPatterns {
public:
  /// An error names the pattern that is none.
  static llvm::Expected<LinearPatterns> parse(llvm::ArrayRef<std::string> texts);
  bool match(LinearOp linear) const;

private:
  llvm::SmallVector<llvm::GlobPattern> patterns;
};

/// The linears of a function, in its order, without those that match `skip` and, unless `includeHead`, without those
/// from which no other linear is reached.
llvm::SmallVector<LinearOp> selectLinears(mlir::func::FuncOp func, const LinearPatterns &skip, bool includeHead);

/// Warns if a public function has no linear at all, quantized or not: then `pass` has nothing to do, which is hardly
/// what was asked for.
void warnWithoutLinears(mlir::func::FuncOp func, llvm::StringRef pass);

/// Checks the bits of a quantizing pass: 2 to 8, or 16 for "leave it".
mlir::LogicalResult checkBits(mlir::MLIRContext *context, llvm::StringRef pass, int64_t bits);

} // namespace quantopt::llm

#endif // QUANTOPT_DIALECT_LLM_TRANSFORMS_LINEARSELECTION_H
