// RUN: quant-opt %s | FileCheck %s
// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | FileCheck %s
// RUN: quant-opt %s --canonicalize | FileCheck %s --check-prefix=DCE
// RUN: quant-opt %s --inline | FileCheck %s --check-prefix=INLINE

// CHECK-LABEL: func.func @syntax
func.func @syntax(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> (tensor<?x4xf32>, tensor<*x!onnx.unknown>) {
  // CHECK: %[[NONE:.*]] = onnx.no_value
  %none = onnx.no_value
  // CHECK: onnx.MatMul(%arg0, %arg1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %0 = onnx.MatMul(%x, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  // CHECK: onnx.Softmax({{.*}}) {axis = -1 : i64} node "/Softmax" outputs ["p"] index 7 attributes {mine} : (tensor<?x4xf32>)
  %1 = onnx.Softmax(%0) {axis = -1} node "/Softmax" outputs ["p"] index 7 attributes {mine} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: onnx.Clip({{.*}}, %[[NONE]], %[[NONE]]) : (tensor<?x4xf32>, none, none)
  %2 = onnx.Clip(%1, %none, %none) : (tensor<?x4xf32>, none, none) -> tensor<?x4xf32>
  // CHECK: onnx.node "own::Thing"({{.*}}) {body = #onnx.proto<"\00\22">, modes = ["a"]} captures ["w"] : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<*x!onnx.unknown>
  %3 = onnx.node "own::Thing"(%2, %w) {body = #onnx.proto<"\00\22">, modes = ["a"]} captures ["w"] : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.Constant() {value = dense<1> : tensor<2xi64>} : () -> tensor<2xi64>
  %4 = onnx.Constant() {value = dense<1> : tensor<2xi64>} : () -> tensor<2xi64>
  // CHECK: onnx.Neg({{.*}}) node "named" : (tensor<?x4xf32>)
  %6 = onnx.Neg(%2) node "named" : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: %{{.*}}:2 = onnx.Split({{.*}}) outputs ["a", ""] : (tensor<?x4xf32>, tensor<2xi64>) -> (tensor<?x?xf32>, none)
  %5:2 = onnx.Split(%2, %4) outputs ["a", ""] : (tensor<?x4xf32>, tensor<2xi64>) -> (tensor<?x?xf32>, none)
  return %2, %3 : tensor<?x4xf32>, tensor<*x!onnx.unknown>
}

// Nodes are pure: those without a use go.
// DCE-LABEL: func.func @syntax
// DCE: onnx.node "own::Thing"
// DCE-NOT: onnx.Constant
// DCE: return

// INLINE-LABEL: func.func @caller
// INLINE-NOT: call
// INLINE: onnx.Neg
func.func private @callee(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = onnx.Neg(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @caller(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @callee(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
