//===- LlmOps.td - the layers of a decoder --------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef LLM_OPS
#define LLM_OPS
include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "rot/RotInterfaces.td"
include "llm/LlmDialect.td"

class Llm_Op<string mnemonic, list<Trait> traits = []>
    : Op<Llm_Dialect, mnemonic, [Pure, DeclareOpInterfaceMethods<Rot_BasisOpInterface>] # traits> {
  let results = (outs AnyRankedTensor:$result);
}
// Same shape in and out; only the basis may differ, and the ties decide about that.
class Llm_Elementwise<string mnemonic> : Llm_Op<mnemonic, [SameOperandsAndResultElementType]> {
  let hasVerifier = 1;
}

def Llm_EmbeddingOp : Llm_Op<"embedding"> {
  let summary = "Rows of a table, by token id";
  let description = [{
    Example: `%x = llm.embedding %ids, %table : (tensor<?x?xi64>, tensor<49152x576xf32>) -> tensor<?x?x576xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$ids, AnyRankedTensor:$table);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_RmsNormOp : Llm_Op<"rms_norm"> {
  let summary = "x / sqrt(mean(x²) + eps) along the last dimension, times scale when there is one";
  let description = [{
    Without a scale it commutes with rotations: ‖x T‖ = ‖x‖.

    Example: `%n = llm.rms_norm %x scale %gamma : tensor<576xf32> {eps = 1.0e-5 : f64} : tensor<?x?x576xf32> -> tensor<?x?x576xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$scale, F64Attr:$eps);
  let assemblyFormat = "$input (`scale` $scale^ `:` type($scale))? attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}
def Llm_LayerNormOp : Llm_Op<"layer_norm", [AttrSizedOperandSegments]> {
  let summary = "(x - mean(x)) / sqrt(variance(x) + eps) along the last dimension, times scale, plus bias";
  let description = [{
    Of a value whose mean is 0 along every row it is `llm.rms_norm`, which commutes with rotations; it does not. Scale and
    bias are vectors of the last dimension; either may be missing.

    Example:
    ```mlir
    %n = llm.layer_norm %x scale %gamma : tensor<576xf32> bias %beta : tensor<576xf32> {eps = 1.0e-5 : f64}
       : tensor<?x?x576xf32> -> tensor<?x?x576xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$scale, Optional<AnyRankedTensor>:$bias,
                       F64Attr:$eps);
  let assemblyFormat = [{
    $input (`scale` $scale^ `:` type($scale))? (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}
def Llm_LinearOp : Llm_Op<"linear"> {
  let summary = "x · Wᵀ, plus a bias when there is one";
  let description = [{
    The weight is [out, in], the bias [out].

    Example: `%y = llm.linear %x, %w : (tensor<?x?x576xf32>, tensor<1536x576xf32>) -> tensor<?x?x1536xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$weight, Optional<AnyRankedTensor>:$bias);
  let assemblyFormat = "$input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_ResidualAddOp : Llm_Elementwise<"residual_add"> {
  let summary = "Sum of the residual stream and a layer's output";
  let description = "Example: `%y = llm.residual_add %x, %d : (tensor<?x?x576xf32>, tensor<?x?x576xf32>) -> tensor<?x?x576xf32>`";
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}
def Llm_SwigluOp : Llm_Elementwise<"swiglu"> {
  let summary = "silu(gate) · up";
  let description = [{
    Nonlinear in the gate; linear per channel in `up`, so a diagonal passes from `up` to the result (SmoothRot).

    Example: `%h = llm.swiglu %g, %u : (tensor<?x?x1536xf32>, tensor<?x?x1536xf32>) -> tensor<?x?x1536xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$gate, AnyRankedTensor:$up);
  let assemblyFormat = "$gate `,` $up attr-dict `:` functional-type(operands, results)";
}
def Llm_GegluOp : Llm_Elementwise<"geglu"> {
  let summary = "gelu(gate) · up";
  let description = [{
    As `llm.swiglu`, with the Gaussian error linear unit (Shazeer 2020, Gemma): x·Φ(x) where `approximate` is "none", and
    x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))) where it is "tanh". `factor` and `cubic` are as in `llm.activation`.

    Example:
    ```mlir
    %h = llm.geglu %g, %u {approximate = "tanh"} : (tensor<?x?x1536xf32>, tensor<?x?x1536xf32>) -> tensor<?x?x1536xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$gate, AnyRankedTensor:$up, StrAttr:$approximate, OptionalAttr<F64Attr>:$factor,
                   OptionalAttr<F64Attr>:$cubic);
  let assemblyFormat = "$gate `,` $up attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = [{
    /// What GELU computes, with the numbers that it has unless the graph states others.
    GeluForm getGelu() { return GeluForm::of(getApproximate() == "tanh", getFactor(), getCubic()); }
  }];
}
def Llm_ActivationOp : Llm_Elementwise<"activation"> {
  let summary = "An activation between two linears, without a gate";
  let description = [{
    `function` is "gelu", x·Φ(x) = x/2·(1 + erf(x/√2)); "gelu_tanh", x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))); "relu"; or
    "relu_squared", max(x, 0)² (So et al. 2021, Nemotron).

    Graphs that write GELU out have 1/√2, √(2/π) and 0.044715 rounded to the type they compute in. `factor` and `cubic`
    then are these numbers, so that no bit is lost.

    Example: `%h = llm.activation %x {function = "gelu"} : (tensor<?x?x2048xf32>) -> tensor<?x?x2048xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$input, StrAttr:$function, OptionalAttr<F64Attr>:$factor,
                   OptionalAttr<F64Attr>:$cubic);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = [{
    /// What GELU computes, with the numbers that it has unless the graph states others.
    GeluForm getGelu() { return GeluForm::of(getFunction() == "gelu_tanh", getFactor(), getCubic()); }
  }];
}
def Llm_ScaleOp : Llm_Elementwise<"scale"> {
  let summary = "x times one number";
  let description = [{
    Scales of embeddings (Gemma), of what layers add to the residual stream, and of logits (Granite). It commutes with every
    change of basis.

    Example: `%y = llm.scale %x {factor = 24.0 : f64} : (tensor<?x?x576xf32>) -> tensor<?x?x576xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$input, F64Attr:$factor);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}
