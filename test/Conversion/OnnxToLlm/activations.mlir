// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s
// Activations, fused or written out in any association; the numbers that the graph has are kept.

param.file @f "w.bin"
param.global @w : tensor<8x16xf32> from @f [offset = 0, length = 512]
param.global @u : tensor<8x16xf32> from @f [offset = 512, length = 512]
// 0.5 joins either factor; the gate stands between them.
// CHECK-LABEL: func @erf
func.func @erf(%x: tensor<?x?x8xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x16xf32>) {
  // CHECK: llm.activation %[[G:.*]] {factor = 0.70710676908493042 : f64, function = "gelu"}
  // CHECK: llm.geglu %{{.*}}, %{{.*}} {approximate = "none", factor = 0.70710679328816484 : f64}
  // CHECK-NOT: onnx.Erf
  %w = param.load @w : tensor<8x16xf32>
  %u = param.load @u : tensor<8x16xf32>
  %root = onnx.Constant() {value = dense<0.707106769> : tensor<f32>} : () -> tensor<f32>
  %two = onnx.Constant() {value = dense<1.41421354> : tensor<f32>} : () -> tensor<f32>
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %g = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %0 = onnx.Mul(%root, %g) : (tensor<f32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %1 = onnx.Erf(%0) : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %2 = onnx.Add(%one, %1) : (tensor<f32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %3 = onnx.Mul(%half, %2) : (tensor<f32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %4 = onnx.Mul(%3, %g) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %h = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %up = onnx.MatMul(%x, %u) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %5 = onnx.Div(%h, %two) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %6 = onnx.Erf(%5) : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %7 = onnx.Add(%6, %one) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %8 = onnx.Mul(%h, %half) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %9 = onnx.Mul(%8, %up) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %10 = onnx.Mul(%9, %7) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %4, %10 : tensor<?x?x16xf32>, tensor<?x?x16xf32>
}

// -----

param.file @f "w.bin"
param.global @w : tensor<8x16xf32> from @f [offset = 0, length = 512]
// x·c·(1 + a·x·x), as FastGELU is written. Another number than 0.044715 is another function.
// CHECK-LABEL: func @tanh
func.func @tanh(%x: tensor<?x?x8xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x16xf32>) {
  // CHECK: llm.activation %{{.*}} {cubic = 0.0447149{{[0-9]*}} : f64, factor = 0.797884{{[0-9]*}} : f64, function = "gelu_tanh"}
  // CHECK: onnx.Tanh
  %w = param.load @w : tensor<8x16xf32>
  %c = onnx.Constant() {value = dense<0.797884583> : tensor<f32>} : () -> tensor<f32>
  %a = onnx.Constant() {value = dense<4.471500e-02> : tensor<f32>} : () -> tensor<f32>
  %b = onnx.Constant() {value = dense<5.471500e-02> : tensor<f32>} : () -> tensor<f32>
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %g = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %0 = onnx.Mul(%g, %c) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %1 = onnx.Mul(%g, %a) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %2 = onnx.Mul(%1, %g) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %3 = onnx.Add(%2, %one) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %4 = onnx.Mul(%0, %3) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %5 = onnx.Tanh(%4) : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %6 = onnx.Add(%5, %one) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %7 = onnx.Mul(%g, %half) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %8 = onnx.Mul(%7, %6) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %k = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %k2 = onnx.Mul(%k, %k) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %9 = onnx.Mul(%k2, %b) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %10 = onnx.Mul(%9, %k) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %11 = onnx.Tanh(%10) : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %12 = onnx.Add(%11, %one) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %13 = onnx.Mul(%k, %12) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %8, %13 : tensor<?x?x16xf32>, tensor<?x?x16xf32>
}

// -----

param.file @f "w.bin"
param.global @w : tensor<8x16xf32> from @f [offset = 0, length = 512]
param.global @b : tensor<16xf32> from @f [offset = 512, length = 64]
// ONNX Runtime's Gelu with a bias, that of the linear; ReLU, squared.
// CHECK-LABEL: func @operators
func.func @operators(%x: tensor<?x?x8xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x?x16xf32>) {
  // CHECK: %[[L:.*]] = llm.linear %{{.*}}, %{{.*}} bias %{{.*}} :
  // CHECK: llm.activation %[[L]] {function = "gelu"}
  // CHECK: llm.activation %{{.*}} {function = "gelu_tanh"}
  // CHECK: llm.activation %{{.*}} {function = "relu_squared"}
  // CHECK-NOT: = onnx
  %w = param.load @w : tensor<8x16xf32>
  %b = param.load @b : tensor<16xf32>
  %two = onnx.Constant() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %g = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %0 = onnx.node "com.microsoft::BiasGelu"(%g, %b) : (tensor<?x?x16xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  %h = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %1 = onnx.Gelu(%h) {approximate = "tanh"} : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %i = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %2 = onnx.Relu(%i) : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %3 = onnx.Pow(%2, %two) : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  return %0, %1, %3 : tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x?x16xf32>
}
