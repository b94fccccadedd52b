// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s
// Rotary embeddings, as different exporters write them.

// Split into halves, x₁c - x₂s and x₂c + x₁s, tables of half width.
// CHECK-LABEL: func @split_form
// CHECK-SAME: (%[[X:.*]]: tensor<?x4x?x8xf32>, %[[C:.*]]: tensor<?x1x?x4xf32>, %[[S:.*]]: tensor<?x1x?x4xf32>)
func.func @split_form(%x: tensor<?x4x?x8xf32>, %cos: tensor<?x1x?x4xf32>, %sin: tensor<?x1x?x4xf32>) -> tensor<?x4x?x8xf32> {
  // CHECK: %[[COS:.*]] = onnx.Gather(%[[C]], %{{.*}}) {axis = 3 : i64}
  // CHECK: %[[SIN:.*]] = onnx.Gather(%[[S]], %{{.*}}) {axis = 3 : i64}
  // CHECK: %[[R:.*]] = llm.rope %[[X]], %[[COS]], %[[SIN]]
  // CHECK: return %[[R]]
  %sizes = onnx.Constant() {value = dense<[4, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<?x4x?x8xf32>, tensor<2xi64>) -> (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>)
  %0 = onnx.Mul(%h#0, %cos) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %1 = onnx.Mul(%h#1, %sin) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %2 = onnx.Sub(%0, %1) : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %3 = onnx.Mul(%h#1, %cos) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %4 = onnx.Mul(%h#0, %sin) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %5 = onnx.Add(%3, %4) : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %6 = onnx.Concat(%2, %5) {axis = -1 : i64} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  return %6 : tensor<?x4x?x8xf32>
}

// -----

// The same with a sum where the difference belongs rotates nothing.
// CHECK-LABEL: func @no_rotation
func.func @no_rotation(%x: tensor<?x4x?x8xf32>, %cos: tensor<?x1x?x4xf32>, %sin: tensor<?x1x?x4xf32>) -> tensor<?x4x?x8xf32> {
  // CHECK-NOT: llm.rope
  %sizes = onnx.Constant() {value = dense<[4, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<?x4x?x8xf32>, tensor<2xi64>) -> (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>)
  %0 = onnx.Mul(%h#0, %cos) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %1 = onnx.Mul(%h#1, %sin) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %2 = onnx.Add(%0, %1) : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %3 = onnx.Mul(%h#1, %cos) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %4 = onnx.Mul(%h#0, %sin) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %5 = onnx.Add(%3, %4) : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %6 = onnx.Concat(%2, %5) {axis = -1 : i64} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  return %6 : tensor<?x4x?x8xf32>
}

// -----

// Neighbours: strided slices, stacked again by a Reshape.
// CHECK-LABEL: func @interleaved
// CHECK-SAME: (%[[X:.*]]: tensor<?x4x?x4xf32>, %[[C:.*]]: tensor<?x1x?x4xf32>, %[[S:.*]]: tensor<?x1x?x4xf32>)
func.func @interleaved(%x: tensor<?x4x?x4xf32>, %cos: tensor<?x1x?x4xf32>, %sin: tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32> {
  // CHECK: llm.rope %[[X]], %[[C]], %[[S]] {interleaved}
  // CHECK-NOT: onnx.Mul
  %0 = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %1 = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %2 = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value = dense<9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %last = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %shape = onnx.Constant() {value = dense<[0, 0, 0, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %even = onnx.Slice(%x, %0, %end, %last, %2) : (tensor<?x4x?x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x2xf32>
  %odd = onnx.Slice(%x, %1, %end, %last, %2) : (tensor<?x4x?x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x2xf32>
  %neg = onnx.Neg(%odd) : (tensor<?x4x?x2xf32>) -> tensor<?x4x?x2xf32>
  %a = onnx.Unsqueeze(%neg, %last) : (tensor<?x4x?x2xf32>, tensor<1xi64>) -> tensor<?x4x?x2x1xf32>
  %b = onnx.Unsqueeze(%even, %last) : (tensor<?x4x?x2xf32>, tensor<1xi64>) -> tensor<?x4x?x2x1xf32>
  %c = onnx.Concat(%a, %b) {axis = -1 : i64} : (tensor<?x4x?x2x1xf32>, tensor<?x4x?x2x1xf32>) -> tensor<?x4x?x2x2xf32>
  %d = onnx.Reshape(%c, %shape) : (tensor<?x4x?x2x2xf32>, tensor<4xi64>) -> tensor<?x4x?x4xf32>
  %e = onnx.Mul(%x, %cos) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %f = onnx.Mul(%d, %sin) : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %g = onnx.Add(%e, %f) : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  return %g : tensor<?x4x?x4xf32>
}

// -----

// The first half of each head only, before heads are transposed: [B, S, heads, d], tables [B, S, 1, r].
param.file @f "w.bin"
param.global @w : tensor<8x16xf32> from @f [offset = 0, length = 512]
// CHECK-LABEL: func @partial_before_transpose
func.func @partial_before_transpose(%h: tensor<?x?x8xf32>, %cos: tensor<?x?x1x4xf32>, %sin: tensor<?x?x1x4xf32>) -> tensor<?x2x?x8xf32> {
  // CHECK: %[[L:.*]] = llm.linear
  // CHECK: %[[H:.*]] = llm.split_heads %[[L]]
  // CHECK: %[[R:.*]] = llm.rope %[[H]], %{{.*}}, %{{.*}} : (tensor<?x2x?x8xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>)
  // CHECK: return %[[R]]
  %w = param.load @w : tensor<8x16xf32>
  %0 = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %2 = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %4 = onnx.Constant() {value = dense<4> : tensor<1xi64>} : () -> tensor<1xi64>
  %8 = onnx.Constant() {value = dense<8> : tensor<1xi64>} : () -> tensor<1xi64>
  %last = onnx.Constant() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %shape = onnx.Constant() {value = dense<[0, 0, 2, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %l = onnx.MatMul(%h, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %x = onnx.Reshape(%l, %shape) : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x2x8xf32>
  %turned = onnx.Slice(%x, %0, %4, %last) : (tensor<?x?x2x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x4xf32>
  %kept = onnx.Slice(%x, %4, %8, %last) : (tensor<?x?x2x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x4xf32>
  %a = onnx.Slice(%turned, %0, %2, %last) : (tensor<?x?x2x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x2xf32>
  %b = onnx.Slice(%turned, %2, %4, %last) : (tensor<?x?x2x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x2xf32>
  %neg = onnx.Neg(%b) : (tensor<?x?x2x2xf32>) -> tensor<?x?x2x2xf32>
  %c = onnx.Concat(%neg, %a) {axis = 3 : i64} : (tensor<?x?x2x2xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x4xf32>
  %e = onnx.Mul(%turned, %cos) : (tensor<?x?x2x4xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x2x4xf32>
  %f = onnx.Mul(%c, %sin) : (tensor<?x?x2x4xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x2x4xf32>
  %g = onnx.Add(%e, %f) : (tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>) -> tensor<?x?x2x4xf32>
  %j = onnx.Concat(%g, %kept) {axis = 3 : i64} : (tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>) -> tensor<?x?x2x8xf32>
  %t = onnx.Transpose(%j) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x8xf32>) -> tensor<?x2x?x8xf32>
  return %t : tensor<?x2x?x8xf32>
}

// -----

// Heads are normed between Reshape and Transpose (Qwen 3).
param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// CHECK-LABEL: func @norm_of_heads
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x16xf32>)
func.func @norm_of_heads(%x: tensor<?x?x16xf32>) -> tensor<?x2x?x8xf32> {
  // CHECK: %[[H:.*]] = llm.split_heads %[[X]]
  // CHECK: %[[N:.*]] = llm.rms_norm %[[H]] scale
  // CHECK: return %[[N]]
  %g = param.load @g : tensor<8xf32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %shape = onnx.Constant() {value = dense<[0, 0, -1, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %v = onnx.Reshape(%x, %shape) : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x2x8xf32>
  %0 = onnx.Mul(%v, %v) : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> tensor<?x?x2x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>} : (tensor<?x?x2x8xf32>) -> tensor<?x?x2x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x2x1xf32>, tensor<f32>) -> tensor<?x?x2x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x2x1xf32>) -> tensor<?x?x2x1xf32>
  %4 = onnx.Div(%v, %3) : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) -> tensor<?x?x2x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x2x8xf32>, tensor<8xf32>) -> tensor<?x?x2x8xf32>
  %6 = onnx.Transpose(%5) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x8xf32>) -> tensor<?x2x?x8xf32>
  return %6 : tensor<?x2x?x8xf32>
}
