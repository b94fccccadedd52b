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
#endif
