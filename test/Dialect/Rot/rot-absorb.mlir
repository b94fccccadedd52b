// RUN: quant-opt %s --rot-absorb --split-input-file | FileCheck %s
#R = #rot.hadamard<8>
#D = #rot.diagonal<@s, 8>
#SmoothRot = #rot.chain<#D, #R>
param.file @f "w"
param.global @s : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @w : tensor<4x8xf32> from @f [offset = 32, length = 128]

// An online rotation stays: removing it by rotating the weight back would defeat its purpose.
// CHECK-LABEL: @online
// CHECK: %[[Y:.*]] = rot.convert %arg0
// CHECK: llm.linear %[[Y]]
func.func @online(%h: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = param.load @w : tensor<4x8xf32>
  %x = rot.convert %h : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #R]>>
  %w1 = rot.convert %w : tensor<4x8xf32> to tensor<4x8xf32, #rot.basis<[_, #R]>>
  %y = llm.linear %x, %w1 : (tensor<?x8xf32, #rot.basis<[_, #R]>>, tensor<4x8xf32, #rot.basis<[_, #R]>>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What leaves a basis goes into the reader. The weight takes the dual: for diag(s)·H it is diag(s)⁻¹·H.
// CHECK-LABEL: @into_reader
// CHECK: %[[W:.*]] = rot.convert %{{.*}} : tensor<4x8xf32> to tensor<4x8xf32, #rot.basis<[_, #rot.chain<#rot.variant<#rot.diagonal<@s, 8>, inverse>, #had8_0>]>>
// CHECK: llm.linear %arg0, %[[W]]
func.func @into_reader(%x: tensor<?x8xf32, #rot.basis<[_, #SmoothRot]>>) -> tensor<?x4xf32> {
  %w = param.load @w : tensor<4x8xf32>
  %x0 = rot.convert %x : tensor<?x8xf32, #rot.basis<[_, #SmoothRot]>> to tensor<?x8xf32>
  %y = llm.linear %x0, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What enters a basis goes into the writer, its bias included.
// CHECK-LABEL: @into_writer
// CHECK-DAG: %[[W:.*]] = rot.convert %{{.*}} : tensor<4x8xf32> to tensor<4x8xf32, #rot.basis<[#had4_0, _]>>
// CHECK-DAG: %[[B:.*]] = rot.convert %{{.*}} : tensor<4xf32> to tensor<4xf32, #rot.basis<[#had4_0]>>
// CHECK: %[[Y:.*]] = llm.linear %arg0, %[[W]] bias %[[B]]
// CHECK-NEXT: return %[[Y]]
#H4 = #rot.hadamard<4>
param.global @b : tensor<4xf32> from @f [offset = 160, length = 16]
func.func @into_writer(%x: tensor<?x8xf32>) -> tensor<?x4xf32, #rot.basis<[_, #H4]>> {
  %w = param.load @w : tensor<4x8xf32>
  %b = param.load @b : tensor<4xf32>
  %y = llm.linear %x, %w bias %b : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %z = rot.convert %y : tensor<?x4xf32> to tensor<?x4xf32, #rot.basis<[_, #H4]>>
  return %z : tensor<?x4xf32, #rot.basis<[_, #H4]>>
}

// A writer whose result is also wanted in the standard basis keeps it.
// CHECK-LABEL: @wanted_twice
// CHECK: %[[Y:.*]] = llm.linear
// CHECK: rot.convert %[[Y]]
func.func @wanted_twice(%x: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32, #rot.basis<[_, #H4]>>) {
  %w = param.load @w : tensor<4x8xf32>
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %z = rot.convert %y : tensor<?x4xf32> to tensor<?x4xf32, #rot.basis<[_, #H4]>>
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32, #rot.basis<[_, #H4]>>
}

// A sum is no weight: the conversion stays where it is.
// CHECK-LABEL: @through_sum
// CHECK: %[[X:.*]] = rot.convert %arg0
// CHECK: llm.residual_add %[[X]], %arg1
func.func @through_sum(%x: tensor<?x8xf32, #rot.basis<[_, #R]>>, %y: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %x0 = rot.convert %x : tensor<?x8xf32, #rot.basis<[_, #R]>> to tensor<?x8xf32>
  %z = llm.residual_add %x0, %y : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}
