// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s
// Norms, gated activations and residual sums.

param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// As TorchScript writes it: axes an attribute, Div(1, ·), casts that do nothing, the weight first.
// CHECK-LABEL: func @norm_torchscript
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>)
func.func @norm_torchscript(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: %[[G:.*]] = param.load @g
  // CHECK: %[[N:.*]] = llm.rms_norm %[[X]] scale %[[G]] : tensor<8xf32> {eps = 9.9999997473787516E-6 : f64}
  // CHECK: return %[[N]]
  // CHECK-NOT: = onnx.
  %g = param.load @g : tensor<8xf32>
  %two = onnx.Constant() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %eps = onnx.Constant() {value = dense<1.0e-5> : tensor<f32>} : () -> tensor<f32>
  %c = onnx.Cast(%x) {to = 1 : i64} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %0 = onnx.Pow(%c, %two) : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>, keepdims = 1 : i64} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%one, %3) : (tensor<f32>, tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %5 = onnx.Mul(%c, %4) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %6 = onnx.Cast(%5) {to = 1 : i64} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %7 = onnx.Mul(%g, %6) : (tensor<8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %7 : tensor<?x?x8xf32>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @axes : tensor<1xi64> from @f [offset = 32, length = 8] {onnx.value = dense<-1> : tensor<1xi64>}
// Axes an input, eps first, Mul(x, x), Div(x, ·), the weight last.
// CHECK-LABEL: func @norm_quotient
func.func @norm_quotient(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: llm.rms_norm %{{.*}} scale %{{.*}} : tensor<8xf32> {eps = 1.000000e+00 : f64}
  // CHECK-NOT: = onnx.
  %g = param.load @g : tensor<8xf32>
  %axes = param.load @axes : tensor<1xi64>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0, %axes) : (tensor<?x?x8xf32>, tensor<1xi64>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%eps, %1) : (tensor<f32>, tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%x, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %5 : tensor<?x?x8xf32>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// CHECK-LABEL: func @norm_reciprocal
func.func @norm_reciprocal(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: llm.rms_norm
  // CHECK-NOT: = onnx.
  %g = param.load @g : tensor<8xf32>
  %two = onnx.Constant() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Pow(%x, %two) : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: 2>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Reciprocal(%3) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %5 = onnx.Mul(%4, %x) : (tensor<?x?x1xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %6 = onnx.Mul(%5, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %6 : tensor<?x?x8xf32>
}

// -----

// A sum of squares is not their mean.
param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// CHECK-LABEL: func @sum_of_squares
func.func @sum_of_squares(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK-NOT: = llm.
  %g = param.load @g : tensor<8xf32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceSum(%0) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%x, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %5 : tensor<?x?x8xf32>
}

// -----

// The mean is over another dimension.
param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// CHECK-LABEL: func @wrong_axis
func.func @wrong_axis(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK-NOT: = llm.
  %g = param.load @g : tensor<8xf32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: 1>} : (tensor<?x?x8xf32>) -> tensor<?x1x8xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x1x8xf32>, tensor<f32>) -> tensor<?x1x8xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x1x8xf32>) -> tensor<?x1x8xf32>
  %4 = onnx.Div(%x, %3) : (tensor<?x?x8xf32>, tensor<?x1x8xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %5 : tensor<?x?x8xf32>
}

// -----

// Another value is divided than the one whose mean square is taken.
param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// CHECK-LABEL: func @norm_of_another
func.func @norm_of_another(%x: tensor<?x?x8xf32>, %z: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK-NOT: = llm.
  %g = param.load @g : tensor<8xf32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%z, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %5 : tensor<?x?x8xf32>
}

// -----

// The scale is an argument, not a weight: the norm has none.
// CHECK-LABEL: func @scale_no_weight
func.func @scale_no_weight(%x: tensor<?x?x8xf32>, %g: tensor<8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: %[[N:.*]] = llm.rms_norm %{{[a-z0-9]+}} {eps
  // CHECK: onnx.Mul(%[[N]]
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%x, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %5 : tensor<?x?x8xf32>
}

// -----

// The root is a result too: an inner value has another reader.
param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// CHECK-LABEL: func @inner_value_read
func.func @inner_value_read(%x: tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x1xf32>) {
  // CHECK-NOT: = llm.
  %g = param.load @g : tensor<8xf32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%x, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %5, %3 : tensor<?x?x8xf32>, tensor<?x?x1xf32>
}

// -----

param.file @f "w.bin"
param.global @gate : tensor<8x16xf32> from @f [offset = 0, length = 512]
param.global @up : tensor<8x16xf32> from @f [offset = 512, length = 512]
param.global @down : tensor<16x8xf32> from @f [offset = 1024, length = 512]
// CHECK-LABEL: func @mlp
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>)
func.func @mlp(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: %[[G:.*]] = llm.linear %[[X]], %{{.*}} {llm.role = "layers.0.gate_proj"}
  // CHECK: %[[U:.*]] = llm.linear %[[X]], %{{.*}} {llm.role = "layers.0.up_proj"}
  // CHECK: %[[H:.*]] = llm.swiglu %[[G]], %[[U]]
  // CHECK: %[[D:.*]] = llm.linear %[[H]], %{{.*}} {llm.role = "layers.0.down_proj"}
  // CHECK: llm.residual_add %[[X]], %[[D]]
  // CHECK-NOT: = onnx.
  %wg = param.load @gate : tensor<8x16xf32>
  %wu = param.load @up : tensor<8x16xf32>
  %wd = param.load @down : tensor<16x8xf32>
  %g = onnx.MatMul(%x, %wg) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %s = onnx.Sigmoid(%g) : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %a = onnx.Mul(%g, %s) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %u = onnx.MatMul(%x, %wu) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %h = onnx.Mul(%u, %a) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %d = onnx.MatMul(%h, %wd) : (tensor<?x?x16xf32>, tensor<16x8xf32>) -> tensor<?x?x8xf32>
  %y = onnx.Add(%x, %d) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// The other operand is from elsewhere and may broadcast.
param.file @f "w.bin"
param.global @w : tensor<8x8xf32> from @f [offset = 0, length = 256]
// CHECK-LABEL: func @sum_may_broadcast
func.func @sum_may_broadcast(%x: tensor<?x?x8xf32>, %z: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: onnx.Add
  %w = param.load @w : tensor<8x8xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  %y = onnx.Add(%z, %m) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}
