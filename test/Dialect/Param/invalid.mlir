// RUN: quant-opt %s --split-input-file --verify-diagnostics

// C1: the range of a parameter.
param.file @f "weights.bin"
// expected-error@+1 {{of type 'tensor<4x8xf32>' takes 128 bytes, but its range is [offset = 0, length = 64]}}
param.global @w : tensor<4x8xf32> from @f [offset = 0, length = 64]

// -----

param.file @f "weights.bin"
// expected-error@+1 {{of type 'tensor<3x5xi4>' takes 8 bytes, but its range is [offset = 0, length = 15]}}
param.global @w : tensor<3x5xi4> from @f [offset = 0, length = 15]

// -----

param.file @f "weights.bin"
// expected-error@+1 {{its range is [offset = -4, length = 32]}}
param.global @w : tensor<8xf32> from @f [offset = -4, length = 32]

// -----

param.file @f "weights.bin"
// expected-error@+1 {{cannot hold elements of type 'index'}}
param.global @w : tensor<8xindex> from @f [offset = 0, length = 64]

// -----

// expected-error@+1 {{no file is called @f}}
param.global @w : tensor<8xf32> from @f [offset = 0, length = 32]

// -----

// C3: the type of a load.
func.func @load() {
  // expected-error@+1 {{no parameter is called @w}}
  %0 = param.load @w : tensor<8xf32>
  return
}

// -----

param.file @f "weights.bin"
param.global @w : tensor<8xf32> from @f [offset = 0, length = 32]
func.func @load() {
  // expected-error@+1 {{has type 'tensor<8xf16>', but @w has type 'tensor<8xf32>'}}
  %0 = param.load @w : tensor<8xf16>
  return
}

// -----

// C4: the vector of a scale.
func.func @scale(%0: tensor<4x8xf32>, %1: tensor<4xf32>) {
  // expected-error@+1 {{expected a vector of the size of dimension 1 of 'tensor<4x8xf32>', got 'tensor<4xf32>'}}
  %2 = param.scale %0 by %1 dim 1 : tensor<4x8xf32>, tensor<4xf32>
  return
}

// -----

!rotated = tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
func.func @scale(%0: !rotated, %1: tensor<8xf32>) {
  // expected-error@+1 {{basis}}
  %2 = param.scale %0 by %1 dim 1 : !rotated, tensor<8xf32>
  return
}

// -----

// C11: a cast.
func.func @cast_shape(%0: tensor<4x8xf32>) {
  // expected-error@+1 {{may change one floating-point type to another only, got 'tensor<4x8xf32>' and 'tensor<8x4xf16>'}}
  %1 = param.cast %0 : tensor<4x8xf32> to tensor<8x4xf16>
  return
}

// -----
func.func @cast_to_codes(%0: tensor<4x8xf32>) {
  // expected-error@+1 {{may change one floating-point type to another only, got 'tensor<4x8xf32>' and 'tensor<4x8xi8>'}}
  %1 = param.cast %0 : tensor<4x8xf32> to tensor<4x8xi8>
  return
}

// -----
// C5: a transpose.
func.func @transpose(%0: tensor<4x8xf32>) {
  // expected-error@+1 {{expected a matrix and its transpose, got 'tensor<4x8xf32>' and 'tensor<4x8xf32>'}}
  %1 = param.transpose %0 : tensor<4x8xf32> to tensor<4x8xf32>
  return
}

// -----

func.func @transpose(%0: tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>) {
  // expected-error@+1 {{basis}}
  %1 = param.transpose %0 : tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>> to tensor<8x4xf32>
  return
}

// -----
// C13: a part.
func.func @slice(%0: tensor<4x8xf32>) {
  // expected-error@+1 {{expected a part of 'tensor<4x8xf32>' along one dimension, got 'tensor<2x8xf32>' at 3 of dimension 0}}
  %1 = param.slice %0 dim 0 at 3 : tensor<4x8xf32> to tensor<2x8xf32>
  return
}

// -----
!rotated = tensor<4x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
func.func @slice_of_rotated(%0: !rotated) {
  // expected-error@+1 {{basis}}
  %1 = param.slice %0 dim 1 at 0 : !rotated to tensor<4x4xf32>
  return
}

// -----
// C14: floating-point elements.
func.func @offset(%0: tensor<8xi8>) {
  // expected-error@+1 {{expected floating-point elements, got 'tensor<8xi8>'}}
  %1 = param.offset %0 by 1.0 : tensor<8xi8>
  return
}

// -----
func.func @center(%0: tensor<4x8xf32>) {
  // expected-error@+1 {{expected a dimension of a floating-point tensor, got dimension 2 of 'tensor<4x8xf32>'}}
  %1 = param.center %0 dim 2 : tensor<4x8xf32>
  return
}

// -----
func.func @add(%0: tensor<8xi8>) {
  // expected-error@+1 {{expected floating-point elements, got 'tensor<8xi8>'}}
  %1 = param.add %0, %0 : tensor<8xi8>
  return
}

// -----
// C15: matrix times vector.
func.func @matvec(%0: tensor<4x8xf32>, %1: tensor<4xf32>) {
  // expected-error@+1 {{expected a matrix [m, n] and a vector [n] that give a vector [m]}}
  %2 = param.matvec %0, %1 : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

// C16: shapes.
func.func @reshape(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{expected as many elements of the same type, got 'tensor<4x8xf32>' and 'tensor<31xf32>'}}
  %0 = param.reshape %w : tensor<4x8xf32> to tensor<31xf32>
  return
}

// -----

func.func @broadcast(%w: tensor<2x1xf32>) {
  // expected-error@+1 {{may repeat elements along dimensions of size 1 only, got 'tensor<2x1xf32>' and 'tensor<4x1xf32>'}}
  %0 = param.broadcast %w : tensor<2x1xf32> to tensor<4x1xf32>
  return
}
