// RUN: quant-opt %s --verify-roundtrip | FileCheck %s
// RUN: quant-opt %s --emit-bytecode | quant-opt | FileCheck %s

// Leaves print as aliases, named after kind, size and seed.
// CHECK-DAG: #had576_7 = #rot.hadamard<576, seed = 7>
// CHECK-DAG: #had64_0 = #rot.hadamard<64>
#R1 = #rot.hadamard<576, seed = 7>
#H64 = #rot.hadamard<64>

param.file @f "model.data"
param.global @smooth : tensor<1536xf32> from @f [offset = 0, length = 6144]
param.global @learned : tensor<576x576xf32> from @f [offset = 6144, length = 1327104]

// CHECK-LABEL: func.func private @types(
// CHECK-SAME:    tensor<?x?x576xf32, #rot.basis<[_, _, #had576_7]>>
// CHECK-SAME:    tensor<?x?x576xf32, #rot.basis<[_, _, #rot.kron<9, #had64_0>]>>
// CHECK-SAME:    tensor<?x1536xf32, #rot.basis<[_, #rot.chain<#rot.diagonal<@smooth, 1536>, #had1536_0>]>>
// CHECK-SAME:    tensor<?x576xf32, #rot.basis<[_, #rot.variant<#rot.orthogonal<@learned, 576>, inverse>]>>
// CHECK-SAME:    tensor<1536x576xi4, #rot.basis<[_, #had576_7]>>
func.func private @types(
  tensor<?x?x576xf32, #rot.basis<[_, _, #R1]>>,
  tensor<?x?x576xf32, #rot.basis<[_, _, #rot.kron<9, #H64>]>>,
  tensor<?x1536xf32, #rot.basis<[_, #rot.chain<#rot.diagonal<@smooth, 1536>, #rot.hadamard<1536>>]>>,
  tensor<?x576xf32, #rot.basis<[_, #rot.variant<#rot.orthogonal<@learned, 576>, inverse>]>>,
  tensor<1536x576xi4, #rot.basis<[_, #R1]>>)

// CHECK-LABEL: func.func @convert
// CHECK: rot.convert %arg0 : tensor<?x64xf32> to tensor<?x64xf32, #rot.basis<[_, #had64_0]>>
func.func @convert(%x: tensor<?x64xf32>) -> tensor<?x64xf32, #rot.basis<[_, #H64]>> {
  %y = rot.convert %x : tensor<?x64xf32> to tensor<?x64xf32, #rot.basis<[_, #H64]>>
  return %y : tensor<?x64xf32, #rot.basis<[_, #H64]>>
}
