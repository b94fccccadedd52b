// RUN: rm -rf %t && mkdir -p %t && cd %t && cp %s in.mlir
// RUN: %python -c "open('w.bin', 'wb').write(bytes(range(64)) * 24)"
// RUN: quant-opt in.mlir --emit-bundle=output=new/bundle 2>&1 | FileCheck %s --check-prefix=WARNING --implicit-check-not=param.file
// WARNING: warning: emit-bundle: no kernel yet for llm.rms_norm (2); plan.json lists them as unlowered
// RUN: ls new new/bundle | FileCheck %s --check-prefix=FILES
// FILES:      new:
// FILES-NEXT: bundle
// FILES-NOT:  tmp
// FILES:      kernels.ptx
// FILES-NEXT: plan.json
// FILES-NEXT: weights.safetensors

// RUN: FileCheck %s --check-prefix=PTX --input-file=new/bundle/kernels.ptx
// PTX: .target sm_80
// One kernel for both linears.
// PTX:     .visible .entry quant_
// PTX:     .visible .entry gemm_w4a4
// PTX-NOT: .visible .entry
// PTX-NOT: .extern .func

// RUN: FileCheck %s --check-prefix=PLAN --input-file=new/bundle/plan.json
// PLAN:      "format": "quantopt-bundle"
// PLAN-NEXT: "version": 2
// PLAN-NEXT: "arch": "sm_80"
// PLAN-NEXT: "ptx_version": "{{[0-9.]+}}"
// PLAN:      "kernels.ptx": {
// PLAN-NEXT: "bytes": {{[0-9]+}}
// PLAN-NEXT: "sha256": "{{[0-9a-f]+}}"
// PLAN:      "weights.safetensors": {
// PLAN:      "kernels": [
// PLAN-NEXT: {
// PLAN-NEXT: "name": "[[QUANT:quant[a-z0-9_]+]]"
// PLAN:      "name": "[[KERNEL:gemm_w4a4[a-z0-9_]+]]"
// PLAN-NEXT: "block": {{[0-9]+}}
// PLAN-NEXT: "dynamic_shared_bytes": {{[0-9]+}}
// PLAN-NEXT: "grid": {
// PLAN-NEXT: "x": 1,
// PLAN-NEXT: "y": {
// PLAN-NEXT: "rows": {{[0-9]+}}
// PLAN:      "arguments": [
// PLAN-NEXT: {
// PLAN-NEXT: "name": "input"
// PLAN-NEXT: "is": "input"
// PLAN-NEXT: "dtype": "i4"
// PLAN-NEXT: "columns": 16
// PLAN-NEXT: "row_bytes": 32
// PLAN:      "name": "input_scale"
// PLAN:      "name": "weight"
// PLAN-NEXT: "is": "weight"
// PLAN-NEXT: "dtype": "ui8"
// PLAN-NEXT: "shape": [
// PLAN-NEXT: 2,
// PLAN-NEXT: 512
// PLAN-NEXT: ],
// PLAN-NEXT: "layout": "m16n8k64.s4"
// PLAN:      "name": "weight_scale"
// PLAN:      "name": "result"
// PLAN-NEXT: "is": "result"
// PLAN:      "name": "rows"
// PLAN-NOT:  "block"
// PLAN:      "phases": [
// PLAN-NEXT: {
// PLAN-NEXT: "name": "main"
// PLAN-NEXT: "max_rows": null
// Codes of 64 filled up to 32 bytes, a scale, and two results of 24 floats; all live at once.
// PLAN-NEXT: "arena_row_bytes": 240
// PLAN-NEXT: "tail": 0
// PLAN-NEXT: "buffers": {
// PLAN-NEXT: "argument0": {
// PLAN:      "activate.quant.0": {
// PLAN-NEXT: "dtype": "i4"
// PLAN:      "row_bytes": 32
// PLAN-NEXT: "offset": 192
// PLAN:      "first.gemm_w4a4": {
// PLAN:      "offset": 0
// PLAN:      "inputs": {
// PLAN-NEXT: "argument0": "argument0"
// PLAN-NEXT: }
// PLAN-NEXT: "outputs": {}
// PLAN-NEXT: "launches": [
// PLAN-NEXT: {
// PLAN-NEXT: "kernel": "[[QUANT]]"
// PLAN-NEXT: "node": "activate"
// PLAN:      "kernel": "[[KERNEL]]"
// PLAN-NEXT: "node": "first"
// PLAN-NEXT: "role": "layers.0.gate_proj"
// PLAN-NEXT: "arguments": [
// PLAN:      "activation": "activate.quant.0"
// PLAN:      "activation": "activate.quant.1"
// PLAN:      "weight": "w.w4.codes"
// PLAN:      "weight": "w.w4.scale"
// PLAN:      "activation": "first.gemm_w4a4"
// PLAN:      "node": "second"
// PLAN:      "unlowered": [
// PLAN-NEXT: {
// PLAN-NEXT: "op": "llm.rms_norm"
// PLAN-NEXT: "count": 2

