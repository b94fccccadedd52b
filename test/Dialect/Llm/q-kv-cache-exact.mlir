// RUN: quant-opt %s --q-kv-cache="bits=2 sinks=4" --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,SINKS
// RUN: quant-opt %s --q-kv-cache="bits=2 residual=16 keys=channel scheme=sym scale-type=f16" --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,KIVI
// RUN: quant-opt %s --q-kv-cache="bits=2 sinks=4" --q-kv-cache="bits=2 sinks=4" --split-input-file --verify-diagnostics -o %t.twice
// RUN: quant-opt %s --q-kv-cache="bits=2 sinks=4" --split-input-file --verify-diagnostics -o %t.once
// RUN: diff %t.once %t.twice
// RUN: not quant-opt %s --q-kv-cache="keys=channel" 2>&1 | FileCheck %s --check-prefix=WINDOW
// RUN: not quant-opt %s --q-kv-cache="sinks=-1" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not quant-opt %s --q-kv-cache="keys=head" 2>&1 | FileCheck %s --check-prefix=KEYS

// WINDOW: q-kv-cache needs sinks and residual that are not negative, and a residual for keys=channel; got 0 and 0
// NEGATIVE: not negative, and a residual for keys=channel; got -1 and 0
// KEYS: q-kv-cache needs keys to be one of token, channel; got 'head'

#H = #rot.hadamard<8>
#B = #rot.basis<[_, _, _, #H]>

// The cache stays exact; attention reads what its rule says, in the basis of the cache.
// CHECK-LABEL: @layer
// CHECK:      %[[K:.*]] = llm.kv_append %arg1, %arg3
// SINKS:      %[[KC:.*]], %[[KS:.*]], %[[KZ:.*]] = q.quantize_dynamic %[[K]] {bits = 2 : i64, clip = 0.94999999999999996 : f64, group_size = 0 : i64}
// SINKS:      %[[KQ:.*]] = q.dequantize %[[KC]], %[[KS]] zero %[[KZ]] {group_size = 0 : i64}
// KIVI:       %[[KC:.*]], %[[KS:.*]] = q.quantize_dynamic %[[K]] {axis = -2 : i64, bits = 2 : i64, {{.*}}, group_size = 16 : i64} : {{.*}} -> (tensor<?x3x?x8xi4, {{.*}}>, tensor<?x3x?x8xf16>)
// KIVI:       %[[KQ:.*]] = q.dequantize %[[KC]], %[[KS]] {axis = -2 : i64, group_size = 16 : i64}
// CHECK:      %[[V:.*]] = llm.kv_append %arg2, %arg4
// SINKS:      %[[VC:.*]], %[[VS:.*]], %[[VZ:.*]] = q.quantize_dynamic %[[V]]
// SINKS:      %[[VQ:.*]] = q.dequantize %[[VC]], %[[VS]] zero %[[VZ]] {group_size = 0 : i64}
// KIVI:       %[[VC:.*]], %[[VS:.*]] = q.quantize_dynamic %[[V]] {bits = 2 : i64, {{.*}}, group_size = 0 : i64}
// KIVI:       %[[VQ:.*]] = q.dequantize %[[VC]], %[[VS]] {group_size = 0 : i64}
// SINKS:      %[[A:.*]] = llm.mixed_attention %arg0, %[[KQ]], %[[VQ]] exact %[[K]], %[[V]] mask %arg5 {key_block = 0 : i64, llm.role = "layers.0.attention", residual = 0 : i64, scale = 1.000000e+00 : f64, sinks = 4 : i64}
// KIVI:       %[[A:.*]] = llm.mixed_attention %arg0, %[[KQ]], %[[VQ]] exact %[[K]], %[[V]] mask %arg5 {key_block = 16 : i64, llm.role = "layers.0.attention", residual = 16 : i64, scale = 1.000000e+00 : f64, sinks = 0 : i64}
// CHECK:      return %[[A]], %[[K]], %[[V]]
func.func @layer(%q: tensor<?x3x?x8xf32, #B>, %pk: tensor<?x3x?x8xf32, #B> {llm.state = "k"}, %pv: tensor<?x3x?x8xf32> {llm.state = "v"},
                 %kr: tensor<?x3x?x8xf32, #B>, %vr: tensor<?x3x?x8xf32>, %mask: tensor<?x1x?x?xf32>)
    -> (tensor<?x3x?x8xf32>, tensor<?x3x?x8xf32, #B> {llm.state = "k"}, tensor<?x3x?x8xf32> {llm.state = "v"}) {
  %k = llm.kv_append %pk, %kr : (tensor<?x3x?x8xf32, #B>, tensor<?x3x?x8xf32, #B>) -> tensor<?x3x?x8xf32, #B>
  %v = llm.kv_append %pv, %vr : (tensor<?x3x?x8xf32>, tensor<?x3x?x8xf32>) -> tensor<?x3x?x8xf32>
  %a = llm.attention %q, %k, %v mask %mask {llm.role = "layers.0.attention", scale = 1.0 : f64}
    : (tensor<?x3x?x8xf32, #B>, tensor<?x3x?x8xf32, #B>, tensor<?x3x?x8xf32>, tensor<?x1x?x?xf32>) -> tensor<?x3x?x8xf32>
  return %a, %k, %v : tensor<?x3x?x8xf32>, tensor<?x3x?x8xf32, #B>, tensor<?x3x?x8xf32>
}

// -----
func.func @unread(%past: tensor<?x3x?x8xf32>, %rows: tensor<?x3x?x8xf32>) -> tensor<?x3x?x8xf32> {
  // expected-error@+1 {{q-kv-cache with sinks or residual: expected a cache that llm.attention reads}}
  %k = llm.kv_append %past, %rows : (tensor<?x3x?x8xf32>, tensor<?x3x?x8xf32>) -> tensor<?x3x?x8xf32>
  return %k : tensor<?x3x?x8xf32>
}

// -----
func.func @buffer(%cache: tensor<?x3x64x8xf32>, %rows: tensor<?x3x?x8xf32>, %index: tensor<?xi64>) -> tensor<?x3x64x8xf32> {
  // expected-error@+1 {{q-kv-cache with sinks or residual: expected a cache that grows; this one is written in place}}
  %k = llm.kv_write %cache, %rows at %index : (tensor<?x3x64x8xf32>, tensor<?x3x?x8xf32>, tensor<?xi64>) -> tensor<?x3x64x8xf32>
  return %k : tensor<?x3x64x8xf32>
}
