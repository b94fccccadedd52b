//===- Policy.cpp - which configuration each kernel gets -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Policy.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

namespace {
struct GemmRow {
  llvm::StringLiteral archs, kernel;
  int64_t maxN, bm, bn, bk, wm, wn, stages;
  llvm::StringLiteral reason;

  bool fits(StringRef arch, StringRef wanted, int64_t n) const {
    SmallVector<StringRef> names;
    archs.split(names, ' ');
    return kernel == wanted && (!maxN || n <= maxN) && (archs == "*" || llvm::is_contained(names, arch));
  }
};
struct WgmmaRow {
  int64_t maxN, bm, bn, wm, wn, stages;
  llvm::StringLiteral reason;
};
struct RowsRow {
  int64_t maxColumns, threads;
};
} // namespace

static constexpr GemmRow gemmRows[] = {
#define GEMM(ARCHS, KERNEL, N, BM, BN, BK, WM, WN, STAGES, WHY) {ARCHS, KERNEL, N, BM, BN, BK, WM, WN, STAGES, WHY},
#define ROWS(COLUMNS, THREADS)
#define WGMMA(N, BM, BN, WM, WN, STAGES, WHY)
#include "Policy.inc"
};
static constexpr WgmmaRow wgmmaRows[] = {
#define GEMM(ARCHS, KERNEL, N, BM, BN, BK, WM, WN, STAGES, WHY)
#define ROWS(COLUMNS, THREADS)
#define WGMMA(N, BM, BN, WM, WN, STAGES, WHY) {N, BM, BN, WM, WN, STAGES, WHY},
#include "Policy.inc"
};
static constexpr RowsRow rowsRows[] = {
#define GEMM(ARCHS, KERNEL, N, BM, BN, BK, WM, WN, STAGES, WHY)
#define ROWS(COLUMNS, THREADS) {COLUMNS, THREADS},
#define WGMMA(N, BM, BN, WM, WN, STAGES, WHY)
#include "Policy.inc"
};

/// Tiles of 128 columns: rows as wide as the swizzle.
static Choice<GemmAttr> chooseWgmma(MLIRContext *context, Arch arch, int64_t n) {
  const WgmmaRow *row = llvm::find_if(wgmmaRows, [&](const WgmmaRow &row) { return !row.maxN || n <= row.maxN; });
  return {GemmAttr::get(context, arch, row->bm, row->bn, /*bk=*/128, row->wm, row->wn, row->stages, 1, Mma::WgmmaS8),
          row->reason.str()};
}

Choice<GemmAttr> quantopt::tile::chooseGemm(MLIRContext *context, Arch arch, StringRef kernel, int64_t n) {
  if (getArchitecture(arch).hasWgmma && kernel == "gemm_w4a8")
    return chooseWgmma(context, arch, n);
  StringRef name = stringifyArch(arch);
  const GemmRow *row = llvm::find_if(gemmRows, [&](const GemmRow &row) { return row.fits(name, kernel, n); });
  assert(row != std::end(gemmRows) && "every kernel has a last row for any number of channels");
  return {GemmAttr::get(context, arch, row->bm, row->bn, row->bk, row->wm, row->wn, row->stages, 1, Mma::Derived),
          row->reason.str()};
}

/// A warp asks for four blocks of 64 columns at once; the contraction is shared by as many warps, up to eight, as have
/// a block. It holds 16 channels, for enough blocks; 32 where the input is more than 8 rows, which all blocks read:
/// they would move more bytes of it than of weights.
Choice<GemmAttr> quantopt::tile::chooseDecode(MLIRContext *context, Arch arch, int64_t paddedK, int64_t rows) {
  int64_t tile = std::max<int64_t>(8, llvm::PowerOf2Ceil(rows));
  int64_t split = std::min<int64_t>(8, llvm::bit_floor(uint64_t(std::max<int64_t>(1, paddedK / 64))));
  int64_t channels = tile == 8 ? 16 : 32;
  return {GemmAttr::get(context, arch, tile, channels, 256, tile, channels, 1, split, Mma::Derived),
          "up to " + std::to_string(tile) + " rows: weights straight to registers, " + std::to_string(split) +
              " warps share the contraction"};
}

RowsAttr quantopt::tile::chooseRows(MLIRContext *context, Arch arch, int64_t columns) {
  const RowsRow *row =
      llvm::find_if(rowsRows, [&](const RowsRow &row) { return !row.maxColumns || columns <= row.maxColumns; });
  return RowsAttr::get(context, arch, row->threads, 1);
}

static constexpr int64_t headThreads = 128, attentionWarps = 4;
/// Tokens of a part of the context at least: less than this, and putting parts together costs more than they save.
static constexpr int64_t minSplitTokens = 128;
/// C27.
static constexpr int64_t maxSplits = 256;

RowsAttr quantopt::tile::chooseHeads(MLIRContext *context, Arch arch) {
  return RowsAttr::get(context, arch, headThreads, 1);
}

Choice<AttentionAttr> quantopt::tile::chooseAttention(MLIRContext *context, Arch arch) {
  return {AttentionAttr::get(context, arch, attentionWarps, 1), "16 tokens for each of 4 warps"};
}

/// Two blocks for every multiprocessor, as far as the context suffices.
Choice<AttentionAttr> quantopt::tile::chooseDecodeAttention(MLIRContext *context, Arch arch, int64_t kvHeads,
                                                            int64_t maxContext) {
  int64_t wanted = llvm::divideCeil(2 * getArchitecture(arch).sms, kvHeads);
  int64_t splits = std::clamp<int64_t>(std::min(wanted, maxContext / minSplitTokens), 1, maxSplits);
  return {AttentionAttr::get(context, arch, attentionWarps, splits),
          std::to_string(kvHeads * splits) + " blocks for each sequence, up to " + std::to_string(maxContext / splits) +
              " tokens of the context each"};
}
