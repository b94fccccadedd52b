// RUN: rm -rf %t && mkdir -p %t && cd %t && cp %s in.mlir
// RUN: %python -c "open('w.bin', 'wb').write(bytes(range(64)) * 224)"
// RUN: quant-opt in.mlir --emit-bundle="output=bundle plan=true" -o /dev/null 2>&1 | FileCheck %s --check-prefix=SUMMARY
// SUMMARY: main: 5 launches, [[BYTES:[0-9]+]] bytes of activations per row
// SUMMARY: few: 5 launches, [[BYTES]] bytes of activations per row

// A phase per function, each with kernels for its own number of rows; they read the same weights.
// RUN: FileCheck %s --input-file=bundle/plan.json
// CHECK:      "model": null
// CHECK-NEXT: "caches": []
// CHECK:      "phases": [
// CHECK-NEXT: {
// CHECK-NEXT: "name": "main"
// CHECK-NEXT: "max_rows": null
// CHECK:      "tail": 0
// CHECK:      "tokens": {
// CHECK-NEXT: "dtype": "i64"
// CHECK-NEXT: "shape": [
// CHECK-NEXT: null
// CHECK-NEXT: ],
// CHECK-NEXT: "row_bytes": 8
// CHECK-NEXT: }
// CHECK:      "embed.embedding": {
// CHECK:      "offset": [[STREAM:[0-9]+]]
// A sum takes the place of the addend that nothing reads later, and so does the next one.
// CHECK:      "first.gemm_w4a4": {
// CHECK:      "offset": [[STREAM]],
// CHECK-NEXT: "in_place_of": "embed.embedding"
// The caller's result has no place.
// CHECK:      "second.gemm_w4a4": {
// CHECK:      "row_bytes": 128
// CHECK-NEXT: }
// CHECK:      "inputs": {
// CHECK-NEXT: "tokens": "tokens"
// CHECK:      "outputs": {
// CHECK-NEXT: "sum": "second.gemm_w4a4"
// CHECK:      "name": "few"
// CHECK-NEXT: "max_rows": 8
// CHECK:      "kernel": "gemm_decode
// CHECK:      "unlowered": []

// The model for the CPU: functions with tile ops, weights in the file beside it, no trace of where it was made.
// RUN: FileCheck %s --check-prefix=MODEL --input-file=bundle/model.mlir --implicit-check-not=gpu.module --implicit-check-not=param.derived --implicit-check-not=in.mlir
// MODEL:      param.file @{{.*}} "weights.safetensors"
// MODEL:      param.global @table
// MODEL:      param.global @w.w4.codes
// MODEL:      param.global @w.w4.scale
// MODEL-LABEL: func.func @main
// MODEL:      param.load @w.w4.codes
// MODEL:      tile.gemm_w4a4
// MODEL-NOT:  kernel =
// MODEL-LABEL: func.func @few
// MODEL-SAME: tile.max_rows = 8
// MODEL:      tile.gemm_decode
// MODEL:      loc("first")
// A bundle of it is the bundle.
// RUN: quant-opt bundle/model.mlir --emit-bundle=output=again -o /dev/null && diff -r bundle again

param.file @f "w.bin"
param.global @w : tensor<32x32xf32> from @f [offset = 0, length = 4096]
param.global @table : tensor<64x32xf32> from @f [offset = 4096, length = 8192]
func.func @main(%ids: tensor<?xi64> {onnx.name = "tokens"}) -> (tensor<?x32xf32> {onnx.name = "sum"}) {
  %table = param.load @table : tensor<64x32xf32>
  %w = param.load @w : tensor<32x32xf32>
  %wc, %ws = q.quantize_weight %w {method = "rtn", options = {bits = 4, clip_steps = 0}}
    : tensor<32x32xf32> -> tensor<32x32xi4>, tensor<32x1xf32>
  %x = llm.embedding %ids, %table : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32> loc("embed")
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x32xf32> -> tensor<?x32xf32>
  %c, %s = q.quantize_dynamic %n {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
    : tensor<?x32xf32> -> (tensor<?x32xi4>, tensor<?x1xf32>) loc("activate")
  %l = q.linear %c, %s, %wc, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x32xi4>, tensor<?x1xf32>, tensor<32x32xi4>, tensor<32x1xf32>) -> tensor<?x32xf32> loc("first")
  %r = llm.residual_add %x, %l : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32> loc("first")
  %n2 = llm.rms_norm %r {eps = 1.0e-5 : f64} : tensor<?x32xf32> -> tensor<?x32xf32>
  %c2, %s2 = q.quantize_dynamic %n2 {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
    : tensor<?x32xf32> -> (tensor<?x32xi4>, tensor<?x1xf32>) loc("activate2")
  %l2 = q.linear %c2, %s2, %wc, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x32xi4>, tensor<?x1xf32>, tensor<32x32xi4>, tensor<32x1xf32>) -> tensor<?x32xf32> loc("second")
  %y = llm.residual_add %r, %l2 : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32> loc("second")
  return %y : tensor<?x32xf32>
}
func.func @few(%ids: tensor<?xi64> {onnx.name = "tokens"}) -> (tensor<?x32xf32> {onnx.name = "sum"}) attributes {tile.max_rows = 8 : i64} {
  %table = param.load @table : tensor<64x32xf32>
  %w = param.load @w : tensor<32x32xf32>
  %wc, %ws = q.quantize_weight %w {method = "rtn", options = {bits = 4, clip_steps = 0}}
    : tensor<32x32xf32> -> tensor<32x32xi4>, tensor<32x1xf32>
  %x = llm.embedding %ids, %table : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32> loc("embed")
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x32xf32> -> tensor<?x32xf32>
  %c, %s = q.quantize_dynamic %n {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
    : tensor<?x32xf32> -> (tensor<?x32xi4>, tensor<?x1xf32>) loc("activate")
  %l = q.linear %c, %s, %wc, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x32xi4>, tensor<?x1xf32>, tensor<32x32xi4>, tensor<32x1xf32>) -> tensor<?x32xf32> loc("first")
  %r = llm.residual_add %x, %l : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32> loc("first")
  %n2 = llm.rms_norm %r {eps = 1.0e-5 : f64} : tensor<?x32xf32> -> tensor<?x32xf32>
  %c2, %s2 = q.quantize_dynamic %n2 {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
    : tensor<?x32xf32> -> (tensor<?x32xi4>, tensor<?x1xf32>) loc("activate2")
  %l2 = q.linear %c2, %s2, %wc, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x32xi4>, tensor<?x1xf32>, tensor<32x32xi4>, tensor<32x1xf32>) -> tensor<?x32xf32> loc("second")
  %y = llm.residual_add %r, %l2 : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32> loc("second")
  return %y : tensor<?x32xf32>
}
