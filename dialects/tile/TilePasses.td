//===- TilePasses.td - from layers to kernels ------------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef TILE_PASSES
#define TILE_PASSES
include "PassOptions.td"

def KvLowerPass : Pass<"llm-kv-lower", "::mlir::ModuleOp"> {
  let summary = "Put keys and values into a packed cache, and attention over it";
  let description = [{
    Rewrites every function with `llm.attention` into the form of a step: the model over B sequences of S new tokens each,
    whose caches are memory that a runtime owns.

    | arguments | |
    |---|---|
    | token ids [B, S] | as before, `llm.input = "ids"` |
    | `sequences` [B, 4] i32 | {past, start, S, 0} of each: tokens in the cache, of which `start` are padding |
    | `pages` [B, max-context / page] i32 | `layout=paged`: the page of the cache that holds tokens `page`·i and on |
    | keys and values of a layer, [pages, heads, bytes] ui8 | `llm.state`; the order of a `numerics::KvLayout` |

    `llm.rope`, R3, the quantizers of the cache and `llm.kv_append` become `tile.rope_append`, `llm.attention` becomes
    `tile.attention`; both get a kernel's configuration from `tile-select`. A cache of a function without quantizers is
    f16.

    That the graph's mask is causal with padding on the left (and a sliding window), and that its cosines and sines are
    functions of the position alone, is proved by evaluating them with lib/Interp for several shapes; the cosines and
    sines become parameters with the bits that the graph computes. What is anything else is an error that names the node.

    Example:
    ```mlir
    %k1 = llm.kv_append %past, %k : (tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x3x?x64xf32>
    %a = llm.attention %q, %k1, %v1 mask %m {scale = 0.125 : f64} : ... -> tensor<?x9x?x64xf32>
    // becomes
    %q1, %k1, %v1 = tile.rope_append %q, %k, %v, %cos, %sin, %sequences, %keys, %values {cache = #tile.cache<...>} : ...
    %a = tile.attention %q1, %sequences, %k1, %v1 {scale = 0.125 : f64, cache = #tile.cache<...>} : ...
    ```
  }];
  let options = [
    DefaultOption<"layout", "layout", "std::string", [{"contiguous"}],
                  "contiguous: a sequence has a page of its own for all of its context; paged: a table of pages">,
    DefaultOption<"page", "page", "int64_t", "64", "Tokens of a page (paged), a multiple of 16">,
    DefaultOption<"maxContext", "max-context", "int64_t", "2048", "Tokens of a sequence at most, a multiple of 16">];
  let dependentDialects = ["::quantopt::tile::TileDialect", "::quantopt::param::ParamDialect"];
}

def TileSelectPass : Pass<"tile-select", "::mlir::ModuleOp"> {
  let summary = "Choose a kernel and its configuration for every op that has one";
  let description = [{
    Quantized linears and what stands around them become ops of the `tile` dialect; `q.pack` puts their weights in the
    order that the kernel reads. Configurations come from a checked-in table by architecture, op and shape; an attribute
    `tile.config` on an op overrides it. Ops that have no kernel stay. A function's attribute `tile.max_rows` overrides
    `max-rows` for it.

    | ops | kernel |
    |---|---|
    | `q.linear`, and the `llm.residual_add` that alone reads it | `tile.gemm_w4a4`, `gemm_w4a8`, `gemm_w8a8`; `gemm_decode` for few rows |
    | `llm.residual_add`, `llm.rms_norm`, `rot.convert`, `q.quantize_dynamic` | `tile.norm_quant` |
    | `llm.swiglu`, `rot.convert`, `q.quantize_dynamic` | `tile.swiglu_quant` |
    | `rot.convert`, `q.quantize_dynamic` of anything else | `tile.quant` |
    | `llm.residual_add`, `llm.rms_norm`; `llm.swiglu`, `rot.convert` | `tile.norm`; `tile.swiglu` |
    | `llm.embedding` | `tile.embedding` |
    | `llm.linear` of f16 or bf16; over `q.dequantize` of 4-bit codes | `tile.gemm_f16`; `tile.gemm_w4a16` |
    | `tile.rope_append`, `tile.attention` without a configuration | the same with one; in the phase `decode` `tile.attention_decode`, `attention_combine` |

    A linear of f32 reads f16 where a norm, a SwiGLU or attention makes its input: that kernel writes f16, for all such
    linears at once. Sums, residuals and results stay in f32.

    In a function made by `llm-specialize`, `tile.max_rows` stands in for `max-rows`.

    Example:
    ```mlir
    %y = q.linear %x, %xs, %w, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
      : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<1536x576xi4>, tensor<1536x1xf32>) -> tensor<?x1536xf32>
    // becomes
    %p, %ps = q.pack %w, %ws {layout = "m16n8k64.s4", group_size = 0 : i64}
      : (tensor<1536x576xi4>, tensor<1536x1xf32>) -> (tensor<96x4608xui8>, tensor<96x16xf32>)
    %y = tile.gemm_w4a4 %x, %xs, %p, %ps {config = #tile.gemm<arch = sm_80, ...>}
      : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
    ```
  }];
  let options = [
    DefaultOption<"arch", "arch", "std::string", [{"sm_80"}], "Architecture: sm_75, sm_80, sm_86, sm_87, sm_89, sm_90a, "
                  "sm_100a or sm_120a">,
    DefaultOption<"maxRows", "max-rows", "int64_t", "0",
                  "Rows of a launch at most; up to 64: kernels for decoding; 0: any number">,
    DefaultOption<"report", "report", "bool", "false", "Remark what was chosen for each op, and why">];
  let dependentDialects = ["::quantopt::tile::TileDialect", "::quantopt::q::QDialect"];
}

