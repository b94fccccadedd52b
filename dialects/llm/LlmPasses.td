//===- LlmPasses.td - passes over the llm dialect ------------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef LLM_PASSES
#define LLM_PASSES
include "PassOptions.td"

// A pass is named after the dialect whose ops it makes or moves. Those of rot and q stand here because they look for
// llm ops, which rot and q do not know.
class Llm_Pass<string argument> : Pass<argument, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::quantopt::rot::RotDialect", "::quantopt::param::ParamDialect",
                           "::quantopt::q::QDialect", "::quantopt::llm::LlmDialect"];
}

def FuseNormScalePass : Llm_Pass<"llm-fuse-norm-scale"> {
  let summary = "Move the scale of every rms_norm into the weights of the linears that read it";
  let description = [{
    linear(rms_norm(x, γ), W) is linear(rms_norm(x), W·diag(γ)), and a norm without a scale commutes with rotations. A
    norm with a reader that is not an `llm.linear` over a weight expression keeps its scale; a remark names the reader.
    A weight that others read too (a tied head) is scaled for this reader alone.

    The bias of a `llm.layer_norm` moves with its scale, into the biases of its readers. Where weights alone write the
    stream that it reads, and only such norms read it, these weights are centred (`param.center`): then every row has mean
    0, and the norms become `llm.rms_norm` (SliceGPT, arXiv:2401.15024, section 3).

    Example:
    ```mlir
    %n = llm.rms_norm %x scale %gamma : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
    %y = llm.linear %n, %w : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    // becomes
    %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
    %0 = param.scale %w by %gamma dim 1 : tensor<16x8xf32>, tensor<8xf32>
    %y = llm.linear %n, %0 : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    ```
  }];
}

def RotInsertPass : Llm_Pass<"rot-insert"> {
  let summary = "Put webs of values into rotated bases, with conversions on their borders";
  let description = [{
    | site | what is rotated | by | online |
    |---|---|---|---|
    | R1 | the residual stream | signed Hadamard of the hidden size | nothing |
    | R2 | values, per head, up to the output projection | Hadamard of the head size | nothing |
    | R3 | queries and keys after RoPE, and the cached keys | Hadamard of the head size | q and new k |
    | R4 | the contraction inside the down projection, gated or not | Hadamard of the intermediate size | its input |

    A web ends at weights, which are converted offline. It goes through the model's state (`llm.state`): cached keys and
    values change basis, and with them the signature of the function. Every other argument and result stays standard.
    Where a web meets an op that needs the standard basis and that the table does not list as online, a conversion is
    inserted and a warning names the node. A site is left out, with a warning that names what is in its way, where that op
    is a norm whose scale cannot move (norms behind attention and MLP, on the way into the residual stream), a
    `llm.layer_norm` whose stream could not be centred, or an operator about which nothing is known; `strict` makes an
    error of that. A norm whose scale could move is an error: run `llm-fuse-norm-scale` first.

    R3 acts behind RoPE, so it does not matter whether that is partial or interleaved, nor whether queries and keys have norms
    before it; R2 and R4 do not see soft-caps, windows and masks.

    Example:
    ```mlir
    %h = llm.swiglu %g, %u : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %h, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    // becomes, with sites=R4
    %h = llm.swiglu %g, %u : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %0 = rot.convert %h : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
    %1 = rot.convert %w : tensor<4x8xf32> to tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
    %y = llm.linear %0, %1
      : (tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>, tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>)
      -> tensor<?x4xf32>
    ```
  }];
  let options = [
    ListOption<"sites", "sites", "std::string", "Which sites: R1, R2, R3, R4 (default: all four)">,
    DefaultOption<"seed", "seed", "int64_t", "7", "Seed of the signs of R1; 0: no signs">,
    DefaultOption<"strict", "strict", "bool", "false", "Fail where a site has to be left out">];
}

def RotAbsorbPass : Llm_Pass<"rot-absorb"> {
  let summary = "Move conversions of values into weights";
  let description = [{
    For conversions written by hand; `rot-insert` leaves none behind that could be absorbed. A conversion that leaves a
    basis moves into its readers, one that enters a basis into its writer, wherever all else that is tied to the dimension
    are weights. Nothing moves the other way: that would undo the online rotation of R4 by rotating its weight back.

    Example:
    ```mlir
    %0 = rot.convert %x : tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>> to tensor<?x8xf32>
    %y = llm.linear %0, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    // becomes
    %0 = rot.convert %w : tensor<4x8xf32> to tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
    %y = llm.linear %x, %0
      : (tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>, tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>)
      -> tensor<?x4xf32>
    ```
  }];
}

