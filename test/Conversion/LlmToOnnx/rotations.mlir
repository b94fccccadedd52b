// RUN: quant-opt %s --llm-to-onnx | FileCheck %s

// Signs stand in front of the transform, behind its inverse. A Sylvester matrix of moderate size is one product.
// CHECK-LABEL: func.func @signed
// CHECK-DAG:   %[[SIGNS:.*]] = onnx.Constant() {value = dense<{{.*}}> : tensor<8xf32>} outputs ["constants.signs.7.8"]
// CHECK-DAG:   %[[FAST:.*]] = onnx.Constant() {{.*}} outputs ["constants.hadamard.8"]
// CHECK-DAG:   %[[SCALE:.*]] = onnx.Constant() {value = dense<0.353553385> : tensor<f32>}
// CHECK:       %[[SIGNED:.*]] = onnx.Mul(%arg0, %[[SIGNS]])
// CHECK-NEXT:  %[[P:.*]] = onnx.MatMul(%[[SIGNED]], %[[FAST]])
// CHECK-NEXT:  %[[H:.*]] = onnx.Mul(%[[P]], %[[SCALE]])
// CHECK-NEXT:  %[[Q:.*]] = onnx.MatMul(%[[H]], %[[FAST]])
// CHECK-NEXT:  %[[BACK:.*]] = onnx.Mul(%[[Q]], %[[SCALE]])
// CHECK-NEXT:  %[[Y:.*]] = onnx.Mul(%[[BACK]], %[[SIGNS]])
// CHECK-NEXT:  return %[[Y]]
func.func @signed(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = rot.convert %x : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8, seed = 7>]>>
  %1 = rot.convert %0 : tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8, seed = 7>]>> to tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// Per head on the joint dimension; and a large Sylvester matrix as H_4 ⊗ H_256.
// CHECK-LABEL: func.func @blocks
// CHECK-DAG:   outputs ["constants.hadamard.4.transposed"]
// CHECK-DAG:   outputs ["constants.hadamard.256"]
// CHECK:       onnx.node "quantopt::HadamardTransform"(%arg0, {{.*}}tensor<?x192xf32>
// CHECK:       onnx.node "quantopt::HadamardTransform"(%arg1, {{.*}} tensor<4x4xf32>, tensor<256x256xf32>, tensor<f32>)
func.func @blocks(%x: tensor<?x192xf32>, %y: tensor<?x1024xf32>)
    -> (tensor<?x192xf32, #rot.basis<[_, #rot.kron<3, #rot.hadamard<64>>]>>, tensor<?x1024xf32, #rot.basis<[_, #rot.hadamard<1024>]>>) {
  %0 = rot.convert %x : tensor<?x192xf32> to tensor<?x192xf32, #rot.basis<[_, #rot.kron<3, #rot.hadamard<64>>]>>
  %1 = rot.convert %y : tensor<?x1024xf32> to tensor<?x1024xf32, #rot.basis<[_, #rot.hadamard<1024>]>>
  return %0, %1 : tensor<?x192xf32, #rot.basis<[_, #rot.kron<3, #rot.hadamard<64>>]>>, tensor<?x1024xf32, #rot.basis<[_, #rot.hadamard<1024>]>>
}

param.file @f "w.bin"
param.global @r : tensor<8x8xf32> from @f [offset = 0, length = 256]
// CHECK-LABEL: func.func @matrix
// CHECK:       %[[R:.*]] = param.load @r
// CHECK-NEXT:  onnx.MatMul(%arg0, %[[R]])
func.func @matrix(%x: tensor<?x8xf32>) -> tensor<?x8xf32, #rot.basis<[_, #rot.orthogonal<@r, 8>]>> {
  %0 = rot.convert %x : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #rot.orthogonal<@r, 8>]>>
  return %0 : tensor<?x8xf32, #rot.basis<[_, #rot.orthogonal<@r, 8>]>>
}

// A slow factor is transposed for the transform, and not for its inverse.
// CHECK-LABEL: func.func @slow
// CHECK-DAG:   %[[A:.*]] = onnx.Constant() {{.*}} outputs ["constants.hadamard.12"]
// CHECK-DAG:   %[[AT:.*]] = onnx.Constant() {{.*}} outputs ["constants.hadamard.12.transposed"]
// CHECK:       %[[H:.*]] = onnx.node "quantopt::HadamardTransform"(%arg0, %[[AT]],
// CHECK-NEXT:  onnx.node "quantopt::HadamardTransform"(%[[H]], %[[A]],
func.func @slow(%x: tensor<?x24xf32>) -> tensor<?x24xf32> {
  %0 = rot.convert %x : tensor<?x24xf32> to tensor<?x24xf32, #rot.basis<[_, #rot.hadamard<24>]>>
  %1 = rot.convert %0 : tensor<?x24xf32, #rot.basis<[_, #rot.hadamard<24>]>> to tensor<?x24xf32>
  return %1 : tensor<?x24xf32>
}
