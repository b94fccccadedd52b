// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s
// Heads, rotary embedding, caches and the attention core.

// CHECK-LABEL: func @split_heads
func.func @split_heads(%x: tensor<?x?x32xf32>) -> tensor<?x4x?x8xf32> {
  // CHECK: %[[Q:.*]] = llm.split_heads %{{.*}} : (tensor<?x?x32xf32>) -> tensor<?x4x?x8xf32>
  // CHECK-NEXT: onnx.Neg(%[[Q]])
  %size = onnx.Shape(%x) {end = 1 : i64, start = 0 : i64} : (tensor<?x?x32xf32>) -> tensor<1xi64>
  %rest = onnx.Constant() {value_ints = array<i64: -1, 4, 8>} : () -> tensor<3xi64>
  %shape = onnx.Concat(%size, %rest) {axis = 0 : i64} : (tensor<1xi64>, tensor<3xi64>) -> tensor<4xi64>
  %0 = onnx.Reshape(%x, %shape) : (tensor<?x?x32xf32>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
  %1 = onnx.Transpose(%0) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x?x?xf32>) -> tensor<?x?x?x?xf32>
  %2 = onnx.Neg(%1) : (tensor<?x?x?x?xf32>) -> tensor<?x4x?x8xf32>
  return %2 : tensor<?x4x?x8xf32>
}

// -----

// CHECK-LABEL: func @merge_heads
func.func @merge_heads(%x: tensor<?x4x?x8xf32>) -> tensor<?x?x32xf32> {
  // CHECK: llm.merge_heads %{{.*}} : (tensor<?x4x?x8xf32>) -> tensor<?x?x32xf32>
  // CHECK-NOT: = onnx.
  %shape = onnx.Constant() {value_ints = array<i64: 0, 0, -1>} : () -> tensor<3xi64>
  %0 = onnx.Transpose(%x) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x4x?x8xf32>) -> tensor<?x?x4x8xf32>
  %1 = onnx.Reshape(%0, %shape) : (tensor<?x?x4x8xf32>, tensor<3xi64>) -> tensor<?x?x32xf32>
  return %1 : tensor<?x?x32xf32>
}

// -----

// Sizes and positions are exchanged, which is no split into heads; and a batch of 1 need not be the input's.
// CHECK-LABEL: func @no_heads
func.func @no_heads(%x: tensor<?x?x32xf32>) -> (tensor<?x?x4x8xf32>, tensor<1x4x?x8xf32>) {
  // CHECK-NOT: = llm.
  %zeros = onnx.Constant() {value_ints = array<i64: 0, 0, 4, 8>} : () -> tensor<4xi64>
  %one = onnx.Constant() {value_ints = array<i64: 1, -1, 4, 8>} : () -> tensor<4xi64>
  %0 = onnx.Reshape(%x, %zeros) : (tensor<?x?x32xf32>, tensor<4xi64>) -> tensor<?x?x4x8xf32>
  %1 = onnx.Transpose(%0) {perm = array<i64: 1, 0, 2, 3>} : (tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32>
  %2 = onnx.Reshape(%x, %one) : (tensor<?x?x32xf32>, tensor<4xi64>) -> tensor<1x?x4x8xf32>
  %3 = onnx.Transpose(%2) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x?x4x8xf32>) -> tensor<1x4x?x8xf32>
  return %1, %3 : tensor<?x?x4x8xf32>, tensor<1x4x?x8xf32>
}

// -----