class Llm_LinearPass<string argument> : Llm_Pass<argument> {
  list<Option> linearOptions = [
    ListOption<"skip", "skip", "std::string",
               "Linears to leave alone: patterns with * and ? for the name of the node or for llm.role">,
    DefaultOption<"includeHead", "include-head", "bool", "false",
           "Also linears from which no other linear is reached: the head, which gives the logits">];
}

def QWeightsPass : Llm_LinearPass<"q-weights"> {
  let summary = "Quantize the weights of linears";
  let description = [{
    Every `llm.linear` over a weight expression reads the dequantized codes of its weight: the weight-only form.
    `q-activations` makes a linear of integers of it. The head stays as it is unless `include-head` is set.

    The codes of method "rtn" are symmetric, with one scale per output channel and group. The scale is the clipping ratio
    of 1, 0.99, ..., `steps` of them, that gives the least sum of |error|^`norm`.

    Example:
    ```mlir
    %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    // becomes
    %codes, %scale = q.quantize_weight %w
      {method = "rtn", options = {bits = 4 : i64, clip_norm = 2.4 : f64, clip_steps = 80 : i64, group_size = 0 : i64}}
      : tensor<4x8xf32> -> tensor<4x8xi4>, tensor<4x1xf32>
    %0 = q.dequantize %codes, %scale {group_size = 0 : i64} : (tensor<4x8xi4>, tensor<4x1xf32>) -> tensor<4x8xf32>
    %y = llm.linear %x, %0 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    ```
  }];
  let options = [
    DefaultOption<"bits", "bits", "int64_t", "4", "Bits per weight, 2 to 8; 16: leave weights alone">,
    DefaultOption<"groupSize", "group-size", "int64_t", "0", "Inputs that share a scale; 0: all of an output channel">,
    DefaultOption<"method", "method", "std::string", [{"rtn"}], "Name of a quantizer">,
    DefaultOption<"steps", "steps", "int64_t", "80", "Clipping ratios tried; 0: no clipping">,
    DefaultOption<"norm", "norm", "double", "2.4", "Exponent of the error that the clipping ratio minimises">]
    # linearOptions;
}

def QActivationsPass : Llm_LinearPass<"q-activations"> {
  let summary = "Quantize what linears read";
  let description = [{
    Codes are symmetric, one scale per token and group, found while the model runs: clip·absmax/(2^(bits-1) - 1). A linear
    over a quantized weight becomes a `q.linear`; over any other weight it reads the dequantized codes. Linears that read
    one value share its codes.

    Example:
    ```mlir
    %0 = q.dequantize %w, %ws {group_size = 0 : i64} : (tensor<4x8xi4>, tensor<4x1xf32>) -> tensor<4x8xf32>
    %y = llm.linear %x, %0 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    // becomes
    %codes, %scale = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
      : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xf32>)
    %y = q.linear %codes, %scale, %w, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
      : (tensor<?x8xi4>, tensor<?x1xf32>, tensor<4x8xi4>, tensor<4x1xf32>) -> tensor<?x4xf32>
    ```
  }];
  let options = [
    DefaultOption<"bits", "bits", "int64_t", "4", "Bits per value, 2 to 8; 16: leave activations alone">,
    DefaultOption<"groupSize", "group-size", "int64_t", "0", "Elements that share a scale; 0: all of a token">,
    DefaultOption<"clip", "clip", "double", "0.9", "Share of the range that the codes cover">] # linearOptions;
}

