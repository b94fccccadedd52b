// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK: param.file @f "weights.bin"
param.file @f "weights.bin"
// CHECK: param.global @w : tensor<4x8xf32> from @f[offset = 0, length = 128]
param.global @w : tensor<4x8xf32> from @f [offset = 0, length = 128]
// Packed: 15 codes are 8 bytes.
// CHECK: param.global @codes : tensor<3x5xi4> from @f[offset = 128, length = 8]
param.global @codes : tensor<3x5xi4> from @f [offset = 128, length = 8]
param.global @g : tensor<8xf32> from @f [offset = 136, length = 32]
// CHECK: param.derived @w.scaled {
// CHECK:   param.yield %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<8xf32>
param.derived @w.scaled {
  %0 = param.load @w : tensor<4x8xf32>
  %1 = param.load @g : tensor<8xf32>
  %2 = param.scale %0 by %1 dim 1 : tensor<4x8xf32>, tensor<8xf32>
  param.yield %2, %1 : tensor<4x8xf32>, tensor<8xf32>
}

// CHECK-LABEL: @expressions
// FOLD-LABEL:  @expressions
// FOLD-NEXT:   %[[W:.*]]:2 = param.load @w.scaled
// FOLD-NEXT:   return %[[W]]#0 : tensor<4x8xf32>
func.func @expressions() -> tensor<4x8xf32> {
  // CHECK-NEXT: %[[L:.*]]:2 = param.load @w.scaled : tensor<4x8xf32>, tensor<8xf32>
  %0, %1 = param.load @w.scaled : tensor<4x8xf32>, tensor<8xf32>
  // CHECK-NEXT: %[[A:.*]] = param.scale %[[L]]#0 by %[[L]]#1 dim 1 : tensor<4x8xf32>, tensor<8xf32>
  %2 = param.scale %0 by %1 dim 1 : tensor<4x8xf32>, tensor<8xf32>
  // CHECK-NEXT: %[[B:.*]] = param.scale %[[A]] inverse by %[[L]]#1 dim 1 : tensor<4x8xf32>, tensor<8xf32>
  %3 = param.scale %2 inverse by %1 dim 1 : tensor<4x8xf32>, tensor<8xf32>
  // CHECK-NEXT: param.transpose %[[B]] : tensor<4x8xf32> to tensor<8x4xf32>
  %4 = param.transpose %3 : tensor<4x8xf32> to tensor<8x4xf32>
  %5 = param.transpose %4 : tensor<8x4xf32> to tensor<4x8xf32>
  return %5 : tensor<4x8xf32>
}

// Bases move with their dimensions.
// CHECK-LABEL: @transposed_basis
func.func @transposed_basis(%0: tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>) -> tensor<8x4xf32, #rot.basis<[#rot.hadamard<8>, _]>> {
  %1 = param.transpose %0 : tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>> to tensor<8x4xf32, #rot.basis<[#rot.hadamard<8>, _]>>
  return %1 : tensor<8x4xf32, #rot.basis<[#rot.hadamard<8>, _]>>
}

// CHECK-LABEL: @cast
// FOLD-LABEL:  @cast
// FOLD-NEXT:   param.cast
// FOLD-NEXT:   return
func.func @cast(%0: tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>) -> tensor<4x8xf16, #rot.basis<[_, #rot.hadamard<8>]>> {
  // CHECK: param.cast %arg0 : tensor<4x8xf32, {{.*}}> to tensor<4x8xf16, {{.*}}>
  %1 = param.cast %0 : tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>> to tensor<4x8xf16, #rot.basis<[_, #rot.hadamard<8>]>>
  %2 = param.cast %1 : tensor<4x8xf16, #rot.basis<[_, #rot.hadamard<8>]>> to tensor<4x8xf16, #rot.basis<[_, #rot.hadamard<8>]>>
  return %2 : tensor<4x8xf16, #rot.basis<[_, #rot.hadamard<8>]>>
}

// CHECK-LABEL: @algebra
func.func @algebra(%w: tensor<6x8xf32>, %b: tensor<8xf32>) -> (tensor<2x8xf32>, tensor<6xf32>, tensor<8xf32>) {
  // CHECK: param.slice %arg0 dim 0 at 4 : tensor<6x8xf32> to tensor<2x8xf32>
  %0 = param.slice %w dim 0 at 4 : tensor<6x8xf32> to tensor<2x8xf32>
  // CHECK: param.offset %arg1 by 1.000000e+00 : tensor<8xf32>
  %1 = param.offset %b by 1.0 : tensor<8xf32>
  // CHECK: param.center %{{.*}} dim 0 : tensor<2x8xf32>
  %2 = param.center %0 dim 0 : tensor<2x8xf32>
  // CHECK: param.matvec %arg0, %{{.*}} : (tensor<6x8xf32>, tensor<8xf32>) -> tensor<6xf32>
  %3 = param.matvec %w, %1 : (tensor<6x8xf32>, tensor<8xf32>) -> tensor<6xf32>
  // CHECK: param.add %{{.*}}, %arg1 : tensor<8xf32>
  %4 = param.add %1, %b : tensor<8xf32>
  return %2, %3, %4 : tensor<2x8xf32>, tensor<6xf32>, tensor<8xf32>
}
