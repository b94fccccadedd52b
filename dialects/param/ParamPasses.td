//===- ParamPasses.td - passes over parameters ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef PARAM_PASSES
#define PARAM_PASSES
include "PassOptions.td"

def ParamHoistPass : Pass<"param-hoist", "::mlir::ModuleOp"> {
  let summary = "Outline weight expressions into param.derived";
  let description = [{
    Every weight expression that something else reads becomes a `param.derived` beside the functions, which load it by
    name. Expressions with equal bodies share one, across functions too. An op that ends an expression and only makes it
    larger (`q.dequantize`) stays in the function; what it reads is outlined.

    The name is that of the first parameter the expression loads and the role of its last op:
    `model.layers.0.mlp.gate_proj.weight.w4`. Where another expression has it already (a tied weight, rotated in two
    ways), the roles of all ops are named (`lm_head.weight.scaled_rotated`), and where that is taken as well, a hash of
    the body is appended. So a name depends on what is computed, not on how many came before.

    Example:
    ```mlir
    %0 = param.load @w : tensor<8x16xf32>
    %1 = param.transpose %0 : tensor<8x16xf32> to tensor<16x8xf32>
    %y = llm.linear %x, %1 : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    // becomes
    param.derived @w.transposed {
      %0 = param.load @w : tensor<8x16xf32>
      %1 = param.transpose %0 : tensor<8x16xf32> to tensor<16x8xf32>
      param.yield %1 : tensor<16x8xf32>
    }
    %0 = param.load @w.transposed : tensor<16x8xf32>
    %y = llm.linear %x, %0 : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    ```
  }];
}

def ParamMaterializePass : Pass<"param-materialize", "::mlir::ModuleOp"> {
  let summary = "Compute every param.derived into a file";
  let description = [{
    Streams all `param.derived` into one file of raw tensors (4096-byte aligned, row-major, little-endian, 4-bit codes
    packed two to a byte, the first in the low nibble: what ONNX external data can name) and leaves `param.global`s of
    it. A file whose name ends in `.safetensors` gets that format, which has no 4-bit elements: `q.pack` makes bytes. A derived parameter of one value keeps its name; one of several becomes one global per value, named
    `<name>.codes`, `<name>.scale`, ...

    Units whose rows are independent are cut into chunks of rows, so the working set stays within `max-memory` however
    large the weights are; a unit that cannot be cut and needs more runs alone. The bytes depend neither on `threads`
    nor on `max-memory`. The file appears under its name when it is complete; on errors and signals nothing stays.

    Example:
    ```mlir
    param.derived @w.w4 { ... param.yield %codes, %scale : tensor<16x8xi4>, tensor<16x1xf32> }
    // becomes, with output=out.bin
    param.file @f1 "out.bin"
    param.global @w.w4.codes : tensor<16x8xi4> from @f1 [offset = 0, length = 64]
    param.global @w.w4.scale : tensor<16x1xf32> from @f1 [offset = 4096, length = 64]
    ```
  }];
  let options = [
    Option<"output", "output", "std::string", "", "The file to write">,
    DefaultOption<"threads", "threads", "unsigned", "0", "Threads; 0: one per core">,
    DefaultOption<"maxMemory", "max-memory", "uint64_t", "128", "Working memory of all threads together, in MiB">,
    DefaultOption<"plan", "plan", "bool", "false", "Print sizes and memory on stderr before weights are computed">,
  ];
  let dependentDialects = ["::quantopt::param::ParamDialect"];
}

def ParamPlanPass : Pass<"param-plan", "::mlir::ModuleOp"> {
  let summary = "Print what param-materialize would read, write and hold";
  let description = [{
    A table on stderr, one line per `param.derived`: chunks, bytes read and written, memory; then the sum and about how
    long it will take. Nothing is read or changed. Run `param-hoist` before, which makes the units.
  }];
  let options = [
    DefaultOption<"threads", "threads", "unsigned", "0", "Threads; 0: one per core">,
    DefaultOption<"maxMemory", "max-memory", "uint64_t", "128", "Working memory of all threads together, in MiB">,
  ];
}

def ParamDcePass : Pass<"param-dce", "::mlir::ModuleOp"> {
  let summary = "Remove parameters and files that nothing uses";
  let description = [{
    A use is a symbol reference in an attribute or within a type: `#rot.diagonal<@scale, 1536>` keeps `@scale`, which
    symbol-dce would delete. References from parameters that are themselves unused do not count.
  }];
}
#endif
