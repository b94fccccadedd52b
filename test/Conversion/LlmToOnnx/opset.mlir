// RUN: quant-opt %s --llm-to-onnx --split-input-file --verify-diagnostics | FileCheck %s

// Attributes that became inputs, and the number of outputs that Split has to state.
// CHECK: module attributes {onnx.model = {ir_version = 10 : i64, opset_imports = {ai.onnx = 21 : i64}}}
// CHECK-LABEL: func.func @moved
module attributes {onnx.model = {ir_version = 7 : i64, opset_imports = {ai.onnx = 12 : i64}}} {
  func.func @moved(%x: tensor<2x4x8xf32>) -> (tensor<2x4x1xf32>, tensor<2x2x8xf32>, tensor<2x2x8xf32>, tensor<1x2x4x1xf32>) {
    // CHECK-DAG: %[[FIRST:.*]] = onnx.Constant() {value = dense<0> : tensor<1xi64>}
    // CHECK-DAG: %[[LAST:.*]] = onnx.Constant() {value = dense<-1> : tensor<1xi64>}
    // CHECK: onnx.ReduceMean(%arg0, %[[LAST]]) {keepdims = 1 : i64} node "mean" index 0
    %0 = onnx.ReduceMean(%x) {axes = array<i64: -1>, keepdims = 1 : i64} node "mean" index 0 : (tensor<2x4x8xf32>) -> tensor<2x4x1xf32>
    // CHECK: onnx.Split(%arg0) {axis = 1 : i64, num_outputs = 2 : i64} node "split" index 1
    %1:2 = onnx.Split(%x) {axis = 1 : i64} node "split" index 1 : (tensor<2x4x8xf32>) -> (tensor<2x2x8xf32>, tensor<2x2x8xf32>)
    // CHECK: onnx.Unsqueeze(%{{.*}}, %[[FIRST]]) node "unsqueeze" index 2
    %2 = onnx.Unsqueeze(%0) {axes = array<i64: 0>} node "unsqueeze" index 2 : (tensor<2x4x1xf32>) -> tensor<1x2x4x1xf32>
    return %0, %1#0, %1#1, %2 : tensor<2x4x1xf32>, tensor<2x2x8xf32>, tensor<2x2x8xf32>, tensor<1x2x4x1xf32>
  }
}

// -----

// Bounds were attributes, an axis has a default, and a node of a function has an opset of its own.
// CHECK-LABEL: func.func @bounds
module attributes {onnx.model = {ir_version = 4 : i64, opset_imports = {ai.onnx = 9 : i64}}} {
  func.func @bounds(%x: tensor<4x8xf32>) -> (tensor<4x3xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
    // CHECK: onnx.Slice(%arg0, %{{.*}}, %{{.*}}, %{{.*}}) node "slice" index 0
    %0 = onnx.Slice(%x) {axes = array<i64: 1>, ends = array<i64: 3>, starts = array<i64: 0>} node "slice" index 0 : (tensor<4x8xf32>) -> tensor<4x3xf32>
    // CHECK: onnx.Softmax(%arg0) {axis = -1 : i64} node "softmax" index 1
    %1 = onnx.Softmax(%x) node "softmax" index 1 : (tensor<4x8xf32>) -> tensor<4x8xf32>
    // CHECK: onnx.Softmax(%arg0) {axis = 0 : i64} node "own" index 2 :
    %2 = onnx.Softmax(%x) {axis = 0 : i64} node "own" index 2 attributes {onnx.opset = 18 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
    return %0, %1, %2 : tensor<4x3xf32>, tensor<4x8xf32>, tensor<4x8xf32>
  }
}

// -----

// A later opset stays: what is emitted means the same there.
// CHECK: opset_imports = {ai.onnx = 23 : i64}
// CHECK-LABEL: func.func @later
module attributes {onnx.model = {ir_version = 11 : i64, opset_imports = {ai.onnx = 23 : i64}}} {
  func.func @later(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
    %0 = onnx.Softmax(%x) node "softmax" index 0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
    return %0 : tensor<2x4xf32>
  }
}

// -----

module attributes {onnx.model = {ir_version = 7 : i64, opset_imports = {ai.onnx = 12 : i64}}} {
  func.func @softmax(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
    // expected-error @+1 {{node "probabilities" (Softmax) is of opset 12 and changed in opset 13: export the model with opset 13 or later}}
    %0 = onnx.Softmax(%x) node "probabilities" index 0 : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
    return %0 : tensor<2x3x4xf32>
  }
}

// -----

// expected-error @+1 {{the model is of opset 6, expected 7 or later: export it anew}}
module attributes {onnx.model = {ir_version = 3 : i64, opset_imports = {ai.onnx = 6 : i64}}} {
  func.func @old(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
    return %x : tensor<2x4xf32>
  }
}

// -----

module attributes {onnx.model = {ir_version = 8 : i64, opset_imports = {ai.onnx = 17 : i64}}} {
  func.func @channels(%x: tensor<?x8xf32>) -> tensor<?x8xi4> {
    // expected-error @+1 {{has no ONNX form: expected groups along the last dimension}}
    %c, %s = q.quantize_dynamic %x {axis = -2 : i64, bits = 4 : i64, clip = 0.9 : f64, group_size = 16 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x8xf32>)
    return %c : tensor<?x8xi4>
  }
}

// -----

// A rotation of another dimension than the last.
module attributes {onnx.model = {ir_version = 8 : i64, opset_imports = {ai.onnx = 17 : i64}}} {
  func.func @rows(%x: tensor<8x?xf32>) -> tensor<8x?xf32, #rot.basis<[#rot.hadamard<8>, _]>> {
    // expected-error @+1 {{has no ONNX form: it changes the basis of dimension 0, expected the last one only}}
    %0 = rot.convert %x : tensor<8x?xf32> to tensor<8x?xf32, #rot.basis<[#rot.hadamard<8>, _]>>
    return %0 : tensor<8x?xf32, #rot.basis<[#rot.hadamard<8>, _]>>
  }
}