// Kernels for few rows read the same weights.
// RUN: quant-opt in.mlir --emit-bundle="output=few max-rows=8" && cmp new/bundle/weights.safetensors few/weights.safetensors
// RUN: FileCheck %s --check-prefix=FEW --input-file=few/plan.json
// FEW: "name": "gemm_decode
// FEW: "max_rows": 8

// The same bytes for any number of threads, and again in place of the bundle that is there.
// RUN: quant-opt in.mlir --emit-bundle="output=other threads=3 max-memory=0" && diff -r new/bundle other
// RUN: quant-opt in.mlir --emit-bundle=output=other/ && diff -r new/bundle other
// The IR is left as it is.
// RUN: quant-opt in.mlir > before.mlir && quant-opt in.mlir --emit-bundle=output=other -o - > after.mlir && cmp before.mlir after.mlir

// RUN: not quant-opt in.mlir --emit-bundle 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: emit-bundle needs the folder to write: --emit-bundle=output=DIR
// RUN: mkdir -p taken && cp w.bin taken && not quant-opt in.mlir --emit-bundle=output=taken 2>&1 | FileCheck %s --check-prefix=TAKEN
// TAKEN: error: emit-bundle: cannot write 'taken': it exists and is not a bundle, for it has no plan.json; choose another folder, or remove it
// RUN: not quant-opt in.mlir --emit-bundle="output=no arch=sm_12" 2>&1 | FileCheck %s --check-prefix=ARCH
// ARCH: error: {{.*}}sm_12
// RUN: echo "func.func @main() { return }" > empty.mlir
// RUN: not quant-opt empty.mlir --emit-bundle=output=no 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY: error: emit-bundle: nothing in the module has a kernel; quantize weights and activations first, as --quarot does
// RUN: quant-opt in.mlir --tile-select=arch=sm_86 -o selected.mlir
// RUN: not quant-opt selected.mlir --emit-bundle="output=no arch=sm_80" 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: emit-bundle: this kernel is built for sm_86, but the bundle for sm_80
// A weight that cannot be read.
// RUN: mkdir -p cut && cp in.mlir cut && %python -c "open('cut/w.bin', 'wb').write(bytes(100))"
// RUN: not quant-opt cut/in.mlir --emit-bundle=output=no 2>&1 | FileCheck %s --check-prefix=CUT
// CUT: error: cannot compute parameter 'w.w4': tensor 'w'
// Nothing is left of any of them.
// RUN: ls | FileCheck %s --check-prefix=LEFT
// LEFT-NOT: {{no|tmp}}

param.file @f "w.bin"
param.global @w : tensor<24x16xf32> from @f [offset = 0, length = 1536]
func.func @main(%x: tensor<?x?x16xf32>, %g: tensor<24xf32>) -> (tensor<?x?x24xf32>, tensor<?x?x24xf32>) {
  %codes, %scale = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
    : tensor<?x?x16xf32> -> (tensor<?x?x16xi4>, tensor<?x?x1xf32>) loc("activate")
  %w = param.load @w : tensor<24x16xf32>
  %wc, %ws = q.quantize_weight %w {method = "rtn", options = {bits = 4, clip_steps = 0}}
    : tensor<24x16xf32> -> tensor<24x16xi4>, tensor<24x1xf32>
  %0 = q.linear %codes, %scale, %wc, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64, llm.role = "layers.0.gate_proj"}
    : (tensor<?x?x16xi4>, tensor<?x?x1xf32>, tensor<24x16xi4>, tensor<24x1xf32>) -> tensor<?x?x24xf32> loc("first")
  %1 = q.linear %codes, %scale, %wc, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64, llm.role = "layers.0.up_proj"}
    : (tensor<?x?x16xi4>, tensor<?x?x1xf32>, tensor<24x16xi4>, tensor<24x1xf32>) -> tensor<?x?x24xf32> loc("second")
  // A scale that is in no weight.
  %2 = llm.rms_norm %0 scale %g : tensor<24xf32> {eps = 1.0e-5 : f64} : tensor<?x?x24xf32> -> tensor<?x?x24xf32>
  %3 = llm.rms_norm %1 scale %g : tensor<24xf32> {eps = 1.0e-5 : f64} : tensor<?x?x24xf32> -> tensor<?x?x24xf32>
  return %2, %3 : tensor<?x?x24xf32>, tensor<?x?x24xf32>
}
