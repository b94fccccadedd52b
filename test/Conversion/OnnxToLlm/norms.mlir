// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s
// Norms whose casts, scales and biases come in other orders than LLaMA's.

param.file @f "w.bin"
param.global @g : tensor<8xf16> from @f [offset = 0, length = 16]
// Computed in float32, cast back before the weight.
// CHECK-LABEL: func @norm_cast_before_weight
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf16>)
func.func @norm_cast_before_weight(%x: tensor<?x?x8xf16>) -> tensor<?x?x8xf16> {
  // CHECK: %[[G:.*]] = param.load @g
  // CHECK: llm.rms_norm %[[X]] scale %[[G]] : tensor<8xf16> {{.*}} : tensor<?x?x8xf16> -> tensor<?x?x8xf16>
  // CHECK-NOT: = onnx.
  %g = param.load @g : tensor<8xf16>
  %two = onnx.Constant() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %eps = onnx.Constant() {value = dense<1.0e-5> : tensor<f32>} : () -> tensor<f32>
  %c = onnx.Cast(%x) {to = 1 : i64} : (tensor<?x?x8xf16>) -> tensor<?x?x8xf32>
  %0 = onnx.Pow(%c, %two) : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>, keepdims = 1 : i64} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%c, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Cast(%4) {to = 10 : i64} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf16>
  %6 = onnx.Mul(%g, %5) : (tensor<8xf16>, tensor<?x?x8xf16>) -> tensor<?x?x8xf16>
  return %6 : tensor<?x?x8xf16>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<8xf16> from @f [offset = 0, length = 16]
// One more than the weight, in float32; cast back at the end (Gemma). x^-0.5, mean as sum over 8.
// CHECK-LABEL: func @norm_offset
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf16>)
func.func @norm_offset(%x: tensor<?x?x8xf16>) -> tensor<?x?x8xf16> {
  // CHECK: %[[C:.*]] = param.cast %{{.*}} : tensor<8xf16> to tensor<8xf32>
  // CHECK: %[[G:.*]] = param.offset %[[C]] by 1.{{.*}} : tensor<8xf32>
  // CHECK: llm.rms_norm %[[X]] scale %[[G]] : tensor<8xf32> {{.*}} : tensor<?x?x8xf16> -> tensor<?x?x8xf16>
  // CHECK-NOT: = onnx.
  %g = param.load @g : tensor<8xf16>
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %size = onnx.Constant() {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
  %exponent = onnx.Constant() {value = dense<-0.5> : tensor<f32>} : () -> tensor<f32>
  %eps = onnx.Constant() {value = dense<1.0e-5> : tensor<f32>} : () -> tensor<f32>
  %c = onnx.Cast(%x) {to = 1 : i64} : (tensor<?x?x8xf16>) -> tensor<?x?x8xf32>
  %0 = onnx.Mul(%c, %c) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceSum(%0) {axes = array<i64: -1>, keepdims = 1 : i64} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Div(%1, %size) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Add(%2, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %4 = onnx.Pow(%3, %exponent) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %5 = onnx.Mul(%c, %4) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %6 = onnx.Cast(%g) {to = 1 : i64} : (tensor<8xf16>) -> tensor<8xf32>
  %7 = onnx.Add(%6, %one) : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %8 = onnx.Mul(%5, %7) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %9 = onnx.Cast(%8) {to = 10 : i64} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf16>
  return %9 : tensor<?x?x8xf16>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @b : tensor<8xf32> from @f [offset = 32, length = 32]
// Centred twice, as exporters that share nothing write it.
// CHECK-LABEL: func @layer_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>)
func.func @layer_norm(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK-DAG: %[[G:.*]] = param.load @g
  // CHECK-DAG: %[[B:.*]] = param.load @b
  // CHECK: llm.layer_norm %[[X]] scale %[[G]] : tensor<8xf32> bias %[[B]] : tensor<8xf32> {eps = 1.000000e+00 : f64}
  // CHECK-NOT: = onnx.
  %g = param.load @g : tensor<8xf32>
  %b = param.load @b : tensor<8xf32>
  %two = onnx.Constant() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %m = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %c = onnx.Sub(%x, %m) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %d = onnx.Sub(%x, %m) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %0 = onnx.Pow(%d, %two) : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%c, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %6 = onnx.Add(%5, %b) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %6 : tensor<?x?x8xf32>
}

// -----

// Without weight. The sum over 8 elements divided by another number than 8 is no mean.
// CHECK-LABEL: func @no_mean
func.func @no_mean(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK-NOT: = llm.
  %size = onnx.Constant() {value = dense<4.0> : tensor<f32>} : () -> tensor<f32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceSum(%0) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Div(%1, %size) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Add(%2, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %4 = onnx.Sqrt(%3) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %5 = onnx.Div(%x, %4) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  return %5 : tensor<?x?x8xf32>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// Two norms of the same stream, the second one of a norm's output (Gemma 2); sums with a norm's output.
// CHECK-LABEL: func @residual_after_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>)
func.func @residual_after_norm(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: %[[N:.*]] = llm.rms_norm %[[X]]
  // CHECK: llm.residual_add %[[X]], %[[N]]
  %g = param.load @g : tensor<8xf32>
  %eps = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%x, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = onnx.Add(%1, %eps) : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = onnx.Sqrt(%2) : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = onnx.Div(%x, %3) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %5 = onnx.Mul(%4, %g) : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %6 = onnx.Add(%5, %x) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %6 : tensor<?x?x8xf32>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// Scales that the graph computes or states: one more than a weight, all ones.
// CHECK-LABEL: func @computed_scales
func.func @computed_scales(%x: tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  // CHECK: %[[S:.*]] = param.offset %{{.*}} by 1.0
  // CHECK: llm.rms_norm %{{.*}} scale %[[S]]
  // CHECK: llm.layer_norm %{{.*}} scale %{{.*}} bias %{{.*}}
  // CHECK-NOT: = onnx.LayerNormalization
  %g = param.load @g : tensor<8xf32>
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %ones = onnx.Constant() {value = dense<1.0> : tensor<8xf32>} : () -> tensor<8xf32>
  %zeros = onnx.Constant() {value = dense<0.0> : tensor<8xf32>} : () -> tensor<8xf32>
  %s = onnx.Add(%g, %one) : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %0 = onnx.RMSNormalization(%x, %s) {axis = -1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.LayerNormalization(%x, %ones, %zeros) : (tensor<?x?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %0, %1 : tensor<?x?x8xf32>, tensor<?x?x8xf32>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
// Who asks a norm for its sizes gets those of its input, so that linears are all that read the norm.
// CHECK-LABEL: func @sizes
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>)
func.func @sizes(%x: tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<3xi64>) {
  // CHECK: onnx.Shape(%[[X]])
  %g = param.load @g : tensor<8xf32>
  %0 = onnx.RMSNormalization(%x, %g) {axis = -1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.Shape(%0) : (tensor<?x?x8xf32>) -> tensor<3xi64>
  return %0, %1 : tensor<?x?x8xf32>, tensor<3xi64>
}