def QKvCachePass : Llm_Pass<"q-kv-cache"> {
  let summary = "Quantize the keys and values that enter the cache";
  let description = [{
    One scale per token, head and group, and a zero point unless `scheme` is sym. New rows are quantized before they are
    appended, and never again: the cache holds the values of their codes, and attention reads those. With `scale-type` f16
    codes are made with the scale as rounded, so that a cache can store it in 2 bytes.

    Example:
    ```mlir
    %k = llm.kv_append %past, %rows : (tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x3x?x64xf32>
    // becomes
    %codes, %scale, %zero = q.quantize_dynamic %rows {bits = 4 : i64, clip = 0.95 : f64, group_size = 0 : i64}
      : tensor<?x3x?x64xf32> -> (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>)
    %0 = q.dequantize %codes, %scale zero %zero {group_size = 0 : i64}
      : (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>) -> tensor<?x3x?x64xf32>
    %k = llm.kv_append %past, %0 : (tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x3x?x64xf32>
    ```

    `sinks`, `residual` and `keys=channel` make some tokens exact for some queries: attention becomes
    `llm.mixed_attention`, which says which (C9 of llm), and the cache of this form keeps exact rows. Keys per channel
    share a scale per head, channel and block of `residual` tokens (KIVI, arXiv:2402.02750); values stay per token.
    Kernels and ONNX have none of these.

    Example, with `bits=2 residual=128 keys=channel`:
    ```mlir
    %a = llm.attention %q, %k, %v mask %m {scale = 0.125 : f64} : ...
    // becomes
    %kc, %ks, %kz = q.quantize_dynamic %k {axis = -2 : i64, bits = 2 : i64, clip = 0.95 : f64, group_size = 128 : i64} : ...
    %kq = q.dequantize %kc, %ks zero %kz {axis = -2 : i64, group_size = 128 : i64} : ...
    %vc, %vs, %vz = q.quantize_dynamic %v {bits = 2 : i64, clip = 0.95 : f64, group_size = 0 : i64} : ...
    %vq = q.dequantize %vc, %vs zero %vz {group_size = 0 : i64} : ...
    %a = llm.mixed_attention %q, %kq, %vq exact %k, %v mask %m
         {key_block = 128 : i64, residual = 128 : i64, scale = 0.125 : f64, sinks = 0 : i64} : ...
    ```
  }];
  let options = [
    DefaultOption<"bits", "bits", "int64_t", "4", "Bits per value, 2 to 8; 16: leave the cache alone">,
    DefaultOption<"groupSize", "group-size", "int64_t", "0", "Elements that share a scale; 0: all of a head">,
    DefaultOption<"clip", "clip", "double", "0.95", "Share of the range that the codes cover">,
    DefaultOption<"scheme", "scheme", "std::string", [{"asym"}], "asym: with zero points; sym: without">,
    DefaultOption<"scaleType", "scale-type", "std::string", [{"f32"}], "Type of the scales: f32 or f16">,
    DefaultOption<"sinks", "sinks", "int64_t", "0", "First tokens of the cache that stay exact">,
    DefaultOption<"residual", "residual", "int64_t", "0", "Newest tokens that stay exact">,
    DefaultOption<"keys", "keys", "std::string", [{"token"}],
                  "token: keys have scales per token; channel: per channel and block of `residual` tokens">];
}

def LlmSpecializePass : Pass<"llm-specialize", "::mlir::ModuleOp"> {
  let summary = "A function for each phase of generation";
  let description = [{
    Every function in the form of a step (`llm-kv-lower`) is replaced by one per phase, called like it: `prefill`, any
    number of new tokens of every sequence, and `decode`, one token of every sequence and at most `rows` sequences. They
    share weights and caches; `tile-select` chooses kernels for each. Several numbers of `rows` give several functions for
    decoding, the smallest called `decode`, the others `decode_64`: kernels for few sequences waste nothing on absent ones.

    Example:
    ```mlir
    func.func @main(%ids: tensor<?x?xi64> {llm.input = "ids"}, ...)
    // becomes
    func.func @prefill(%ids: tensor<?x?xi64> {llm.input = "ids"}, ...) attributes {llm.phase = "prefill"}
    func.func @decode(%ids: tensor<?x?xi64> {llm.input = "ids"}, ...) attributes {llm.phase = "decode", tile.max_rows = 64 : i64}
    ```
  }];
  let options = [
    ListOption<"phases", "phase", "std::string", "Phases: prefill, decode (default: both)",
               "llvm::cl::list_init<std::string>({\"prefill\", \"decode\"})">,
    ListOption<"decodeRows", "rows", "int64_t", "Sequences that decode at a time, at most (default: 8,64)",
               "llvm::cl::list_init<int64_t>({8, 64})">];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}
#endif
