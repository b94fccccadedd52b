// RUN: quant-opt %s --param-hoist | FileCheck %s
// RUN: quant-opt %s --param-hoist | quant-opt --param-hoist | FileCheck %s

#had8 = #rot.hadamard<8>
#rotated = #rot.basis<[_, #had8]>
#sharing = #rot.basis<[_, #rot.hadamard<8, seed = 1>]>
param.file @f "weights.bin"
param.global @w : tensor<4x8xf32> from @f [offset = 0, length = 128]
param.global @g : tensor<8xf32> from @f [offset = 128, length = 32]
// Exporters call weights as they like.
param.global @"onnx::MatMul_8080" : tensor<8x4xf32> from @f [offset = 160, length = 128]

// C8: names say what is computed from what.
// CHECK:      param.derived @w.w4 {
// CHECK-NEXT:   %[[W:.*]] = param.load @w : tensor<4x8xf32>
// CHECK-NEXT:   %[[G:.*]] = param.load @g : tensor<8xf32>
// CHECK-NEXT:   %[[S:.*]] = param.scale %[[W]] by %[[G]] dim 1
// CHECK-NEXT:   %[[R:.*]] = rot.convert %[[S]]
// CHECK-NEXT:   %[[C:.*]], %[[CS:.*]] = q.quantize_weight %[[R]]
// CHECK-NEXT:   param.yield %[[C]], %[[CS]] : tensor<4x8xi4, {{.*}}>, tensor<4x1xf32>
// CHECK-NEXT: }
// CHECK-NEXT: param.derived @"onnx::MatMul_8080.transposed"
// CHECK-NOT:  param.derived
// CHECK-LABEL: @prefill
// CHECK-NEXT: %[[Q:.*]]:2 = param.load @w.w4 : tensor<4x8xi4, {{.*}}>, tensor<4x1xf32>
// CHECK-NEXT: %[[T:.*]] = param.load @"onnx::MatMul_8080.transposed"
// CHECK-NEXT: return %[[Q]]#0, %[[Q]]#1, %[[T]]
func.func @prefill() -> (tensor<4x8xi4, #rotated>, tensor<4x1xf32>, tensor<4x8xf32>) {
  %w = param.load @w : tensor<4x8xf32>
  %g = param.load @g : tensor<8xf32>
  %1 = param.scale %w by %g dim 1 : tensor<4x8xf32>, tensor<8xf32>
  %2 = rot.convert %1 : tensor<4x8xf32> to tensor<4x8xf32, #rotated>
  %codes, %scale = q.quantize_weight %2 {method = "rtn", options = {bits = 4}}
    : tensor<4x8xf32, #rotated> -> tensor<4x8xi4, #rotated>, tensor<4x1xf32>
  %t = param.load @"onnx::MatMul_8080" : tensor<8x4xf32>
  %3 = param.transpose %t : tensor<8x4xf32> to tensor<4x8xf32>
  return %codes, %scale, %3 : tensor<4x8xi4, #rotated>, tensor<4x1xf32>, tensor<4x8xf32>
}

// The same expression in another function is the same unit, whatever the order of its ops.
// CHECK-LABEL: @decode
// CHECK-NEXT: %[[Q:.*]]:2 = param.load @w.w4
// CHECK-NEXT: return %[[Q]]#0
func.func @decode() -> tensor<4x8xi4, #rotated> {
  %g = param.load @g : tensor<8xf32>
  %w = param.load @w : tensor<4x8xf32>
  %1 = param.scale %w by %g dim 1 : tensor<4x8xf32>, tensor<8xf32>
  %2 = rot.convert %1 : tensor<4x8xf32> to tensor<4x8xf32, #rotated>
  %codes, %scale = q.quantize_weight %2 {method = "rtn", options = {bits = 4}}
    : tensor<4x8xf32, #rotated> -> tensor<4x8xi4, #rotated>, tensor<4x1xf32>
  return %codes : tensor<4x8xi4, #rotated>
}

// A tied weight: what the name of the last op leaves equal, all ops tell apart, and in the end a hash.
// CHECK:      param.derived @w.rotated
// CHECK:      param.derived @w.scaled_rotated
// CHECK:      param.derived @w.scaled_rotated.{{[0-9a-f]+}}
// CHECK-LABEL: @tied
// CHECK-NEXT: %[[A:.*]] = param.load @w.rotated
// CHECK-NEXT: %[[B:.*]] = param.load @w.scaled_rotated :
// CHECK-NEXT: %[[C:.*]] = param.load @w.scaled_rotated.{{[0-9a-f]+}} :
// CHECK-NEXT: %[[D:.*]] = param.load @w : tensor<4x8xf32>
// CHECK-NEXT: return %[[A]], %[[B]], %[[C]], %[[D]]
func.func @tied() -> (tensor<4x8xf32, #rotated>, tensor<4x8xf32, #rotated>, tensor<4x8xf32, #sharing>, tensor<4x8xf32>) {
  %w = param.load @w : tensor<4x8xf32>
  %g = param.load @g : tensor<8xf32>
  %1 = rot.convert %w : tensor<4x8xf32> to tensor<4x8xf32, #rotated>
  %2 = param.scale %w by %g dim 1 : tensor<4x8xf32>, tensor<8xf32>
  %3 = rot.convert %2 : tensor<4x8xf32> to tensor<4x8xf32, #rotated>
  %4 = rot.convert %2 : tensor<4x8xf32> to tensor<4x8xf32, #sharing>
  // A parameter as it is stays in its place.
  %5 = param.load @w : tensor<4x8xf32>
  return %1, %3, %4, %5 : tensor<4x8xf32, #rotated>, tensor<4x8xf32, #rotated>, tensor<4x8xf32, #sharing>, tensor<4x8xf32>
}

// A value that is read and also built upon is a unit of its own.
// CHECK:      param.derived @g.scaled {
// CHECK:      param.derived @w.scaled {
// CHECK:        param.scale
// CHECK:        param.scale
// CHECK-LABEL: @both
// CHECK-NEXT: param.load @g.scaled
// CHECK-NEXT: param.load @w.scaled
// CHECK-NEXT: return
func.func @both() -> (tensor<8xf32>, tensor<4x8xf32>) {
  %w = param.load @w : tensor<4x8xf32>
  %g = param.load @g : tensor<8xf32>
  %1 = param.scale %g by %g dim 0 : tensor<8xf32>, tensor<8xf32>
  %2 = param.scale %w by %1 dim 1 : tensor<4x8xf32>, tensor<8xf32>
  return %1, %2 : tensor<8xf32>, tensor<4x8xf32>
}

// C10: codes are stored, not what they stand for.
// CHECK:      param.derived @w.w3 {
// CHECK-NOT:    q.dequantize
// CHECK:        param.yield %codes, %scale
// CHECK-LABEL: @weight_only
// CHECK-NEXT: %[[W:.*]]:2 = param.load @w.w3
// CHECK-NEXT: %[[D:.*]] = q.dequantize %[[W]]#0, %[[W]]#1
// CHECK-NEXT: return %[[D]]
func.func @weight_only() -> tensor<4x8xf32> {
  %w = param.load @w : tensor<4x8xf32>
  %codes, %scale = q.quantize_weight %w {method = "rtn", options = {bits = 3 : i64}} : tensor<4x8xf32> -> tensor<4x8xi4>, tensor<4x1xf32>
  %0 = q.dequantize %codes, %scale {group_size = 0 : i64} : (tensor<4x8xi4>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
