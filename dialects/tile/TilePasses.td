//===- TilePasses.td - from layers to kernels ------------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef TILE_PASSES
#define TILE_PASSES
include "PassOptions.td"

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
    | `llm.embedding` | `tile.embedding` |
    | `llm.rms_norm` and the `llm.linear` that alone reads it (the head) | `tile.norm`, `tile.gemm_f16`, both in f16 |
    | `llm.linear` of f16 or bf16; over `q.dequantize` of 4-bit codes | `tile.gemm_f16`; `tile.gemm_w4a16` |

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
    Lowers a copy of the module (`tile-select`, `tile-lower`), which stays as it is, and writes a folder:

    | file | contents |
    |---|---|
    | `kernels.ptx` | every kernel once, for one architecture |
    | `weights.safetensors` | the weights that kernels read, in the order they read them, and scales |
    | `plan.json` | kernels with block, shared memory, grid and arguments; launches in the order of the graph; sizes and hashes |
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
    DefaultOption<"threads", "threads", "unsigned", "0", "Threads; 0: one per core">,
    DefaultOption<"maxMemory", "max-memory", "uint64_t", "128", "Working memory of all threads together for weights, in MiB">,
    DefaultOption<"plan", "plan", "bool", "false", "Print sizes and memory on stderr before weights are computed">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::quantopt::param::ParamDialect", "::quantopt::q::QDialect",
                           "::quantopt::tile::TileDialect"];
}
#endif