def TileLowerPass : Pass<"tile-lower", "::mlir::ModuleOp"> {
  let summary = "Build the kernel of every tile op";
  let description = [{
    Makes one `gpu.func` per distinct kernel name in `gpu.module @kernels` and records `kernel = @kernels::@name` on the
    ops. Arguments are the operands in order (absent ones left out), the results, and the number of rows; pointers are
    global and aligned to 16 bytes.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def EmitBundlePass : Pass<"emit-bundle", "::mlir::ModuleOp"> {
  let summary = "Write kernels, packed weights and a plan of launches for a GPU";
  let description = [{
    Lowers a copy of the module, which stays as it is, and writes a folder. A model with attention first gets the form of a
    step and two phases (`llm-kv-lower`, `llm-specialize`); where that is refused, a warning says why, and its attention
    has no kernels. Then `tile-select` and `tile-lower` choose and build kernels.

    | file | contents |
    |---|---|
    | `kernels.ptx` | every kernel once, for one architecture |
    | `weights.safetensors` | the weights that kernels read, in the order they read them, and scales |
    | `plan.json` | kernels with block, shared memory, grid and arguments; launches in order and places of activations for each phase; sizes and hashes |
    | `model.mlir` | the tile ops over those weights, for lib/Interp; only where every op has a kernel |
    | `tokenizer.json`, ... | as they lie beside the source model |

    Ops that have no kernel yet are listed in the plan as `unlowered`, and named in a warning.

    The folder appears under its name when it is complete, and replaces a bundle that has it; on errors nothing stays.
    The bytes depend neither on `threads` nor on `max-memory`.
  }];
  let options = [
    Option<"output", "output", "std::string", "", "The folder to write">,
    DefaultOption<"arch", "arch", "std::string", [{"sm_80"}], "Architecture: sm_75, sm_80, sm_86, sm_87, sm_89, sm_90a, "
                  "sm_100a or sm_120a">,
    DefaultOption<"maxRows", "max-rows", "int64_t", "0",
                  "Rows of a launch at most; up to 64: kernels for decoding; 0: any number">,
    DefaultOption<"layout", "layout", "std::string", [{"contiguous"}],
                  "Caches. contiguous: a sequence has a page of its own for all of its context; paged: a table of pages">,
    DefaultOption<"page", "page", "int64_t", "64", "Tokens of a page (paged), a multiple of 16">,
    DefaultOption<"maxContext", "max-context", "int64_t", "2048", "Tokens of a sequence at most, a multiple of 16">,
    ListOption<"decodeRows", "decode-rows", "int64_t", "Sequences that decode at a time, at most (default: 8,64)",
               "llvm::cl::list_init<int64_t>({8, 64})">,
    DefaultOption<"threads", "threads", "unsigned", "0", "Threads; 0: one per core">,
    DefaultOption<"maxMemory", "max-memory", "uint64_t", "128", "Working memory of all threads together for weights, in MiB">,
    DefaultOption<"plan", "plan", "bool", "false", "Print sizes and memory on stderr before weights are computed">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::quantopt::param::ParamDialect", "::quantopt::q::QDialect",
                           "::quantopt::tile::TileDialect"];
}
#endif
