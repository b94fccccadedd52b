//===- Policy.h - which configuration each kernel gets ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_QTOTILE_POLICY_H
#define QUANTOPT_LIB_CONVERSION_QTOTILE_POLICY_H

#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt::tile {

/// Rows that a decode kernel takes at most.
inline constexpr int64_t maxDecodeRows = 64;

template <typename Config> struct Choice {
  Config config;
  std::string reason;
};

/// The table's configuration for a matrix product "gemm_w4a4", ... with n channels.
Choice<GemmAttr> chooseGemm(mlir::MLIRContext *context, Arch arch, llvm::StringRef kernel, int64_t n);
/// A decode kernel for launches of up to `rows` rows (at most maxDecodeRows) over a contraction of size k, as it lies
/// in memory.
Choice<GemmAttr> chooseDecode(mlir::MLIRContext *context, Arch arch, int64_t paddedK, int64_t rows);
/// A kernel over rows of that many columns.
RowsAttr chooseRows(mlir::MLIRContext *context, Arch arch, int64_t columns);
/// A rope_append, for heads of any size.
RowsAttr chooseHeads(mlir::MLIRContext *context, Arch arch);
/// Attention in prefill.
Choice<AttentionAttr> chooseAttention(mlir::MLIRContext *context, Arch arch);
/// Attention of one token over a context of so many at most, for one sequence.
Choice<AttentionAttr> chooseDecodeAttention(mlir::MLIRContext *context, Arch arch, int64_t kvHeads, int64_t maxContext);

} // namespace quantopt::tile

#endif // QUANTOPT_LIB_CONVERSION_QTOTILE_POLICY_H
