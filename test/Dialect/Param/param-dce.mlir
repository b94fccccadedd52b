// RUN: quant-opt %s --param-dce | FileCheck %s
// C9: symbol-dce would have it otherwise.
// RUN: quant-opt %s --symbol-dce | FileCheck %s --check-prefix=SYMBOL

// CHECK-NOT: @unused_file
// CHECK:     param.file @f
// CHECK-NOT: @dead
// CHECK:     param.global @smooth
// CHECK-NOT: @dead
// CHECK:     param.global @matrix
// CHECK:     param.global @w
// CHECK-NOT: @dead
// CHECK:     param.derived @w.rotated
// CHECK-NOT: @dead
// CHECK:     @main
// SYMBOL:    @dead
param.file @unused_file "other.bin"
param.file @f "weights.bin"
param.global @dead : tensor<8xf32> from @f [offset = 0, length = 32]
// Named in a type only.
param.global @smooth : tensor<8xf32> from @f [offset = 32, length = 32]
// Read by an unused unit only.
param.global @dead_too : tensor<4x8xf32> from @f [offset = 64, length = 128]
// Named in a type of a unit that is used.
param.global @matrix : tensor<8x8xf32> from @f [offset = 64, length = 256]
param.global @w : tensor<4x8xf32> from @f [offset = 64, length = 128]
param.derived @dead_unit {
  %0 = param.load @dead_too : tensor<4x8xf32>
  param.yield %0 : tensor<4x8xf32>
}
param.derived @w.rotated {
  %0 = param.load @w : tensor<4x8xf32>
  %1 = rot.convert %0 : tensor<4x8xf32> to tensor<4x8xf32, #rot.basis<[_, #rot.orthogonal<@matrix, 8>]>>
  %2 = rot.convert %1 : tensor<4x8xf32, #rot.basis<[_, #rot.orthogonal<@matrix, 8>]>> to tensor<4x8xf32>
  param.yield %2 : tensor<4x8xf32>
}
func.func @main(%x: tensor<?x8xf32, #rot.basis<[_, #rot.diagonal<@smooth, 8>]>>) -> tensor<4x8xf32> {
  %0 = param.load @w.rotated : tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
