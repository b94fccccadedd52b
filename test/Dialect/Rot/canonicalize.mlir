// RUN: quant-opt %s --canonicalize | FileCheck %s

#H1 = #rot.hadamard<8, seed = 1>
#H2 = #rot.hadamard<8, seed = 2>

// R · Rᵀ cancels because the types are equal: no matrix is looked at.
// CHECK-LABEL: @round_trip
// CHECK-NEXT: return %arg0
func.func @round_trip(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = rot.convert %x : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #H1]>>
  %z = rot.convert %y : tensor<?x8xf32, #rot.basis<[_, #H1]>> to tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// CHECK-LABEL: @same_basis
// CHECK-NEXT: return %arg0
func.func @same_basis(%x: tensor<?x8xf32, #rot.basis<[_, #H1]>>) -> tensor<?x8xf32, #rot.basis<[_, #H1]>> {
  %y = rot.convert %x : tensor<?x8xf32, #rot.basis<[_, #H1]>> to tensor<?x8xf32, #rot.basis<[_, #H1]>>
  return %y : tensor<?x8xf32, #rot.basis<[_, #H1]>>
}

// CHECK-LABEL: @three_bases
// CHECK-NEXT: rot.convert %arg0 : tensor<?x8xf32, #rot.basis<[_, #had8_1]>> to tensor<?x8xf32, #rot.basis<[_, #had8_2]>>
// CHECK-NEXT: return
func.func @three_bases(%x: tensor<?x8xf32, #rot.basis<[_, #H1]>>) -> tensor<?x8xf32, #rot.basis<[_, #H2]>> {
  %y = rot.convert %x : tensor<?x8xf32, #rot.basis<[_, #H1]>> to tensor<?x8xf32>
  %z = rot.convert %y : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #H2]>>
  return %z : tensor<?x8xf32, #rot.basis<[_, #H2]>>
}

// Two dimensions of a weight in one step.
// CHECK-LABEL: @two_dimensions
// CHECK-NEXT: rot.convert %arg0 : tensor<8x8xf32> to tensor<8x8xf32, #rot.basis<[#had8_1, #had8_2]>>
// CHECK-NEXT: return
func.func @two_dimensions(%w: tensor<8x8xf32>) -> tensor<8x8xf32, #rot.basis<[#H1, #H2]>> {
  %y = rot.convert %w : tensor<8x8xf32> to tensor<8x8xf32, #rot.basis<[#H1, _]>>
  %z = rot.convert %y : tensor<8x8xf32, #rot.basis<[#H1, _]>> to tensor<8x8xf32, #rot.basis<[#H1, #H2]>>
  return %z : tensor<8x8xf32, #rot.basis<[#H1, #H2]>>
}
