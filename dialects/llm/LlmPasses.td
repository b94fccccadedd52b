//===- LlmPasses.td - passes over the llm dialect ------------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef LLM_PASSES
#define LLM_PASSES
include "mlir/Pass/PassBase.td"

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
    | R4 | the contraction inside the down projection | Hadamard of the intermediate size | its input |

    A web ends at weights, which are converted offline. It goes through the model's state (`llm.state`): cached keys and
    values change basis, and with them the signature of the function. Every other argument and result stays standard.
    Where a web meets an op that needs the standard basis and that the table does not list as online, a conversion is
    inserted and a warning names the node. A norm in the residual stream that still has a scale is an error: run
    `llm-fuse-norm-scale` first.

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
    Option<"seed", "seed", "int64_t", "7", "Seed of the signs of R1; 0: no signs">];
}
#endif
