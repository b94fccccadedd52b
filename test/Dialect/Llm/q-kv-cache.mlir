// RUN: quant-opt %s --q-kv-cache --split-input-file --verify-diagnostics | FileCheck %s
// RUN: quant-opt %s --q-kv-cache="bits=8 group-size=4 clip=1" --split-input-file | FileCheck %s --check-prefix=GROUPS
// RUN: quant-opt %s --q-kv-cache="bits=16" --split-input-file | FileCheck %s --check-prefix=LEAVE
// RUN: quant-opt %s --q-kv-cache="bits=3 scheme=sym scale-type=f16" --split-input-file | FileCheck %s --check-prefix=HALF
// RUN: not quant-opt %s --q-kv-cache="scheme=odd" 2>&1 | FileCheck %s --check-prefix=SCHEME
// RUN: not quant-opt %s --q-kv-cache="scale-type=f8" 2>&1 | FileCheck %s --check-prefix=SCALE
// RUN: quant-opt %s --q-kv-cache --q-kv-cache --split-input-file -o %t.twice
// RUN: quant-opt %s --q-kv-cache --split-input-file -o %t.once
// RUN: diff %t.once %t.twice

#H = #rot.hadamard<8>
#B = #rot.basis<[_, _, _, #H]>

// SCHEME: q-kv-cache needs scheme to be one of asym, sym; got 'odd'
// SCALE: q-kv-cache needs scale-type to be one of f32, f16; got 'f8'

// New rows are quantized in the basis that the cache has, and the cache holds the values of their codes.
// CHECK-LABEL: @append
func.func @append(%past: tensor<?x3x?x8xf32, #B> {llm.state = "k"}, %rows: tensor<?x3x?x8xf32, #B>) -> (tensor<?x3x?x8xf32, #B> {llm.state = "k"}) {
  // CHECK: %[[C:.*]], %[[S:.*]], %[[Z:.*]] = q.quantize_dynamic %arg1 {bits = 4 : i64, clip = 0.94999999999999996 : f64, group_size = 0 : i64} : {{.*}} -> (tensor<?x3x?x8xui4, #rot.basis<[_, _, _, #had8_0]>>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>)
  // CHECK: %[[R:.*]] = q.dequantize %[[C]], %[[S]] zero %[[Z]] {group_size = 0 : i64}
  // CHECK: %[[K:.*]] = llm.kv_append %arg0, %[[R]]
  // CHECK: return %[[K]]
  // GROUPS: clip = 1.000000e+00 : f64, group_size = 4 : i64} : {{.*}} -> (tensor<?x3x?x8xui8, {{.*}}>, tensor<?x3x?x2xf32>, tensor<?x3x?x2xui8>)
  // HALF: %[[C:.*]], %[[S:.*]] = q.quantize_dynamic %arg1 {bits = 3 : i64, {{.*}}} : {{.*}} -> (tensor<?x3x?x8xi4, {{.*}}>, tensor<?x3x?x1xf16>)
  // HALF: q.dequantize %[[C]], %[[S]] {group_size = 0 : i64} : {{.*}} -> tensor<?x3x?x8xf32
  // LEAVE-NOT: q.quantize_dynamic
  %k = llm.kv_append %past, %rows : (tensor<?x3x?x8xf32, #B>, tensor<?x3x?x8xf32, #B>) -> tensor<?x3x?x8xf32, #B>
  return %k : tensor<?x3x?x8xf32, #B>
}

// -----
// expected-warning@+1 {{has attention but no cache: there is nothing for q-kv-cache to quantize}}
func.func @no_cache(%q: tensor<?x3x?x8xf32>, %k: tensor<?x3x?x8xf32>) -> tensor<?x3x?x8xf32> {
  %a = llm.attention %q, %k, %k {scale = 1.0 : f64} : (tensor<?x3x?x8xf32>, tensor<?x3x?x8xf32>, tensor<?x3x?x8xf32>) -> tensor<?x3x?x8xf32>
  return %a : tensor<?x3x?x8xf32>
}

// -----
// What is written into a buffer, as what is appended.
// CHECK-LABEL: @write
func.func @write(%cache: tensor<?x3x64x8xf32>, %rows: tensor<?x3x?x8xf32>, %index: tensor<?xi64>) -> tensor<?x3x64x8xf32> {
  // CHECK: %[[C:.*]], %[[S:.*]], %[[Z:.*]] = q.quantize_dynamic %arg1
  // CHECK: %[[R:.*]] = q.dequantize %[[C]], %[[S]] zero %[[Z]]
  // CHECK: llm.kv_write %arg0, %[[R]] at %arg2
  // LEAVE: llm.kv_write %arg0, %arg1 at %arg2
  %k = llm.kv_write %cache, %rows at %index : (tensor<?x3x64x8xf32>, tensor<?x3x?x8xf32>, tensor<?xi64>) -> tensor<?x3x64x8xf32>
  return %k : tensor<?x3x64x8xf32>
}
