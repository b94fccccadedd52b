//===- OnnxPasses.td - passes over the onnx dialect --------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef ONNX_PASSES
#define ONNX_PASSES
include "PassOptions.td"

def RecognizePass : Pass<"llm-recognize", "::mlir::ModuleOp"> {
  let summary = "Turn the nodes of an exporter's graph into the layers of a decoder";
  let description = [{
    Patterns match or leave alone: what is not recognised stays an `onnx` node, which runs and is emitted as it is.
    Patterns are anchored on weights (`param.load`) and follow dataflow, never names:

    | layer | nodes |
    |---|---|
    | `llm.embedding` | Gather of a weight matrix, axis 0 |
    | `llm.linear` | MatMul with a weight matrix, stored [in, out] or transposed by a node, and the Add of a bias |
    | `llm.rms_norm` | square, ReduceMean of the last dimension, Add eps, Sqrt, then Div or Reciprocal and Mul, and Mul by a weight |
    | `llm.split_heads`, `llm.merge_heads` | Reshape and Transpose(0, 2, 1, 3), Transpose and Reshape |
    | `llm.rope` | x·cos + rotate_half(x)·sin; cos and sin stay what the graph computes |
    | `llm.kv_append` | Concat of an argument and new rows along dimension 2 that is a result |
    | `llm.attention` | the repetition of cache heads, q kᵀ, scale, additive mask, Softmax, product with v |
    | `llm.swiglu` | g·sigmoid(g)·u |
    | `llm.residual_add` | Add of a linear's result to a value of the same shape |

    A pattern is left alone when a value inside it is read elsewhere. Masks and position tables remain nodes. Layers take
    the location of the node that anchors them, and `llm.role` says which layer of the decoder they are: `embed`,
    `layers.0.{input_norm, q_proj, k_proj, v_proj, o_proj, post_norm, gate_proj, up_proj, down_proj}`, `final_norm`,
    `head`. Arguments and results that are caches get `llm.state`. The function becomes `rot.strict`.

    Example:
    ```mlir
    %t = onnx.Transpose(%w) {perm = array<i64: 1, 0>} : (tensor<16x8xf32>) -> tensor<8x16xf32>
    %y = onnx.MatMul(%x, %t) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
    // becomes
    %y = llm.linear %x, %w : (tensor<?x?x8xf32>, tensor<16x8xf32>) -> tensor<?x?x16xf32>
    ```
  }];
  let options = [DefaultOption<"summary", "summary", "bool", "false", "Remark how many layers were recognised and what is left">];
  let dependentDialects = ["::quantopt::llm::LlmDialect", "::quantopt::param::ParamDialect"];
}
#endif