// The half is computed from the shape, as TorchScript does.
// CHECK-LABEL: func @rope
// CHECK-SAME: (%[[X:.*]]: tensor<?x4x?x8xf32>, %[[COS:.*]]: tensor<?x1x?x8xf32>, %[[SIN:.*]]: tensor<?x1x?x8xf32>)
func.func @rope(%x: tensor<?x4x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32> {
  // CHECK: llm.rope %[[X]], %[[COS]], %[[SIN]]
  // CHECK-NOT: = onnx.
  %dim = onnx.Constant() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %two = onnx.Constant() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %one = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %axis = onnx.Constant() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value = dense<9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%x) : (tensor<?x4x?x8xf32>) -> tensor<4xi64>
  %size = onnx.Gather(%shape, %dim) {axis = 0 : i64} : (tensor<4xi64>, tensor<i64>) -> tensor<i64>
  %half = onnx.Div(%size, %two) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %middle = onnx.Unsqueeze(%half, %zero) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %x1 = onnx.Slice(%x, %zero, %middle, %axis, %one) : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x?xf32>
  %x2 = onnx.Slice(%x, %middle, %end, %axis, %one) : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x?xf32>
  %n = onnx.Neg(%x2) : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %r = onnx.Concat(%n, %x1) {axis = -1 : i64} : (tensor<?x4x?x?xf32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %a = onnx.Mul(%x, %cos) : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %b = onnx.Mul(%sin, %r) : (tensor<?x1x?x8xf32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x8xf32>
  %y = onnx.Add(%b, %a) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %y : tensor<?x4x?x8xf32>
}

// -----

// The halves are not exchanged, and the tables differ by head.
// CHECK-LABEL: func @no_rope
func.func @no_rope(%x: tensor<?x4x?x8xf32>, %cos: tensor<?x4x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) {
  // CHECK-NOT: = llm.
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %four = onnx.Constant() {value = dense<4> : tensor<1xi64>} : () -> tensor<1xi64>
  %eight = onnx.Constant() {value = dense<8> : tensor<1xi64>} : () -> tensor<1xi64>
  %axis = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %x1 = onnx.Slice(%x, %zero, %four, %axis) : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x4xf32>
  %x2 = onnx.Slice(%x, %four, %eight, %axis) : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x4xf32>
  %n1 = onnx.Neg(%x1) : (tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %n2 = onnx.Neg(%x2) : (tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %r1 = onnx.Concat(%n1, %x2) {axis = -1 : i64} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  %a1 = onnx.Mul(%x, %sin) : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %b1 = onnx.Mul(%r1, %sin) : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %y1 = onnx.Add(%a1, %b1) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %r2 = onnx.Concat(%n2, %x1) {axis = -1 : i64} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  %a2 = onnx.Mul(%x, %cos) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %b2 = onnx.Mul(%r2, %sin) : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %y2 = onnx.Add(%a2, %b2) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %y1, %y2 : tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>
}

// -----

// CHECK-LABEL: func @kv_append
func.func @kv_append(%past: tensor<?x2x?x8xf32>, %rows: tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32> {
  // CHECK: llm.kv_append
  // CHECK-NOT: = onnx.
  %y = onnx.Concat(%past, %rows) {axis = -2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  return %y : tensor<?x2x?x8xf32>
}

// -----

// A concatenation that is no result, one along another dimension, and one of three.
// CHECK-LABEL: func @no_cache
func.func @no_cache(%a: tensor<?x2x?x8xf32>, %b: tensor<?x2x?x8xf32>) -> (tensor<?x2x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>) {
  // CHECK-NOT: = llm.
  %0 = onnx.Concat(%a, %b) {axis = 2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  %1 = onnx.Neg(%0) : (tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  %2 = onnx.Concat(%a, %b) {axis = 1 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32>
  %3 = onnx.Concat(%a, %b, %b) {axis = 2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  return %1, %2, %3 : tensor<?x2x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>
}

// -----

// Cache heads repeated, scale and mask; past and present are one state.
// CHECK-LABEL: func @attention
// CHECK-SAME: %[[Q:.*]]: tensor<?x4x?x8xf32>, %[[K:.*]]: tensor<?x2x?x8xf32> {llm.state = "l0.k"}
// CHECK-SAME: %[[V:.*]]: tensor<?x2x?x8xf32> {llm.state = "l0.v"}
// CHECK-SAME: -> (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32> {llm.state = "l0.k"}, tensor<?x2x?x8xf32> {llm.state = "l0.v"})
func.func @attention(%q: tensor<?x4x?x8xf32>, %pk: tensor<?x2x?x8xf32>, %pv: tensor<?x2x?x8xf32>, %rk: tensor<?x2x?x8xf32>, %rv: tensor<?x2x?x8xf32>, %mask: tensor<?x1x?x?xf32>, %shape: tensor<5xi64>) -> (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) {
  // CHECK: %[[KEYS:.*]] = llm.kv_append %[[K]]
  // CHECK: %[[VALUES:.*]] = llm.kv_append %[[V]]
  // CHECK: llm.attention %[[Q]], %[[KEYS]], %[[VALUES]] mask %{{.*}} {scale = 1.250000e-01 : f64}
  // CHECK-NOT: = onnx.
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %merged = onnx.Constant() {value = dense<[0, 4, -1, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %scale = onnx.Constant() {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
  %k = onnx.Concat(%pk, %rk) {axis = 2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  %v = onnx.Concat(%pv, %rv) {axis = 2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  %k1 = onnx.Unsqueeze(%k, %two) : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<?x2x1x?x8xf32>
  %k2 = onnx.Expand(%k1, %shape) : (tensor<?x2x1x?x8xf32>, tensor<5xi64>) -> tensor<?x2x2x?x8xf32>
  %k3 = onnx.Reshape(%k2, %merged) : (tensor<?x2x2x?x8xf32>, tensor<4xi64>) -> tensor<?x4x?x8xf32>
  %v1 = onnx.Unsqueeze(%v, %two) : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<?x2x1x?x8xf32>
  %v2 = onnx.Expand(%v1, %shape) : (tensor<?x2x1x?x8xf32>, tensor<5xi64>) -> tensor<?x2x2x?x8xf32>
  %v3 = onnx.Reshape(%v2, %merged) : (tensor<?x2x2x?x8xf32>, tensor<4xi64>) -> tensor<?x4x?x8xf32>
  %kt = onnx.Transpose(%k3) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x8xf32>) -> tensor<?x4x8x?xf32>
  %s = onnx.MatMul(%q, %kt) : (tensor<?x4x?x8xf32>, tensor<?x4x8x?xf32>) -> tensor<?x4x?x?xf32>
  %d = onnx.Div(%s, %scale) : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %m = onnx.Add(%d, %mask) : (tensor<?x4x?x?xf32>, tensor<?x1x?x?xf32>) -> tensor<?x4x?x?xf32>
  %p = onnx.Softmax(%m) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o = onnx.MatMul(%p, %v3) : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %o, %k, %v : tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>
}

// -----

// No repetition, no mask, the scale on queries and keys.
// CHECK-LABEL: func @scaled_operands
func.func @scaled_operands(%q: tensor<?x4x?x8xf32>, %k: tensor<?x4x?x8xf32>, %v: tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32> {
  // CHECK: llm.attention %{{.*}}, %{{.*}}, %{{.*}} {scale = 2.500000e-01 : f64}
  // CHECK-NOT: = onnx.
  %quarter = onnx.Constant() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %half = onnx.Sqrt(%quarter) : (tensor<f32>) -> tensor<f32>
  %qs = onnx.Mul(%q, %half) : (tensor<?x4x?x8xf32>, tensor<f32>) -> tensor<?x4x?x8xf32>
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x8xf32>) -> tensor<?x4x8x?xf32>
  %ks = onnx.Mul(%half, %kt) : (tensor<f32>, tensor<?x4x8x?xf32>) -> tensor<?x4x8x?xf32>
  %s = onnx.MatMul(%qs, %ks) : (tensor<?x4x?x8xf32>, tensor<?x4x8x?xf32>) -> tensor<?x4x?x?xf32>
  %p = onnx.Softmax(%s) {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o = onnx.MatMul(%p, %v) : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %o : tensor<?x4x?x8xf32>
}

// -----

// Softmax over queries; probabilities that are a result.
// CHECK-LABEL: func @no_attention
func.func @no_attention(%q: tensor<?x4x?x8xf32>, %k: tensor<?x4x?x8xf32>, %v: tensor<?x4x?x8xf32>) -> (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x?xf32>) {
  // CHECK-NOT: = llm.
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x8xf32>) -> tensor<?x4x8x?xf32>
  %s = onnx.MatMul(%q, %kt) : (tensor<?x4x?x8xf32>, tensor<?x4x8x?xf32>) -> tensor<?x4x?x?xf32>
  %p = onnx.Softmax(%s) {axis = 2 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o = onnx.MatMul(%p, %v) : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %s1 = onnx.MatMul(%q, %kt) : (tensor<?x4x?x8xf32>, tensor<?x4x8x?xf32>) -> tensor<?x4x?x?xf32>
  %p1 = onnx.Softmax(%s1) {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o1 = onnx.MatMul(%p1, %v) : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %o, %o1, %p1 : tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x?xf32>
}
