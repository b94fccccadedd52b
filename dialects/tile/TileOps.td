//===- TileOps.td - one op per kernel -------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef TILE_OPS
#define TILE_OPS
include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "rot/RotInterfaces.td"
include "tile/TileAttrs.td"
include "tile/TileInterfaces.td"

class Tile_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tile_Dialect, mnemonic, [Pure, DeclareOpInterfaceMethods<Rot_BasisOpInterface>,
                                  DeclareOpInterfaceMethods<Tile_KernelOpInterface>] # traits> {
  let hasVerifier = 1;
}
// What every kernel carries: how it is built, and, once it is, the function.
defvar kernelAttrs = (ins OptionalAttr<SymbolRefAttr>:$kernel);

class Tile_Gemm<string mnemonic> : Tile_Op<mnemonic, [AttrSizedOperandSegments]> {
  let results = (outs AnyRankedTensor:$result);
  let extraClassDeclaration = [{
    std::optional<::quantopt::numerics::Layout> getOperandLayout(unsigned number);
    std::optional<::quantopt::tile::TensorMapPlan> getTensorMap(unsigned number);
  }];
  let extraClassDefinition = [{
    ::llvm::SmallVector<::quantopt::rot::BasisTie> $cppClass::getBasisTies() { return getGemmBasisTies(*this); }
    std::string $cppClass::getKernelName() { return getGemmKernelName(*this); }
    ::quantopt::tile::Launch $cppClass::getLaunch() { return getGemmLaunch(*this); }
    ::quantopt::tile::Cost $cppClass::getCost(int64_t rows) { return getGemmCost(*this, rows); }
    std::optional<::quantopt::numerics::Layout> $cppClass::getOperandLayout(unsigned number) {
      return getOperand(number) == getWeight() ? getWeightLayout(*this) : std::nullopt;
    }
    std::optional<::quantopt::tile::TensorMapPlan> $cppClass::getTensorMap(unsigned number) {
      return getGemmTensorMap(*this, number);
    }
    ::llvm::LogicalResult $cppClass::verify() { return verifyGemm(*this); }
  }];
}
// Operands that every matrix product may have behind its own: what the epilogue adds.
defvar epilogue = (ins Optional<AnyRankedTensor>:$bias, Optional<AnyRankedTensor>:$residual, Tile_GemmAttr:$config);

