// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s

// Blocks along the contraction, stored [in, out]: codes and scales are turned, nothing else.
param.file @f "w.bin"
param.global @c : tensor<32x16xi4> from @f [offset = 0, length = 256]
param.global @s : tensor<2x16xf32> from @f [offset = 256, length = 128]
// CHECK-LABEL: func @blocks_in_out
func.func @blocks_in_out(%x: tensor<?x?x32xf32>) -> tensor<?x?x16xf32> {
  // CHECK-DAG: %[[C:.*]] = param.transpose %{{.*}} : tensor<32x16xi4> to tensor<16x32xi4>
  // CHECK-DAG: %[[S:.*]] = param.transpose %{{.*}} : tensor<2x16xf32> to tensor<16x2xf32>
  // CHECK: %[[W:.*]] = q.dequantize %[[C]], %[[S]] {group_size = 16 : i64}
  // CHECK: llm.linear %{{.*}}, %[[W]]
  // CHECK-NOT: = onnx.
  %c = param.load @c : tensor<32x16xi4>
  %s = param.load @s : tensor<2x16xf32>
  %w = onnx.DequantizeLinear(%c, %s) {axis = 0 : i64, block_size = 16 : i64} : (tensor<32x16xi4>, tensor<2x16xf32>) -> tensor<32x16xf32>
  %y = onnx.MatMul(%x, %w) : (tensor<?x?x32xf32>, tensor<32x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// Blocks along the contraction, stored [out, in], with zero points.
param.file @f "w.bin"
param.global @c : tensor<16x32xui4> from @f [offset = 0, length = 256]
param.global @s : tensor<16x2xf32> from @f [offset = 256, length = 128]
param.global @z : tensor<16x2xui4> from @f [offset = 384, length = 16]
// CHECK-LABEL: func @blocks_out_in
func.func @blocks_out_in(%x: tensor<?x?x32xf32>) -> tensor<?x?x16xf32> {
  // CHECK: %[[W:.*]] = q.dequantize %{{.*}}, %{{.*}} zero %{{.*}} {group_size = 16 : i64} : (tensor<16x32xui4>, tensor<16x2xf32>, tensor<16x2xui4>)
  // CHECK-NOT: transpose
  // CHECK: llm.linear %{{.*}}, %[[W]]
  %c = param.load @c : tensor<16x32xui4>
  %s = param.load @s : tensor<16x2xf32>
  %z = param.load @z : tensor<16x2xui4>
  %w = onnx.DequantizeLinear(%c, %s, %z) {axis = -1 : i64, block_size = 16 : i64} : (tensor<16x32xui4>, tensor<16x2xf32>, tensor<16x2xui4>) -> tensor<16x32xf32>
  %t = onnx.Transpose(%w) {perm = array<i64: 1, 0>} : (tensor<16x32xf32>) -> tensor<32x16xf32>
  %y = onnx.MatMul(%x, %t) : (tensor<?x?x32xf32>, tensor<32x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// Per output channel and per tensor; zero points that are known to be 0 vanish.
param.file @f "w.bin"
param.global @c : tensor<8x16xi8> from @f [offset = 0, length = 128]
param.global @s : tensor<16xf32> from @f [offset = 128, length = 64]
param.global @z : tensor<16xi8> from @f [offset = 192, length = 16] {onnx.value = dense<0> : tensor<16xi8>}
param.global @d : tensor<16x8xi8> from @f [offset = 208, length = 128]
param.global @one : tensor<f32> from @f [offset = 336, length = 4]
param.global @zero : tensor<i8> from @f [offset = 340, length = 1]
// CHECK-LABEL: func @channels
func.func @channels(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK-DAG: %[[S:.*]] = param.reshape %{{.*}} : tensor<16xf32> to tensor<16x1xf32>
  // CHECK-DAG: q.dequantize %{{.*}}, %[[S]] {group_size = 0 : i64} : (tensor<16x8xi8>, tensor<16x1xf32>)
  // CHECK-DAG: %[[T:.*]] = param.broadcast %{{.*}} : tensor<1x1xf32> to tensor<8x1xf32>
  // CHECK-DAG: q.dequantize %{{.*}}, %[[T]] zero %{{.*}} {group_size = 0 : i64} : (tensor<8x16xi8>, tensor<8x1xf32>, tensor<8x1xi8>)
  // CHECK: llm.linear {{.*}} -> tensor<?x?x8xf32>
  // CHECK-NOT: = onnx.
  %c = param.load @c : tensor<8x16xi8>
  %s = param.load @s : tensor<16xf32>
  %z = param.load @z : tensor<16xi8>
  %w = onnx.DequantizeLinear(%c, %s, %z) {axis = 1 : i64} : (tensor<8x16xi8>, tensor<16xf32>, tensor<16xi8>) -> tensor<8x16xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %d = param.load @d : tensor<16x8xi8>
  %one = param.load @one : tensor<f32>
  %zero = param.load @zero : tensor<i8>
  %v = onnx.DequantizeLinear(%d, %one, %zero) : (tensor<16x8xi8>, tensor<f32>, tensor<i8>) -> tensor<16x8xf32>
  %y = onnx.MatMul(%m, %v) : (tensor<?x?x16xf32>, tensor<16x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// Unsigned codes without zero points have no form here; the product runs as it is.
param.file @f "w.bin"
param.global @c : tensor<8x16xui8> from @f [offset = 0, length = 128]
param.global @s : tensor<16xf32> from @f [offset = 128, length = 64]
// CHECK-LABEL: func @unsigned_without_zero
func.func @unsigned_without_zero(%x: tensor<?x?x8xf32>) -> tensor<?x?x16xf32> {
  // CHECK: onnx.DequantizeLinear
  // CHECK: onnx.MatMul
  %c = param.load @c : tensor<8x16xui8>
  %s = param.load @s : tensor<16xf32>
  %w = onnx.DequantizeLinear(%c, %s) {axis = 1 : i64} : (tensor<8x16xui8>, tensor<16xf32>) -> tensor<8x16xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  return %m : tensor<?x?x16xf32>
}

// -----

// A ragged contraction, flat scales and packed zero points; then symmetric codes and a bias.
param.file @f "w.bin"
param.global @b : tensor<8x3x8xui8> from @f [offset = 0, length = 192]
param.global @s : tensor<24xf32> from @f [offset = 192, length = 96]
param.global @z : tensor<16xui8> from @f [offset = 288, length = 16]
param.global @v : tensor<4x1x16xui8> from @f [offset = 304, length = 64]
param.global @u : tensor<4x1xf32> from @f [offset = 368, length = 16]
param.global @bias : tensor<4xf32> from @f [offset = 384, length = 16]
// CHECK-LABEL: func @nbits
func.func @nbits(%x: tensor<?x?x40xf32>) -> tensor<?x?x4xf32> {
  // CHECK-DAG: %[[C:.*]] = q.unpack %{{.*}} {bits = 4 : i64} : tensor<8x3x8xui8> -> tensor<8x40xui4>
  // CHECK-DAG: %[[S:.*]] = param.reshape %{{.*}} : tensor<24xf32> to tensor<8x3xf32>
  // CHECK-DAG: %[[R:.*]] = param.reshape %{{.*}} : tensor<16xui8> to tensor<8x2xui8>
  // CHECK-DAG: %[[Z:.*]] = q.unpack %[[R]] {bits = 4 : i64} : tensor<8x2xui8> -> tensor<8x3xui4>
  // CHECK-DAG: q.dequantize %[[C]], %[[S]] zero %[[Z]] {group_size = 16 : i64}
  // CHECK-DAG: q.unpack %{{.*}} {bits = 8 : i64} : tensor<4x1x16xui8> -> tensor<4x8xi8>
  // CHECK: llm.linear {{.*}} bias {{.*}} -> tensor<?x?x4xf32>
  // CHECK-NOT: = onnx.node
  %b = param.load @b : tensor<8x3x8xui8>
  %s = param.load @s : tensor<24xf32>
  %z = param.load @z : tensor<16xui8>
  %m = onnx.node "com.microsoft::MatMulNBits"(%x, %b, %s, %z) {K = 40 : i64, N = 8 : i64, bits = 4 : i64, block_size = 16 : i64} : (tensor<?x?x40xf32>, tensor<8x3x8xui8>, tensor<24xf32>, tensor<16xui8>) -> tensor<?x?x8xf32>
  %v = param.load @v : tensor<4x1x16xui8>
  %u = param.load @u : tensor<4x1xf32>
  %bias = param.load @bias : tensor<4xf32>
  %none = onnx.no_value
  %y = onnx.node "com.microsoft::MatMulNBits"(%m, %v, %u, %none, %none, %bias) {K = 8 : i64, N = 4 : i64, bits = 8 : i64, block_size = 16 : i64} : (tensor<?x?x8xf32>, tensor<4x1x16xui8>, tensor<4x1xf32>, none, none, tensor<4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

// Zero points between codes, columns in another order: left alone.
param.file @f "w.bin"
param.global @b : tensor<8x1x8xui8> from @f [offset = 0, length = 64]
param.global @s : tensor<8xf32> from @f [offset = 64, length = 32]
param.global @z : tensor<8x1xf32> from @f [offset = 96, length = 32]
param.global @g : tensor<16xi32> from @f [offset = 128, length = 64]
// CHECK-LABEL: func @other_nbits
func.func @other_nbits(%x: tensor<?x?x16xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  // CHECK-COUNT-2: onnx.node "com.microsoft::MatMulNBits"
  %b = param.load @b : tensor<8x1x8xui8>
  %s = param.load @s : tensor<8xf32>
  %z = param.load @z : tensor<8x1xf32>
  %g = param.load @g : tensor<16xi32>
  %none = onnx.no_value
  %m = onnx.node "com.microsoft::MatMulNBits"(%x, %b, %s, %z) {K = 16 : i64, N = 8 : i64, bits = 4 : i64, block_size = 16 : i64} : (tensor<?x?x16xf32>, tensor<8x1x8xui8>, tensor<8xf32>, tensor<8x1xf32>) -> tensor<?x?x8xf32>
  %n = onnx.node "com.microsoft::MatMulNBits"(%x, %b, %s, %none, %g) {K = 16 : i64, N = 8 : i64, bits = 4 : i64, block_size = 16 : i64} : (tensor<?x?x16xf32>, tensor<8x1x8xui8>, tensor<8xf32>, none, tensor<16xi32>) -> tensor<?x?x8xf32>
  return %m, %n : tensor<?x?x8xf32>, tensor<?x?x8xf32>
}

// -----

// One table for the head and, reshaped, for the embedding.
param.file @f "w.bin"
param.global @b : tensor<64x2x8xui8> from @f [offset = 0, length = 1024]
param.global @s : tensor<64x2xf32> from @f [offset = 1024, length = 512]
param.global @shape : tensor<2xi64> from @f [offset = 1536, length = 16] {onnx.value = dense<[64, 16]> : tensor<2xi64>}
// CHECK-LABEL: func @tied
func.func @tied(%ids: tensor<?x?xi64>) -> tensor<?x?x64xf32> {
  // CHECK: llm.embedding {{.*}} : (tensor<?x?xi64>, tensor<64x32xf32>) -> tensor<?x?x32xf32>
  // CHECK: llm.linear
  // CHECK-NOT: GatherBlockQuantized
  %b = param.load @b : tensor<64x2x8xui8>
  %s = param.load @s : tensor<64x2xf32>
  %shape = param.load @shape : tensor<2xi64>
  %t = onnx.Reshape(%b, %shape) : (tensor<64x2x8xui8>, tensor<2xi64>) -> tensor<64x16xui8>
  %x = onnx.node "com.microsoft::GatherBlockQuantized"(%t, %ids, %s) {bits = 4 : i64, block_size = 16 : i64, gather_axis = 0 : i64, quantize_axis = 1 : i64} : (tensor<64x16xui8>, tensor<?x?xi64>, tensor<64x2xf32>) -> tensor<?x?x32xf32>
  %y = onnx.node "com.microsoft::MatMulNBits"(%x, %b, %s) {K = 32 : i64, N = 64 : i64, bits = 4 : i64, block_size = 16 : i64} : (tensor<?x?x32xf32>, tensor<64x2x8xui8>, tensor<64x2xf32>) -> tensor<?x?x64xf32>
  return %y : tensor<?x?x64xf32>
}

// -----

// Gemm with factors, FusedMatMul with a transposed weight, a weight behind a cast.
param.file @f "w.bin"
param.global @w : tensor<16x8xf32> from @f [offset = 0, length = 512]
param.global @b : tensor<16xf32> from @f [offset = 512, length = 64]
param.global @h : tensor<8x16xf16> from @f [offset = 576, length = 256]
// CHECK-LABEL: func @products
func.func @products(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: param.scale {{.*}} : tensor<16xf32>
  // CHECK: llm.linear {{.*}} bias
  // CHECK: param.cast %{{.*}} : tensor<8x16xf16> to tensor<8x16xf32>
  // CHECK: llm.linear
  // CHECK: llm.linear
  // CHECK-NOT: onnx.Gemm
  // CHECK-NOT: FusedMatMul
  %w = param.load @w : tensor<16x8xf32>
  %b = param.load @b : tensor<16xf32>
  %h = param.load @h : tensor<8x16xf16>
  %y = onnx.Gemm(%x, %w, %b) {beta = 0.5 : f32, transB = 1 : i64} : (tensor<?x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %c = onnx.Cast(%h) {to = 1 : i64} : (tensor<8x16xf16>) -> tensor<8x16xf32>
  %z = onnx.node "com.microsoft::FusedMatMul"(%y, %c) {transB = 1 : i64} : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
  %v = onnx.node "com.microsoft::FusedMatMul"(%z, %w) {transB = 1 : i64} : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  %u = onnx.MatMul(%v, %w) : (tensor<?x16xf32>, tensor<16x8xf32>) -> tensor<?x8xf32>
  return %u : tensor<?x8xf32>
}
