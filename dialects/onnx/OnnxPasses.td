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
    | `llm.embedding` | Gather of a weight matrix, axis 0; GatherBlockQuantized |
    | `llm.linear` | MatMul, Gemm, FusedMatMul or FusedGemm with a weight matrix, MatMulNBits, and the Add of a bias |
    | weights of these | parameters behind Transpose, Reshape, Cast, DequantizeLinear; codes become `q.dequantize`, of `q.unpack` where they are packed |
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

    Before that, the branch that an If takes, as far as types and constants tell, takes its place; of a merged decoder
    (`use_cache_branch`) the branch that reads a cache does.

    With `verify`, each function runs before and after on random inputs in f64: a prefill, a decode step and a chunk, with
    padding or sequences of several lengths. A result whose relative mean square error exceeds 1e-20 is an error that names
    it. Where no inputs can be made, or the function cannot be executed, a remark says why. The environment variable
    QUANTOPT_VERIFY_RECOGNITION=1 asks for that wherever the pass runs, in presets and in other programs too.

    Example:
    ```mlir
    %t = onnx.Transpose(%w) {perm = array<i64: 1, 0>} : (tensor<16x8xf32>) -> tensor<8x16xf32>
    %y = onnx.MatMul(%x, %t) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
    // becomes
    %y = llm.linear %x, %w : (tensor<?x?x8xf32>, tensor<16x8xf32>) -> tensor<?x?x16xf32>
    ```
  }];
  let options = [
    DefaultOption<"summary", "summary", "bool", "false", "Remark how many layers were recognised and what is left">,
    DefaultOption<"verify", "verify", "bool", "false",
                  "Run each function before and after in f64, and fail where results differ">];
  let dependentDialects = ["::quantopt::llm::LlmDialect", "::quantopt::param::ParamDialect", "::quantopt::q::QDialect"];
}

def PrintShapesPass : Pass<"onnx-print-shapes", "::mlir::func::FuncOp"> {
  let summary = "Remark the symbolic shape of every value";
  let description = [{
    The dimensions of every tensor in terms of those that the arguments name, and the elements of small integer tensors
    that are computed from them: what patterns go by. Unknown integers are ?0, ?1, ...

    Example:
    ```mlir
    // remark: [2] = {batch, -1}
    // remark: [batch, 64*past + 64*seq]
    %y = onnx.Reshape(%x, %shape) : (tensor<?x?x64xf32>, tensor<2xi64>) -> tensor<?x?xf32>
    ```
  }];
}

def LlmToOnnxPass : Pass<"llm-to-onnx", "::mlir::ModuleOp"> {
  let summary = "Rewrite llm, q and online rot.convert ops as nodes of opset 21";
  let description = [{
    What `emit-onnx` does to its copy of the module before weights are computed. Only standard operators come out, but for
    `com.microsoft::MatMulNBits` (weight-only linears with groups of 16, 32, ..., 256) and the model-local function
    `quantopt::HadamardTransform` (online rotations of sizes such as 1536 = 12·128; those of a power of two up to 256 are
    one product with Sylvester's matrix). The forms of quantizers are those that onnxruntime was found to
    compute exactly, with and without optimisations:

    ```
    s = Max(Div(Mul(ReduceMax(Abs(x)), clip), 7), 1e-8)                       activations, per token or group
    q = QuantizeLinear(x, s, axis = -1, block_size, output_dtype = INT4)
    y = Mul(Mul(MatMul(Cast(q), Cast(w)), s), ws)                             exact integer sums, below 2^24 in f32
    y = MatMul(DequantizeLinear(q, s), DequantizeLinear(w, ws))               group scales
    d = DequantizeLinear(QuantizeLinear(k, s, z), s, z)                       new rows of a cache; past rows stay
    ```

    Weight expressions stay and are read by the nodes: `q.pack` ends those of quantized weights. Nodes of older opsets are
    brought to 21, or refused by name. The bases of the model's state are recorded in `metadata_props`
    (`quantopt.state.l0.k`).
  }];
  let options = [DefaultOption<"accuracyLevel", "accuracy-level", "int64_t", "0",
                               "accuracy_level of MatMulNBits nodes; 0: computes in f32, 4: quantizes activations to 8 bits">];
  let dependentDialects = ["::quantopt::onnx::OnnxDialect", "::quantopt::param::ParamDialect", "::quantopt::q::QDialect",
                           "::mlir::func::FuncDialect"];
}

def EmitOnnxPass : Pass<"emit-onnx", "::mlir::ModuleOp"> {
  let summary = "Write the module as an ONNX model";
  let description = [{
    A module of `onnx` ops alone is written by changing the file it was imported from, so that what is the same keeps its
    bytes. Any other is lowered on a copy (`llm-to-onnx`), and all its weights are computed into `<output>.data`
    (`param-hoist`, `param-materialize`). The tokenizer and the configuration beside the source model are copied. Inputs
    and outputs keep their names, order and dimensions; a rotated cache cannot be exchanged with that of the original.

    The IR stays as it is. Files appear under their names when they are complete; on errors nothing stays. The bytes depend
    neither on `threads` nor on `max-memory`.
  }];
  let options = [
    Option<"output", "output", "std::string", "", "The .onnx file to write">,
    DefaultOption<"threads", "threads", "unsigned", "0", "Threads; 0: one per core">,
    DefaultOption<"maxMemory", "max-memory", "uint64_t", "128", "Working memory of all threads together for weights, in MiB">,
    DefaultOption<"plan", "plan", "bool", "false", "Print sizes and memory on stderr before weights are computed">,
    DefaultOption<"accuracyLevel", "accuracy-level", "int64_t", "0",
                  "accuracy_level of MatMulNBits nodes; 0: computes in f32, 4: quantizes activations to 8 bits">,
  ];
}
#endif
