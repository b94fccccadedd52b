//===- TileAttrs.td - configurations of kernels ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef TILE_ATTRS
#define TILE_ATTRS
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "tile/TileDialect.td"

def Tile_Arch : I32EnumAttr<"Arch", "architecture of a GPU", [
    I32EnumAttrCase<"sm_75", 0>, I32EnumAttrCase<"sm_80", 1>, I32EnumAttrCase<"sm_86", 2>, I32EnumAttrCase<"sm_87", 3>,
    I32EnumAttrCase<"sm_89", 4>, I32EnumAttrCase<"sm_90a", 5>, I32EnumAttrCase<"sm_100a", 6>,
    I32EnumAttrCase<"sm_120a", 7>]> {
  let cppNamespace = "::quantopt::tile";
  let genSpecializedAttr = 0;
}
def Tile_Mma : I32EnumAttr<"Mma", "instruction that multiplies matrices", [
    I32EnumAttrCase<"Derived", 0, "derived">, I32EnumAttrCase<"S4", 1, "s4">, I32EnumAttrCase<"S8", 2, "s8">,
    I32EnumAttrCase<"F16", 3, "f16">, I32EnumAttrCase<"WgmmaS8", 4, "wgmma_s8">]> {
  let cppNamespace = "::quantopt::tile";
  let genSpecializedAttr = 0;
}

def Tile_Scheme : I32EnumAttr<"Scheme", "how codes stand for numbers", [
    I32EnumAttrCase<"asym", 0>, I32EnumAttrCase<"sym", 1>]> {
  let cppNamespace = "::quantopt::tile";
  let genSpecializedAttr = 0;
}
def Tile_ScaleType : I32EnumAttr<"ScaleType", "type of scales in a cache", [
    I32EnumAttrCase<"f16", 0>, I32EnumAttrCase<"f32", 1>]> {
  let cppNamespace = "::quantopt::tile";
  let genSpecializedAttr = 0;
}

class Tile_Attr<string name, string mnemo> : AttrDef<Tile_Dialect, name> {
  let mnemonic = mnemo;
  let genVerifyDecl = 1;
}

def Tile_GemmAttr : Tile_Attr<"Gemm", "gemm"> {
  let summary = "Tiles of a matrix product";
  let description = [{
    A block computes `bm` rows by `bn` output channels, `bk` of the contraction at a time; a warp computes `wm` by `wn` of
    them. `stages` tiles of operands are in shared memory at once. `split_k` groups of warps share the contraction of one
    tile and add up their sums in shared memory (decode kernels).

    `mma` follows from the op and the architecture where it is left out: s4 for 4-bit codes where the hardware has it, s8
    for other codes, f16 for floats. `wgmma_s8` (sm_90a) is the warp-specialised form: 128 threads load, every 128 others
    are a consumer of `wm` rows by `wn` channels, wn a multiple of 64.

    Example: `#tile.gemm<arch = sm_80, bm = 128, bn = 256, bk = 256, wm = 64, wn = 64, stages = 3>`
  }];
  let parameters = (ins EnumParameter<Tile_Arch>:$arch, "int64_t":$bm, "int64_t":$bn, "int64_t":$bk, "int64_t":$wm,
                        "int64_t":$wn, "int64_t":$stages, DefaultValuedParameter<"int64_t", "1">:$split_k,
                        DefaultValuedParameter<"::quantopt::tile::Mma", "::quantopt::tile::Mma::Derived">:$mma);
  let assemblyFormat = "`<` struct(params) `>`";
  let extraClassDeclaration = [{
    /// Warps that compute: of one group along the contraction, times the groups.
    int64_t getWarps() const { return getBm() / getWm() * (getBn() / getWn()) * getSplitK(); }
    /// Threads of a block, those that only load among them.
    int64_t getThreads() const {
      return getMma() == Mma::WgmmaS8 ? 128 * (getWarps() + 1) : 32 * getWarps();
    }
  }];
}

def Tile_RowsAttr : Tile_Attr<"Rows", "rows"> {
  let summary = "Tiles of a kernel that works row by row";
  let description = [{
    A block of `threads` threads works on `rows` rows at a time, each on an equal share of the threads.

    Example: `#tile.rows<arch = sm_80, threads = 256>`
  }];
  let parameters = (ins EnumParameter<Tile_Arch>:$arch, "int64_t":$threads,
                        DefaultValuedParameter<"int64_t", "1">:$rows);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_AttentionAttr : Tile_Attr<"Attention", "attention"> {
  let summary = "Tiles of an attention kernel";
  let description = [{
    In prefill each of `warps` warps works on 16 tokens of one query head. In decode they share the cached tokens of one
    part of the context, of which there are `splits`, for all query heads of one head of the cache.

    Example: `#tile.attention<arch = sm_80, warps = 4, splits = 8>`
  }];
  let parameters = (ins EnumParameter<Tile_Arch>:$arch, "int64_t":$warps, DefaultValuedParameter<"int64_t", "1">:$splits);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_CacheAttr : Tile_Attr<"Cache", "cache"> {
  let summary = "How keys and values lie in a cache: a numerics::KvLayout";
  let description = [{
    `group` elements of a head share a scale; a page holds `page` tokens; `clip` is the share of the range that codes
    cover. With 16 bits elements are f16, and group, clip, scheme and scale say nothing.

    Example: `#tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>`
  }];
  let parameters = (ins "int64_t":$bits, "int64_t":$head_dim, "int64_t":$group, "int64_t":$page,
                        "::mlir::FloatAttr":$clip,
                        DefaultValuedParameter<"::quantopt::tile::Scheme", "::quantopt::tile::Scheme::asym">:$scheme,
                        DefaultValuedParameter<"::quantopt::tile::ScaleType", "::quantopt::tile::ScaleType::f16">:$scale);
  let assemblyFormat = "`<` struct(params) `>`";
  let extraClassDeclaration = [{
    ::quantopt::numerics::KvLayout getLayout() const;
  }];
}
#endif
