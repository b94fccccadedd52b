//===- QOps.td - quantized tensors as several values ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef Q_OPS
#define Q_OPS
include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "rot/RotInterfaces.td"
include "param/ParamInterfaces.td"
include "q/QDialect.td"

class Q_Op<string mnemonic, list<Trait> traits = []>
    : Op<Q_Dialect, mnemonic, [Pure, DeclareOpInterfaceMethods<Rot_BasisOpInterface>] # traits> {
  let hasVerifier = 1;
}

def Q_QuantizeWeightOp : Q_Op<"quantize_weight", [
    DeclareOpInterfaceMethods<Param_WeightOpInterface, ["getRole", "getResultRole"]>]> {
  let summary = "Codes and scales of a weight [out, in], by a quantizer of lib/Numerics";
  let description = [{
    `method` names a quantizer of the registry, `options` are its options; both are checked when the op is verified.
    The scale is [out, groups].

    Example:
    ```mlir
    %codes, %scale = q.quantize_weight %w {method = "rtn", options = {bits = 4, clip_steps = 80, clip_norm = 2.4}}
      : tensor<1536x576xf32> -> tensor<1536x576xi4>, tensor<1536x1xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$weight, StrAttr:$method, DictionaryAttr:$options);
  let results = (outs AnyRankedTensor:$codes, AnyRankedTensor:$scale);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `->` type($codes) `,` type($scale)";
}
def Q_QuantizeDynamicOp : Q_Op<"quantize_dynamic", []> {
  let summary = "Codes and scales of an activation, per token (and group)";
  let description = [{
    Rows are the fibres of dimension `axis`, counted from the end: -1, a token, or -2, a channel of a cache. Symmetric without the third result, asymmetric with it; the formulas
    are those of lib/Numerics/DynamicQuantizer.h. `clip` is the share of the range that the codes cover. The scale is f32
    or f16; codes and zero points are made with an f16 scale as it was rounded.

    Example:
    ```mlir
    %codes, %scale = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
      : tensor<?x?x576xf32> -> (tensor<?x?x576xi4>, tensor<?x?x1xf32>)
    %c, %s, %z = q.quantize_dynamic %keys {axis = -2 : i64, bits = 2 : i64, clip = 1.0 : f64, group_size = 128 : i64}
      : tensor<?x3x?x64xf32> -> (tensor<?x3x?x64xui4>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xui4>)
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$bits, I64Attr:$group_size, F64Attr:$clip,
                       DefaultValuedAttr<I64Attr, "-1">:$axis);
  let results = (outs AnyRankedTensor:$codes, AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$zero);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` `(` type(results) `)`";
}
def Q_DequantizeOp : Q_Op<"dequantize", [
    DeclareOpInterfaceMethods<Param_WeightOpInterface, ["getRole", "isExpansion"]>]> {
  let summary = "(codes - zero) · scale";
  let description = [{
    `axis` is that of `q.quantize_dynamic`. A zero point goes with codes of either sign: imported weights may have signed
    ones that are not symmetric.

    Example: `%k = q.dequantize %codes, %scale zero %z {group_size = 0 : i64} : (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>) -> tensor<?x3x?x64xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$codes, AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$zero,
                       I64Attr:$group_size, DefaultValuedAttr<I64Attr, "-1">:$axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$codes `,` $scale (`zero` $zero^)? attr-dict `:` functional-type(operands, results)";
}
def Q_LinearOp : Q_Op<"linear"> {
  let summary = "Quantized activation times quantized weight: integer sums, f32 scaling";
  let description = [{
    Per group g along the contraction: an exact integer sum of codes; y = Σ_g (sum_g · xs_g) · ws_g, in that order of
    operations, plus the bias. One group on a side serves all groups of the other.

    Example:
    ```mlir
    %y = q.linear %x, %xs, %w, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
      : (tensor<?x?x576xi4>, tensor<?x?x1xf32>, tensor<1536x576xi4>, tensor<1536x1xf32>) -> tensor<?x?x1536xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$input_scale, AnyRankedTensor:$weight,
                       AnyRankedTensor:$weight_scale, Optional<AnyRankedTensor>:$bias, I64Attr:$input_group_size,
                       I64Attr:$weight_group_size);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `,` $input_scale `,` $weight `,` $weight_scale (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}
def Q_PackOp : Q_Op<"pack", [
    DeclareOpInterfaceMethods<Param_WeightOpInterface, ["getRole", "getResultRole"]>]> {
  let summary = "Codes and scales of a weight in the order that a kernel reads";
  let description = [{
    | layout | codes [out, in] become | scales [out, groups] become |
    |---|---|---|
    | `in_out` (MatMul of ONNX) | codes [in, out] | [out] of one group, [groups, out] of several |
    | `matmul_nbits` (com.microsoft::MatMulNBits) | bytes [out, blocks, block bytes] | the same |
    | `m16n8k64.s4`, ... (fragment orders, numerics::Layout) | bytes [blocks of 16 rows, block bytes] | [blocks, 16] of one group, [blocks, 16, groups] of several |

    Fragment orders are those in which tensor cores take a weight; rows and columns are filled with codes and scales of 0.
    A block of `matmul_nbits` has as many codes as share a scale, `group_size`; the first lies in the low bits, code c is
    stored as c + 2^(bits-1), and the last block is filled with codes of 0.

    Example:
    ```mlir
    %p, %s = q.pack %codes, %scale {layout = "matmul_nbits", group_size = 32 : i64}
      : (tensor<1536x576xi4>, tensor<1536x18xf32>) -> (tensor<1536x18x16xui8>, tensor<1536x18xf32>)
    ```
  }];
  let arguments = (ins AnyRankedTensor:$codes, AnyRankedTensor:$scale, StrAttr:$layout, I64Attr:$group_size);
  let results = (outs AnyRankedTensor:$packed, AnyRankedTensor:$packed_scale);
  let assemblyFormat = "$codes `,` $scale attr-dict `:` functional-type(operands, results)";
}
def Q_UnpackOp : Q_Op<"unpack", [DeclareOpInterfaceMethods<Param_WeightOpInterface, ["getRole"]>]> {
  let summary = "Codes of a weight out of the bytes in which a file keeps them";
  let description = [{
    Every row of bytes, whatever its dimensions, is a string of codes of `bits` bits, the first in the low bits of the
    first byte, as com.microsoft::MatMulNBits and GatherBlockQuantized store codes and zero points. The result has the
    first codes of each row; what follows fills a block or a byte. Unsigned results are the stored codes; signless ones
    are those less 2^(bits-1), the zero point that these operators take where none is given.

    Example:
    ```mlir
    %codes = q.unpack %bytes {bits = 4 : i64} : tensor<1536x18x16xui8> -> tensor<1536x576xi4>
    %zero = q.unpack %packed {bits = 4 : i64} : tensor<1536x9xui8> -> tensor<1536x18xui4>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$bytes, I64Attr:$bits);
  let results = (outs AnyRankedTensor:$codes);
  let assemblyFormat = "$bytes attr-dict `:` type($bytes) `->` type($codes)";
}
#endif
