// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s

param.file @f "w.bin"
param.global @w : tensor<8x16xf32> from @f [offset = 0, length = 512]
// CHECK-LABEL: func @in_out
// CHECK-SAME: attributes {rot.strict}
func.func @in_out(%x: tensor<?x?x8xf32>) -> tensor<?x?x16xf32> {
  // CHECK: %[[W:.*]] = param.load @w
  // CHECK: %[[T:.*]] = param.transpose %[[W]] : tensor<8x16xf32> to tensor<16x8xf32>
  // CHECK: llm.linear %{{.*}}, %[[T]] {llm.role = "head"}
  // CHECK-NOT: = onnx.
  %w = param.load @w : tensor<8x16xf32>
  %y = onnx.MatMul(%x, %w) node "/proj/MatMul" : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

param.file @f "w.bin"
param.global @w : tensor<16x8xf32> from @f [offset = 0, length = 512]
param.global @b : tensor<16xf32> from @f [offset = 512, length = 64]
// CHECK-LABEL: func @transposed_with_bias
func.func @transposed_with_bias(%x: tensor<?x?x8xf32>) -> tensor<?x?x16xf32> {
  // CHECK-DAG: %[[W:.*]] = param.load @w
  // CHECK-DAG: %[[B:.*]] = param.load @b
  // CHECK: llm.linear %{{.*}}, %[[W]] bias %[[B]]
  // CHECK-NOT: = onnx.
  %w = param.load @w : tensor<16x8xf32>
  %b = param.load @b : tensor<16xf32>
  %t = onnx.Transpose(%w) {perm = array<i64: 1, 0>} : (tensor<16x8xf32>) -> tensor<8x16xf32>
  %m = onnx.MatMul(%x, %t) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %y = onnx.Add(%b, %m) : (tensor<16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// The product without the bias is read as well: it stays a linear of its own, and the sum a node.
param.file @f "w.bin"
param.global @w : tensor<8x16xf32> from @f [offset = 0, length = 512]
param.global @b : tensor<16xf32> from @f [offset = 512, length = 64]
// CHECK-LABEL: func @bias_with_another_reader
func.func @bias_with_another_reader(%x: tensor<?x?x8xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x16xf32>) {
  // CHECK: %[[M:.*]] = llm.linear
  // CHECK-NOT: bias
  // CHECK: onnx.Add(%[[M]]
  %w = param.load @w : tensor<8x16xf32>
  %b = param.load @b : tensor<16xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %y = onnx.Add(%m, %b) : (tensor<?x?x16xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  return %m, %y : tensor<?x?x16xf32>, tensor<?x?x16xf32>
}

// -----

// A matrix that is no weight.
// CHECK-LABEL: func @no_weight
func.func @no_weight(%x: tensor<?x?x8xf32>, %w: tensor<8x16xf32>) -> tensor<?x?x16xf32> {
  // CHECK: onnx.MatMul
  %y = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// Not a transposition of a matrix.
param.file @f "w.bin"
param.global @w : tensor<8x8xf32> from @f [offset = 0, length = 256]
// CHECK-LABEL: func @identity_transpose
func.func @identity_transpose(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: %[[T:.*]] = param.transpose
  // CHECK: llm.linear %{{.*}}, %[[T]]
  %w = param.load @w : tensor<8x8xf32>
  %t = onnx.Transpose(%w) {perm = array<i64: 0, 1>} : (tensor<8x8xf32>) -> tensor<8x8xf32>
  %y = onnx.MatMul(%x, %t) : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

param.file @f "w.bin"
param.global @table : tensor<32x8xf32> from @f [offset = 0, length = 1024]
// CHECK-LABEL: func @embedding
func.func @embedding(%ids: tensor<?x?xi64>) -> tensor<?x?x8xf32> {
  // CHECK: llm.embedding %{{.*}}, %{{.*}} {llm.role = "embed"} : (tensor<?x?xi64>, tensor<32x8xf32>) -> tensor<?x?x8xf32>
  %w = param.load @table : tensor<32x8xf32>
  %y = onnx.Gather(%w, %ids) : (tensor<32x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// Columns of a table are no embedding.
param.file @f "w.bin"
param.global @table : tensor<32x8xf32> from @f [offset = 0, length = 1024]
// CHECK-LABEL: func @gather_of_columns
func.func @gather_of_columns(%ids: tensor<?xi64>) -> tensor<32x?xf32> {
  // CHECK: onnx.Gather
  %w = param.load @table : tensor<32x8xf32>
  %y = onnx.Gather(%w, %ids) {axis = 1 : i64} : (tensor<32x8xf32>, tensor<?xi64>) -> tensor<32x?xf32>
  return %y : tensor<32x?xf32>
}
