// RUN: quant-opt %s --verify-roundtrip | FileCheck %s
#H = #rot.hadamard<8>

// Codes keep the basis of what was quantized, along both dimensions of a weight.
// CHECK-LABEL: @linear
func.func @linear(%x: tensor<?x8xf32, #rot.basis<[_, #H]>>, %w: tensor<4x8xf32, #rot.basis<[#rot.hadamard<4>, #H]>>, %b: tensor<4xf32, #rot.basis<[#rot.hadamard<4>]>>) -> tensor<?x4xf32, #rot.basis<[_, #rot.hadamard<4>]>> {
  // CHECK: q.quantize_dynamic %arg0 {bits = 4 : i64, clip = 9.000000e-01 : f64, group_size = 0 : i64} : {{.*}} -> (tensor<?x8xi4, #rot.basis<[_, #had8_0]>>, tensor<?x1xf32>)
  %xq, %xs = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32, #rot.basis<[_, #H]>> -> (tensor<?x8xi4, #rot.basis<[_, #H]>>, tensor<?x1xf32>)
  // CHECK: q.quantize_weight %arg1 {method = "rtn", options = {bits = 4 : i64, group_size = 3 : i64}} : {{.*}}, tensor<4x3xf32>
  %wq, %ws = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 3}} : tensor<4x8xf32, #rot.basis<[#rot.hadamard<4>, #H]>> -> tensor<4x8xi4, #rot.basis<[#rot.hadamard<4>, #H]>>, tensor<4x3xf32>
  // CHECK: q.linear {{.*}} bias %arg2 {input_group_size = 0 : i64, weight_group_size = 3 : i64}
  %y = q.linear %xq, %xs, %wq, %ws bias %b {input_group_size = 0 : i64, weight_group_size = 3 : i64} : (tensor<?x8xi4, #rot.basis<[_, #H]>>, tensor<?x1xf32>, tensor<4x8xi4, #rot.basis<[#rot.hadamard<4>, #H]>>, tensor<4x3xf32>, tensor<4xf32, #rot.basis<[#rot.hadamard<4>]>>) -> tensor<?x4xf32, #rot.basis<[_, #rot.hadamard<4>]>>
  return %y : tensor<?x4xf32, #rot.basis<[_, #rot.hadamard<4>]>>
}

// CHECK-LABEL: @cache
func.func @cache(%k: tensor<?x3x?x8xf32>) -> tensor<?x3x?x8xf32> {
  // CHECK: q.quantize_dynamic {{.*}} -> (tensor<?x3x?x8xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>)
  %q, %s, %z = q.quantize_dynamic %k {bits = 4 : i64, clip = 0.95 : f64, group_size = 0 : i64} : tensor<?x3x?x8xf32> -> (tensor<?x3x?x8xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>)
  // CHECK: q.dequantize %{{.*}}, %{{.*}} zero %{{.*}} {group_size = 0 : i64}
  %d = q.dequantize %q, %s zero %z {group_size = 0 : i64} : (tensor<?x3x?x8xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>) -> tensor<?x3x?x8xf32>
  return %d : tensor<?x3x?x8xf32>
}

// CHECK-LABEL: @pack
func.func @pack(%codes: tensor<4x8xi4>, %scale: tensor<4x2xf32>, %one: tensor<4x1xf32>) -> (tensor<8x4xi4>, tensor<4xf32>, tensor<4x2x2xui8>, tensor<4x2xf32>) {
  // CHECK: q.pack {{.*}} layout = "in_out"
  %p, %ps = q.pack %codes, %one {group_size = 0 : i64, layout = "in_out"} : (tensor<4x8xi4>, tensor<4x1xf32>) -> (tensor<8x4xi4>, tensor<4xf32>)
  // CHECK: q.pack {{.*}} layout = "matmul_nbits"
  %n, %ns = q.pack %codes, %scale {group_size = 4 : i64, layout = "matmul_nbits"} : (tensor<4x8xi4>, tensor<4x2xf32>) -> (tensor<4x2x2xui8>, tensor<4x2xf32>)
  return %p, %ps, %n, %ns : tensor<8x4xi4>, tensor<4xf32>, tensor<4x2x2xui8>, tensor<4x2xf32>
}

// Blocks of 16 rows, filled.
// CHECK-LABEL: @fragments
func.func @fragments(%codes: tensor<20x72xi4>, %one: tensor<20x1xf32>, %three: tensor<20x3xf32>) {
  // CHECK: q.pack {{.*}} layout = "m16n8k64.s4:8x9"} : {{.*}} -> (tensor<2x1024xui8>, tensor<2x16xf32>)
  %p, %ps = q.pack %codes, %one {group_size = 0 : i64, layout = "m16n8k64.s4:8x9"} : (tensor<20x72xi4>, tensor<20x1xf32>) -> (tensor<2x1024xui8>, tensor<2x16xf32>)
  // CHECK: q.pack {{.*}} layout = "m16n8k16.f16x4"} : {{.*}} -> (tensor<2x1024xui8>, tensor<2x16x3xf32>)
  %q, %qs = q.pack %codes, %three {group_size = 24 : i64, layout = "m16n8k16.f16x4"} : (tensor<20x72xi4>, tensor<20x3xf32>) -> (tensor<2x1024xui8>, tensor<2x16x3xf32>)
  return
}

// Codes and zero points as a file packs them; a zero point with signless codes, as DequantizeLinear has it.
// CHECK-LABEL: @unpack
func.func @unpack(%bytes: tensor<4x2x8xui8>, %packed: tensor<4x1xui8>, %scale: tensor<4x2xf32>, %codes: tensor<4x8xi8>, %ones: tensor<4x1xf32>, %zeros: tensor<4x1xi8>) {
  // CHECK: q.unpack %{{.*}} {bits = 4 : i64} : tensor<4x2x8xui8> -> tensor<4x30xui4>
  %c = q.unpack %bytes {bits = 4 : i64} : tensor<4x2x8xui8> -> tensor<4x30xui4>
  %z = q.unpack %packed {bits = 4 : i64} : tensor<4x1xui8> -> tensor<4x2xui4>
  %w = q.dequantize %c, %scale zero %z {group_size = 16 : i64} : (tensor<4x30xui4>, tensor<4x2xf32>, tensor<4x2xui4>) -> tensor<4x30xf32>
  // CHECK: q.dequantize {{.*}} : (tensor<4x8xi8>, tensor<4x1xf32>, tensor<4x1xi8>) -> tensor<4x8xf32>
  %v = q.dequantize %codes, %ones zero %zeros {group_size = 0 : i64} : (tensor<4x8xi8>, tensor<4x1xf32>, tensor<4x1xi8>) -> tensor<4x8xf32>
  return
}
