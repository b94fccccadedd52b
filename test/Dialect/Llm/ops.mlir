// RUN: quant-opt %s --verify-roundtrip | FileCheck %s
#H = #rot.hadamard<64>
#D = #rot.diagonal<@s, 8>

// CHECK-LABEL: @layers
func.func @layers(%ids: tensor<?x?xi64>, %table: tensor<100x8xf32>, %gamma: tensor<8xf32>, %w: tensor<8x8xf32>, %b: tensor<8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: llm.embedding %arg0, %arg1 : (tensor<?x?xi64>, tensor<100x8xf32>) -> tensor<?x?x8xf32>
  %x = llm.embedding %ids, %table : (tensor<?x?xi64>, tensor<100x8xf32>) -> tensor<?x?x8xf32>
  // CHECK: llm.rms_norm %{{.*}} scale %arg2 : tensor<8xf32> {eps = 1.000000e-05 : f64} : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %n = llm.rms_norm %x scale %gamma : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  // CHECK: llm.linear %{{.*}}, %arg3 bias %arg4 {llm.role = "layers.0.gate_proj"}
  %g = llm.linear %n, %w bias %b {llm.role = "layers.0.gate_proj"} : (tensor<?x?x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  // CHECK: llm.swiglu
  %h = llm.swiglu %g, %n : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  // CHECK: llm.residual_add
  %y = llm.residual_add %x, %h : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// A basis per head: three blocks before attention, nine behind it. Keys take the dual of the queries' basis.
// CHECK-LABEL: @heads
func.func @heads(%v: tensor<?x?x192xf32, #rot.basis<[_, _, #rot.kron<3, #H>]>>, %past: tensor<?x3x?x64xf32, #rot.basis<[_, _, _, #H]>>,
                 %q: tensor<?x9x?x64xf32>, %k: tensor<?x3x?x64xf32>, %mask: tensor<?x1x?x?xf32>, %cos: tensor<?x1x?x64xf32>)
    -> tensor<?x?x576xf32, #rot.basis<[_, _, #rot.kron<9, #H>]>> {
  // CHECK: llm.rope
  %qr = llm.rope %q, %cos, %cos : (tensor<?x9x?x64xf32>, tensor<?x1x?x64xf32>, tensor<?x1x?x64xf32>) -> tensor<?x9x?x64xf32>
  // CHECK: llm.split_heads
  %v4 = llm.split_heads %v : (tensor<?x?x192xf32, #rot.basis<[_, _, #rot.kron<3, #H>]>>) -> tensor<?x3x?x64xf32, #rot.basis<[_, _, _, #H]>>
  // CHECK: llm.kv_append
  %vs = llm.kv_append %past, %v4 : (tensor<?x3x?x64xf32, #rot.basis<[_, _, _, #H]>>, tensor<?x3x?x64xf32, #rot.basis<[_, _, _, #H]>>) -> tensor<?x3x?x64xf32, #rot.basis<[_, _, _, #H]>>
  // CHECK: llm.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {scale = 1.250000e-01 : f64}
  %a = llm.attention %qr, %k, %vs mask %mask {scale = 0.125 : f64}
    : (tensor<?x9x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32, #rot.basis<[_, _, _, #H]>>, tensor<?x1x?x?xf32>) -> tensor<?x9x?x64xf32, #rot.basis<[_, _, _, #H]>>
  // CHECK: llm.merge_heads
  %o = llm.merge_heads %a : (tensor<?x9x?x64xf32, #rot.basis<[_, _, _, #H]>>) -> tensor<?x?x576xf32, #rot.basis<[_, _, #rot.kron<9, #H>]>>
  return %o : tensor<?x?x576xf32, #rot.basis<[_, _, #rot.kron<9, #H>]>>
}

// A diagonal passes through swiglu (SmoothRot), and meets its inverse in the weight behind it.
// CHECK-LABEL: @smooth
func.func @smooth(%g: tensor<?x8xf32>, %u: tensor<?x8xf32, #rot.basis<[_, #D]>>, %w: tensor<4x8xf32, #rot.basis<[_, #rot.variant<#D, inverse>]>>) -> tensor<?x4xf32> {
  %h = llm.swiglu %g, %u : (tensor<?x8xf32>, tensor<?x8xf32, #rot.basis<[_, #D]>>) -> tensor<?x8xf32, #rot.basis<[_, #D]>>
  %y = llm.linear %h, %w : (tensor<?x8xf32, #rot.basis<[_, #D]>>, tensor<4x8xf32, #rot.basis<[_, #rot.variant<#D, inverse>]>>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
