// RUN: quant-opt %s --llm-to-onnx | FileCheck %s
// Weights of codes that came with the model stay codes.

param.file @f "w.bin"
param.global @codes : tensor<32x32xi4> from @f [offset = 0, length = 512]
param.global @scale : tensor<32x2xf32> from @f [offset = 512, length = 256]

// CHECK-LABEL: func.func @embedding
// CHECK-DAG:     %[[C:.*]] = param.load @codes
// CHECK-DAG:     %[[S:.*]] = param.load @scale
// CHECK:         onnx.node "com.microsoft::GatherBlockQuantized"(%[[C]], %arg0, %[[S]]) {block_size = 16 : i64, gather_axis = 0 : i64, quantize_axis = 1 : i64}
func.func @embedding(%ids: tensor<?x?xi64>) -> tensor<?x?x32xf32> {
  %c = param.load @codes : tensor<32x32xi4>
  %s = param.load @scale : tensor<32x2xf32>
  %w = q.dequantize %c, %s {group_size = 16 : i64} : (tensor<32x32xi4>, tensor<32x2xf32>) -> tensor<32x32xf32>
  %0 = llm.embedding %ids, %w : (tensor<?x?xi64>, tensor<32x32xf32>) -> tensor<?x?x32xf32>
  return %0 : tensor<?x?x32xf32>
}

// A node that knows no codes reads their values.
// CHECK-LABEL: func.func @node
// CHECK:         %[[W:.*]] = onnx.DequantizeLinear(%{{.*}}, %{{.*}}) {axis = -1 : i64, block_size = 16 : i64}
// CHECK-NEXT:    onnx.MatMul(%arg0, %[[W]])
func.func @node(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %c = param.load @codes : tensor<32x32xi4>
  %s = param.load @scale : tensor<32x2xf32>
  %w = q.dequantize %c, %s {group_size = 16 : i64} : (tensor<32x32xi4>, tensor<32x2xf32>) -> tensor<32x32xf32>
  %0 = onnx.MatMul(%x, %w) node "m" outputs ["y"] : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}
