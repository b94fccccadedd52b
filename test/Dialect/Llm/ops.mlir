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

// What other families than LLaMA have.
// CHECK-LABEL: @families
func.func @families(%x: tensor<?x?x8xf32>, %gamma: tensor<8xf32>, %beta: tensor<8xf32>, %q: tensor<?x4x?x16xf32>, %k: tensor<?x2x32x16xf32>,
                    %rows: tensor<?x2x?x16xf32>, %cos: tensor<1x?x8xf32>, %index: tensor<?xi64>, %n: tensor<i32>, %m: tensor<?x1x?x?xf32>)
    -> (tensor<?x?x8xf32>, tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>) {
  // CHECK: llm.layer_norm %arg0 scale %arg1 : tensor<8xf32> bias %arg2 : tensor<8xf32> {eps = 1.000000e-05 : f64}
  %0 = llm.layer_norm %x scale %gamma : tensor<8xf32> bias %beta : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  // CHECK: llm.layer_norm %{{.*}} bias %arg2 : tensor<8xf32> {eps
  %1 = llm.layer_norm %0 bias %beta : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  // CHECK: llm.scale %{{.*}} {factor = 2.000000e+00 : f64}
  %2 = llm.scale %1 {factor = 2.0 : f64} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  // CHECK: llm.geglu %{{.*}}, %arg0 {approximate = "tanh"}
  %3 = llm.geglu %2, %x {approximate = "tanh"} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  // CHECK: llm.rope %arg3, %{{.*}}, %{{.*}} {interleaved}
  %4 = llm.rope %q, %cos, %cos {interleaved} : (tensor<?x4x?x16xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>) -> tensor<?x4x?x16xf32>
  // CHECK: llm.kv_write %arg4, %arg5 at %{{.*}} :
  %5 = llm.kv_write %k, %rows at %index : (tensor<?x2x32x16xf32>, tensor<?x2x?x16xf32>, tensor<?xi64>) -> tensor<?x2x32x16xf32>
  // CHECK: llm.kv_write %{{.*}}, %{{.*}} at %{{.*}} length %{{.*}} :
  %6 = llm.kv_write %rows, %rows at %index length %n : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?xi64>, tensor<i32>) -> tensor<?x2x?x16xf32>
  // CHECK: llm.attention %{{.*}} mask %{{.*}} {scale = 2.500000e-01 : f64, softcap = 5.000000e+01 : f64, zero_masked_rows}
  %7 = llm.attention %4, %5, %5 mask %m {scale = 0.25 : f64, softcap = 50.0 : f64, zero_masked_rows}
    : (tensor<?x4x?x16xf32>, tensor<?x2x32x16xf32>, tensor<?x2x32x16xf32>, tensor<?x1x?x?xf32>) -> tensor<?x4x?x16xf32>
  return %3, %7, %6 : tensor<?x?x8xf32>, tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>
}