// Products of integer codes: exact int32 sums, f32 scaling.
class Tile_IntegerGemm<string mnemonic> : Tile_Gemm<mnemonic> {
  let arguments = !con((ins AnyRankedTensor:$input, AnyRankedTensor:$input_scale, AnyRankedTensor:$weight,
                            AnyRankedTensor:$weight_scale, Optional<AnyRankedTensor>:$group_scales),
                       epilogue, kernelAttrs);
  let assemblyFormat = [{
    $input `,` $input_scale `,` $weight `,` $weight_scale (`groups` $group_scales^)? (`bias` $bias^)?
    (`residual` $residual^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Tile_GemmW4A4Op : Tile_IntegerGemm<"gemm_w4a4"> {
  let summary = "4-bit activations times 4-bit weights, by INT4 tensor cores";
  let description = [{
    y = (float(acc)·xs)·ws with the exact integer sum acc; then + bias (f32), then + residual (in the type of the result,
    read as f32), rounded once to the type of the result. With integer group scales acc is Σ_g k[n,g]·acc_g over equal
    groups of the contraction. Input [rows, K] i4, scale [rows, 1] f32, weight bytes, weight scale [N] f32, group scales
    [N, G] ui8, bias [N] f32, residual [rows, N].

    Architectures from sm_90 on have no INT4 tensor cores: there it is `gemm_w4a8` over 4-bit codes kept in 8 bits.

    Example:
    ```mlir
    %y = tile.gemm_w4a4 %x, %xs, %w, %ws
      {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>}
      : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<442368xui8>, tensor<1536xf32>) -> tensor<?x1536xf32>
    ```
  }];
}
def Tile_GemmW4A8Op : Tile_IntegerGemm<"gemm_w4a8"> {
  let summary = "8-bit activations times 4-bit weights, which become 8-bit in registers (value · 16)";
  let description = [{
    As `gemm_w4a4`, with i8 codes. The factor 16 is taken out again exactly: (float(16·acc)·2⁻⁴·xs)·ws.

    Example:
    ```mlir
    %y = tile.gemm_w4a8 %x, %xs, %w, %ws
      {config = #tile.gemm<arch = sm_90a, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 3>}
      : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<442368xui8>, tensor<1536xf32>) -> tensor<?x1536xf32>
    ```
  }];
}
def Tile_GemmW8A8Op : Tile_IntegerGemm<"gemm_w8a8"> {
  let summary = "8-bit activations times 8-bit weights";
  let description = [{
    As `gemm_w4a4`, with i8 codes on both sides.

    Example:
    ```mlir
    %y = tile.gemm_w8a8 %x, %xs, %w, %ws
      {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 3>}
      : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<884736xui8>, tensor<1536xf32>) -> tensor<?x1536xf32>
    ```
  }];
}
def Tile_GemmW4A16Op : Tile_Gemm<"gemm_w4a16"> {
  let summary = "f16 or bf16 activations times 4-bit weights with a scale per group";
  let description = [{
    y = Σ_g ws[n,g] · Σ_{k in g} x[k]·w[n,k] in f32, then bias and residual as in `gemm_w4a4`. Weights become f16 (bf16) in
    registers, times their scale, rounded to that type. Input [rows, K], weight bytes, weight scale [N, G] f16, bf16 or f32.

    Example:
    ```mlir
    %y = tile.gemm_w4a16 %x, %w, %ws
      {config = #tile.gemm<arch = sm_80, bm = 64, bn = 128, bk = 64, wm = 32, wn = 64, stages = 4>}
      : (tensor<?x576xf16>, tensor<442368xui8>, tensor<1536x9xf16>) -> tensor<?x1536xf16>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, AnyRankedTensor:$weight, AnyRankedTensor:$weight_scale),
                       epilogue, kernelAttrs);
  let assemblyFormat = [{
    $input `,` $weight `,` $weight_scale (`bias` $bias^)? (`residual` $residual^)? attr-dict `:`
    functional-type(operands, results)
  }];
}
def Tile_GemmF16Op : Tile_Gemm<"gemm_f16"> {
  let summary = "f16 or bf16 times the same, f32 sums: the head";
  let description = [{
    Input [rows, K] and weight [N, K] of one type, both row-major.

    Example:
    ```mlir
    %y = tile.gemm_f16 %x, %w
      {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 3>}
      : (tensor<?x576xf16>, tensor<49152x576xf16>) -> tensor<?x49152xf32>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, AnyRankedTensor:$weight), epilogue, kernelAttrs);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? (`residual` $residual^)? attr-dict `:` functional-type(operands, results)
  }];
}
def Tile_GemmDecodeOp : Tile_Gemm<"gemm_decode"> {
  let summary = "A product of few rows: weights go from memory straight to registers";
  let description = [{
    The operands and the result of the op that its types name: codes on both sides with both scales (`gemm_w4a4`, `w4a8`,
    `w8a8`), floats with `weight_scale` [N, G] (`w4a16`), floats alone (`f16`). At most 64 rows per pass over the weights:
    `bm` is 8, 16, 32 or 64. `bn` channels of a block are shared by bn/wn · split_k warps, split_k of which divide the
    contraction; the weights lie in fragment order as for the other kernels.

    Example:
    ```mlir
    %y = tile.gemm_decode %x scale %xs, %w scale %ws
      {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 256, wm = 8, wn = 16, stages = 1, split_k = 4>}
      : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<442368xui8>, tensor<1536xf32>) -> tensor<?x1536xf32>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$input_scale, AnyRankedTensor:$weight,
                            Optional<AnyRankedTensor>:$weight_scale, Optional<AnyRankedTensor>:$group_scales),
                       epilogue, kernelAttrs);
  let assemblyFormat = [{
    $input (`scale` $input_scale^)? `,` $weight (`scale` $weight_scale^)? (`groups` $group_scales^)? (`bias` $bias^)?
    (`residual` $residual^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Tile_NormQuantOp : Tile_Op<"norm_quant"> {
  let summary = "Residual addition, RMS norm, Hadamard transform and quantization of rows";
  let description = [{
    s = input + residual, rounded to its type (the third result, present when there is a residual); n = s / sqrt(mean(s²)
    + epsilon); h = n · hadamard, where there is one; codes and scale of h per row as `q.quantize_dynamic` defines them.
    The norm's factor does not change codes: kernels apply it to the scale alone.

    Input [rows, K] f32, f16 or bf16. Codes i4 or i8 (`bits` of them used), scale [rows, 1] f32.

    Example:
    ```mlir
    %codes, %scale, %sum = tile.norm_quant %x residual %r
      {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>}
      : (tensor<?x576xf32>, tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>, tensor<?x576xf32>)
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$residual, F64Attr:$epsilon, F64Attr:$clip,
                            I64Attr:$bits, OptionalAttr<AnyAttr>:$hadamard, Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$codes, AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$sum);
  let assemblyFormat = "$input (`residual` $residual^)? attr-dict `:` functional-type(operands, results)";
}
def Tile_SwigluQuantOp : Tile_Op<"swiglu_quant"> {
  let summary = "silu(gate) · up, Hadamard transform and quantization of rows";
  let description = [{
    Example:
    ```mlir
    %codes, %scale = tile.swiglu_quant %gate, %up
      {hadamard = #rot.hadamard<1536>, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 256>}
      : (tensor<?x1536xf32>, tensor<?x1536xf32>) -> (tensor<?x1536xi4>, tensor<?x1xf32>)
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$gate, AnyRankedTensor:$up, F64Attr:$clip, I64Attr:$bits,
                            OptionalAttr<AnyAttr>:$hadamard, Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$codes, AnyRankedTensor:$scale);
  let assemblyFormat = "$gate `,` $up attr-dict `:` functional-type(operands, results)";
}
def Tile_NormOp : Tile_Op<"norm"> {
  let summary = "Residual addition and RMS norm of rows, to f16, bf16 or f32";
  let description = [{
    As `norm_quant` up to n. The sum is a result only where it is read.

    Example:
    ```mlir
    %n = tile.norm %x {epsilon = 1.0e-5 : f64, config = #tile.rows<arch = sm_80, threads = 128>}
      : (tensor<?x576xf32>) -> tensor<?x576xf16>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$residual, F64Attr:$epsilon,
                            Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$result, Optional<AnyRankedTensor>:$sum);
  let assemblyFormat = "$input (`residual` $residual^)? attr-dict `:` functional-type(operands, results)";
}
def Tile_EmbeddingOp : Tile_Op<"embedding"> {
  let summary = "Rows of a table, by token id";
  let description = [{
    Ids are i64 or i32, one per row; an id outside of the table gives a row of zeros.

    Example:
    ```mlir
    %x = tile.embedding %ids, %table {config = #tile.rows<arch = sm_80, threads = 128>}
      : (tensor<?xi64>, tensor<49152x576xf16>) -> tensor<?x576xf32>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$ids, AnyRankedTensor:$table, Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type(operands, results)";
}
def Tile_ArgMaxOp : Tile_Op<"arg_max"> {
  let summary = "Index of the largest value of every row; the first of several";
  let description = [{
    Example: `%id = tile.arg_max %logits {config = #tile.rows<arch = sm_80, threads = 256>} : (tensor<?x49152xf32>) -> tensor<?xi32>`
  }];
  let arguments = !con((ins AnyRankedTensor:$input, Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}
def Tile_TopKOp : Tile_Op<"top_k"> {
  let summary = "The k largest values of every row and their indices, largest first; of equals the first index first";
  let description = [{
    Example:
    ```mlir
    %values, %ids = tile.top_k %logits {config = #tile.rows<arch = sm_80, threads = 256>}
      : (tensor<?x49152xf32>) -> (tensor<?x40xf32>, tensor<?x40xi32>)
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$values, AnyRankedTensor:$indices);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

//===----------------------------------------------------------------------------===//
// Attention over a cache. Rows are the tokens of B sequences, S each: row r belongs to sequence r / S. What differs from
// launch to launch stands in `sequences`, [B, 4] i32: {past, start, S, 0}. Token s of a sequence lies in the cache at
// index past + s; indices below `start` are padding that nobody attends to; its position is max(0, past + s - start). A
// cache is [pages, kv heads, block bytes] ui8 (numerics::KvLayout). Index t lies in page pages[b][t / page], or in page b
// where there is no table: then a page holds a whole context.
//===----------------------------------------------------------------------------===//

def Tile_RopeAppendOp : Tile_Op<"rope_append", [
    DeclareOpInterfaceMethods<Tile_KernelOpInterface, ["getAliasedOperand", "getArch"]>]> {
  let summary = "RoPE and Hadamard transform of queries and keys; keys and values quantized into the cache";
  let description = [{
    q and k [rows, heads·d] become, per head, rope(x)·hadamard; rope takes the first r elements of a head as halves x₁, x₂:
    [x₁·cos - x₂·sin, x₂·cos + x₁·sin], with rows `position` of cos and sin [positions, r/2] f32. Queries are rounded to
    f16. Keys and values are quantized per token, head and group, and written to the caches, whose memory the second and
    third result take over.

    Example:
    ```mlir
    %q1, %k1, %v1 = tile.rope_append %q, %k, %v, %cos, %sin, %sequences, %keys, %values
      {hadamard = #rot.hadamard<64>, cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 1024, clip = 0.95 : f64>,
       config = #tile.rows<arch = sm_80, threads = 128>}
      : (tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>,
         tensor<?x4xi32>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>)
      -> (tensor<?x576xf16>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>)
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value, AnyRankedTensor:$cos,
                            AnyRankedTensor:$sin, AnyRankedTensor:$sequences, Optional<AnyRankedTensor>:$pages,
                            AnyRankedTensor:$key_cache, AnyRankedTensor:$value_cache, OptionalAttr<AnyAttr>:$hadamard,
                            Tile_CacheAttr:$cache, OptionalAttr<Tile_RowsAttr>:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$result, AnyRankedTensor:$new_key_cache, AnyRankedTensor:$new_value_cache);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $cos `,` $sin `,` $sequences (`pages` $pages^)? `,` $key_cache `,` $value_cache
    attr-dict `:` functional-type(operands, results)
  }];
}

class Tile_Attention<string mnemonic> : Tile_Op<mnemonic, [
    DeclareOpInterfaceMethods<Tile_KernelOpInterface, ["getArch"]>]> {
  let arguments = !con((ins AnyRankedTensor:$query, AnyRankedTensor:$sequences, Optional<AnyRankedTensor>:$pages,
                            AnyRankedTensor:$key_cache, AnyRankedTensor:$value_cache, F64Attr:$scale,
                            DefaultValuedAttr<I64Attr, "0">:$window, DefaultValuedAttr<F64Attr, "0.0">:$softcap,
                            Tile_CacheAttr:$cache, OptionalAttr<Tile_AttentionAttr>:$config), kernelAttrs);
  let assemblyFormat = [{
    $query `,` $sequences (`pages` $pages^)? `,` $key_cache `,` $value_cache attr-dict `:`
    functional-type(operands, results)
  }];
}
def Tile_AttentionOp : Tile_Attention<"attention"> {
  let summary = "softmax(scale · q kᵀ) v of rows over the cache that holds them";
  let description = [{
    Query head h reads head h / (heads / kv heads) of the cache. A token attends to the indices from `start` to its own;
    with a window w > 0 to the last w of them. A softcap c > 0 turns scores s into c·tanh(s/c). A token without an index
    to attend to (padding) gives 0. Queries [rows, heads·d] f16; the result is f32, f16 or bf16.

    Example:
    ```mlir
    %o = tile.attention %q, %sequences, %keys, %values
      {scale = 0.125 : f64, cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 1024, clip = 0.95 : f64>,
       config = #tile.attention<arch = sm_80, warps = 4>}
      : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>) -> tensor<?x576xf32>
    ```
  }];
  let results = (outs AnyRankedTensor:$result);
}
def Tile_AttentionDecodeOp : Tile_Attention<"attention_decode"> {
  let summary = "Parts of the attention of one row per sequence, for tile.attention_combine";
  let description = [{
    As `attention`, for S = 1, with the indices 0 to `past` in `splits` parts of equal numbers of steps: a step is 16·warps
    indices, and part p has the steps [p·c, (p + 1)·c), c = ceil(ceil((past + 1) / (16·warps)) / splits), whatever `start`
    and the window leave of them. Per head and part the result [rows, heads·splits·(d + 2)] f32 holds {m, l, o[d]}: the greatest allowed score times log2(e), the sum l =
    Σ 2^(score·log2(e) - m), and o = Σ 2^(score·log2(e) - m)·v. A part without an allowed index holds {-inf, 0, 0}.

    Example:
    ```mlir
    %p = tile.attention_decode %q, %sequences, %keys, %values
      {scale = 0.125 : f64, cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 1024, clip = 0.95 : f64>,
       config = #tile.attention<arch = sm_80, warps = 4, splits = 2>}
      : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>) -> tensor<?x1188xf32>
    ```
  }];
  let results = (outs AnyRankedTensor:$result);
}
def Tile_AttentionCombineOp : Tile_Op<"attention_combine"> {
  let summary = "The parts of attention_decode as one";
  let description = [{
    Per head, with M = max m: Σ 2^(m - M)·o / Σ 2^(m - M)·l; 0 where no part has an allowed index.

    Example:
    ```mlir
    %o = tile.attention_combine %p {splits = 2 : i64, config = #tile.rows<arch = sm_80, threads = 128>}
      : (tensor<?x1188xf32>) -> tensor<?x576xf32>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, I64Attr:$splits, Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}
def Tile_QuantOp : Tile_Op<"quant"> {
  let summary = "Hadamard transform and quantization of rows";
  let description = [{
    As `norm_quant` without residual and norm.

    Example:
    ```mlir
    %codes, %scale = tile.quant %x {clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>}
      : (tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>)
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$input, F64Attr:$clip, I64Attr:$bits, OptionalAttr<AnyAttr>:$hadamard,
                            Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$codes, AnyRankedTensor:$scale);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}
def Tile_SwigluOp : Tile_Op<"swiglu"> {
  let summary = "silu(gate) · up of rows, and a Hadamard transform, to f16, bf16 or f32";
  let description = [{
    As `swiglu_quant` up to the quantizer.

    Example:
    ```mlir
    %h = tile.swiglu %gate, %up {config = #tile.rows<arch = sm_80, threads = 256>}
      : (tensor<?x1536xf32>, tensor<?x1536xf32>) -> tensor<?x1536xf16>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$gate, AnyRankedTensor:$up, OptionalAttr<AnyAttr>:$hadamard,
                            Tile_RowsAttr:$config), kernelAttrs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$gate `,` $up attr-dict `:` functional-type(operands, results)";
}
#endif
