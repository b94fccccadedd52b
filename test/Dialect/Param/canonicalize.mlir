// RUN: quant-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @scale_unscale
// CHECK-NEXT: return %arg0
func.func @scale_unscale(%w: tensor<4x8xf32>, %s: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = param.scale %w by %s dim 1 : tensor<4x8xf32>, tensor<8xf32>
  %1 = param.scale %0 inverse by %s dim 1 : tensor<4x8xf32>, tensor<8xf32>
  return %1 : tensor<4x8xf32>
}

// Another vector, another dimension, or the same direction twice: both stay.
// CHECK-LABEL: @unrelated
// CHECK-COUNT-6: param.scale
func.func @unrelated(%w: tensor<8x8xf32>, %s: tensor<8xf32>, %t: tensor<8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>) {
  %0 = param.scale %w by %s dim 1 : tensor<8x8xf32>, tensor<8xf32>
  %1 = param.scale %0 inverse by %t dim 1 : tensor<8x8xf32>, tensor<8xf32>
  %2 = param.scale %w by %t dim 1 : tensor<8x8xf32>, tensor<8xf32>
  %3 = param.scale %2 inverse by %t dim 0 : tensor<8x8xf32>, tensor<8xf32>
  %4 = param.scale %w inverse by %s dim 0 : tensor<8x8xf32>, tensor<8xf32>
  %5 = param.scale %4 inverse by %s dim 0 : tensor<8x8xf32>, tensor<8xf32>
  return %1, %3, %5 : tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>
}

// CHECK-LABEL: @transpose_twice
// CHECK-NEXT: return %arg0
func.func @transpose_twice(%w: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = param.transpose %w : tensor<4x8xf32> to tensor<8x4xf32>
  %1 = param.transpose %0 : tensor<8x4xf32> to tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
