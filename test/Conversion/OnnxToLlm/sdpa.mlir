// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s
// Attention as PyTorch's fused kernel is exported, and other forms than the eager one.

// The root of the scale on both sides, rows without tokens set to 0, heads repeated by Tile.
// CHECK-LABEL: func @scale_on_both_sides
// CHECK-SAME: (%[[Q:.*]]: tensor<?x4x?x16xf32>, %[[K:.*]]: tensor<?x2x?x16xf32>, %[[V:.*]]: tensor<?x2x?x16xf32>, %[[M:.*]]: tensor<?x1x?x?xf32>)
func.func @scale_on_both_sides(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x16xf32>, %mask: tensor<?x1x?x?xf32>) -> tensor<?x4x?x16xf32> {
  // CHECK: %[[A:.*]] = llm.attention %[[Q]], %[[K]], %[[V]] mask %[[M]] {scale = 2.500000e-01 : f64, zero_masked_rows}
  // CHECK: return %[[A]]
  %root = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %zero = onnx.Constant() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %axis = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %twice = onnx.Constant() {value = dense<[1, 1, 2, 1, 1]> : tensor<5xi64>} : () -> tensor<5xi64>
  %heads = onnx.Constant() {value = dense<[0, 4, -1, 16]> : tensor<4xi64>} : () -> tensor<4xi64>
  %k0 = onnx.Unsqueeze(%k, %axis) : (tensor<?x2x?x16xf32>, tensor<1xi64>) -> tensor<?x2x1x?x16xf32>
  %k1 = onnx.Tile(%k0, %twice) : (tensor<?x2x1x?x16xf32>, tensor<5xi64>) -> tensor<?x2x2x?x16xf32>
  %k2 = onnx.Reshape(%k1, %heads) : (tensor<?x2x2x?x16xf32>, tensor<4xi64>) -> tensor<?x4x?x16xf32>
  %v0 = onnx.Unsqueeze(%v, %axis) : (tensor<?x2x?x16xf32>, tensor<1xi64>) -> tensor<?x2x1x?x16xf32>
  %v1 = onnx.Concat(%v0, %v0) {axis = 2 : i64} : (tensor<?x2x1x?x16xf32>, tensor<?x2x1x?x16xf32>) -> tensor<?x2x2x?x16xf32>
  %v2 = onnx.Reshape(%v1, %heads) : (tensor<?x2x2x?x16xf32>, tensor<4xi64>) -> tensor<?x4x?x16xf32>
  %kt = onnx.Transpose(%k2) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x16xf32>) -> tensor<?x4x16x?xf32>
  %a = onnx.Mul(%q, %root) : (tensor<?x4x?x16xf32>, tensor<f32>) -> tensor<?x4x?x16xf32>
  %b = onnx.Mul(%kt, %root) : (tensor<?x4x16x?xf32>, tensor<f32>) -> tensor<?x4x16x?xf32>
  %s = onnx.MatMul(%a, %b) : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  %m = onnx.Add(%s, %mask) : (tensor<?x4x?x?xf32>, tensor<?x1x?x?xf32>) -> tensor<?x4x?x?xf32>
  %p = onnx.Softmax(%m) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %n = onnx.IsNaN(%p) : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xi1>
  %w = onnx.Where(%n, %zero, %p) : (tensor<?x4x?x?xi1>, tensor<f32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.MatMul(%w, %v2) : (tensor<?x4x?x?xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  return %y : tensor<?x4x?x16xf32>
}

// -----

// A soft-cap (Gemma 2), and scores replaced where a condition does not hold.
// CHECK-LABEL: func @softcap
// CHECK-SAME: %[[C:[a-z0-9]+]]: tensor<?x1x?x?xi1>
func.func @softcap(%q: tensor<?x2x?x16xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x16xf32>, %counts: tensor<?x1x?x?xi1>) -> tensor<?x2x?x16xf32> {
  // CHECK: %[[M:.*]] = onnx.Where(%[[C]],
  // CHECK: llm.attention {{.*}} mask %[[M]] {scale = 2.500000e-01 : f64, softcap = 5.000000e+01 : f64}
  %scale = onnx.Constant() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %cap = onnx.Constant() {value = dense<50.0> : tensor<f32>} : () -> tensor<f32>
  %fill = onnx.Constant() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x2x?x16xf32>) -> tensor<?x2x16x?xf32>
  %0 = onnx.MatMul(%q, %kt) : (tensor<?x2x?x16xf32>, tensor<?x2x16x?xf32>) -> tensor<?x2x?x?xf32>
  %1 = onnx.Mul(%0, %scale) : (tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
  %2 = onnx.Div(%1, %cap) : (tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
  %3 = onnx.Tanh(%2) : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
  %4 = onnx.Mul(%3, %cap) : (tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
  %5 = onnx.Where(%counts, %4, %fill) : (tensor<?x1x?x?xi1>, tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
  %6 = onnx.Softmax(%5) {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
  %7 = onnx.MatMul(%6, %v) : (tensor<?x2x?x?xf32>, tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32>
  return %7 : tensor<?x2x?x16xf32>
}

// -----

// Heads in the order 0, 1, 0, 1: neighbours do not share a cache head.
// CHECK-LABEL: func @other_order_of_heads
func.func @other_order_of_heads(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x16xf32>) -> tensor<?x4x?x16xf32> {
  // CHECK: onnx.Concat
  // CHECK: onnx.Concat
  // CHECK: llm.attention {{.*}} (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>)
  %k2 = onnx.Concat(%k, %k) {axis = 1 : i64} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x4x?x16xf32>
  %v2 = onnx.Concat(%v, %v) {axis = 1 : i64} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x4x?x16xf32>
  %kt = onnx.Transpose(%k2) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x16xf32>) -> tensor<?x4x16x?xf32>
  %s = onnx.MatMul(%q, %kt) : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.MatMul(%p, %v2) : (tensor<?x4x?x?xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  return %y : tensor<?x4x?x16xf32>
}