def Llm_SplitHeadsOp : Llm_Op<"split_heads"> {
  let summary = "[B, S, heads·d] to [B, heads, S, d]";
  let description = "Example: `%q = llm.split_heads %0 : (tensor<?x?x576xf32>) -> tensor<?x9x?x64xf32>`";
  let arguments = (ins AnyRankedTensor:$input);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_MergeHeadsOp : Llm_Op<"merge_heads"> {
  let summary = "[B, heads, S, d] to [B, S, heads·d]";
  let description = "Example: `%1 = llm.merge_heads %a : (tensor<?x9x?x64xf32>) -> tensor<?x?x576xf32>`";
  let arguments = (ins AnyRankedTensor:$input);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_RopeOp : Llm_Op<"rope"> {
  let summary = "Rotary position embedding";
  let description = [{
    x·cos + [−x₂, x₁]·sin for the halves x₁, x₂ of the first r elements of each head; the others pass (partial rotary
    embedding). cos and sin are [B, S, r] or [B, 1, S, r], where B and S may be 1 for all sequences and tokens, as the graph
    computes them: deriving them anew would not give the same bits. With `interleaved` x₁ and x₂ are not halves but the
    even and the odd elements (GPT-J), and element i of a table is the one for element i of the head.

    Example:
    ```mlir
    %1 = llm.rope %0, %cos, %sin : (tensor<?x9x?x64xf32>, tensor<?x?x64xf32>, tensor<?x?x64xf32>) -> tensor<?x9x?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$cos, AnyRankedTensor:$sin, UnitAttr:$interleaved);
  let assemblyFormat = "$input `,` $cos `,` $sin attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_KvAppendOp : Llm_Op<"kv_append"> {
  let summary = "The cache with new rows appended along the sequence";
  let description = [{
    [B, kv_heads, P, d] and [B, kv_heads, S, d] give [B, kv_heads, P + S, d].

    Example:
    ```mlir
    %k = llm.kv_append %past, %rows : (tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x3x?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$cache, AnyRankedTensor:$rows);
  let assemblyFormat = "$cache `,` $rows attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_KvWriteOp : Llm_Op<"kv_write"> {
  let summary = "The cache with new rows written at a position of each sequence";
  let description = [{
    For buffers that are longer than what they hold: row s of sequence b goes to row index[b] + s of the cache. The result
    has as many rows as the cache; a row at or behind the end is an error when the model runs. With `length` it has as many
    as that scalar says if these are more, and rows behind the new ones are 0: GroupQueryAttention, whose sequences may be
    of different length.

    Example:
    ```mlir
    %k = llm.kv_write %cache, %rows at %index
       : (tensor<?x3x2048x64xf32>, tensor<?x3x?x64xf32>, tensor<?xi64>) -> tensor<?x3x2048x64xf32>
    %v = llm.kv_write %past, %rows at %index length %n
       : (tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x3x?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$cache, AnyRankedTensor:$rows, AnyRankedTensor:$index,
                       Optional<AnyRankedTensor>:$length);
  let assemblyFormat = "$cache `,` $rows `at` $index (`length` $length^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_AttentionOp : Llm_Op<"attention"> {
  let summary = "softmax(scale · q kᵀ + mask) v per head";
  let description = [{
    q is [B, heads, S, d], k and v are [B, kv_heads, T, d]; head h reads cache head h / (heads / kv_heads) (GQA). The
    mask is additive and broadcasts to [B, heads, S, T]. A fully masked row keeps what the graph's fill value gives; one of
    −∞ throughout is NaN, or 0 with `zero_masked_rows` (ONNX's Attention, PyTorch's fused one). With a soft-cap c > 0 scores become c·tanh(score / c) before the mask (Gemma 2).

    Example:
    ```mlir
    %a = llm.attention %q, %k, %v mask %m {scale = 0.125 : f64}
       : (tensor<?x9x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x1x?x?xf32>) -> tensor<?x9x?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
                       Optional<AnyRankedTensor>:$mask, F64Attr:$scale,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap, UnitAttr:$zero_masked_rows);
  let assemblyFormat = "$query `,` $key `,` $value (`mask` $mask^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Llm_MixedAttentionOp : Llm_Op<"mixed_attention"> {
  let summary = "llm.attention whose queries read some cached tokens exactly, the others by their codes";
  let description = [{
    `key` and `value` are what the codes of a cache stand for, `exact_key` and `exact_value` the rows they were made from.
    Which one the query with cache index i reads of token t depends on i and t alone:

    | token t | is read |
    |---|---|
    | t < `sinks` | exactly |
    | as key, `key_block` > 0 | by codes, if t's block of `key_block` tokens ended before i: (t / key_block + 1)·key_block ≤ i |
    | otherwise | by codes, if t + `residual` ≤ i: the newest `residual` tokens, the query's own included, are exact |

    A token that is read by codes once is so by every later query: nobody needs its exact row again. Cache indices count
    padding.

    Example:
    ```mlir
    %a = llm.mixed_attention %q, %k, %v exact %ek, %ev mask %m
         {key_block = 0 : i64, residual = 128 : i64, scale = 0.125 : f64, sinks = 4 : i64}
       : (tensor<?x9x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>,
          tensor<?x1x?x?xf32>) -> tensor<?x9x?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
                       AnyRankedTensor:$exact_key, AnyRankedTensor:$exact_value, Optional<AnyRankedTensor>:$mask,
                       F64Attr:$scale, I64Attr:$sinks, I64Attr:$residual, I64Attr:$key_block,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap, UnitAttr:$zero_masked_rows);
  let assemblyFormat = [{
    $query `,` $key `,` $value `exact` $exact_key `,` $exact_value (`mask` $mask^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
#endif
