// RUN: quant-opt %s --inline --cse --canonicalize | FileCheck %s
// Inlining, CSE and canonicalization keep the encodings. A call says in its types what its function expects, so rot.strict
// admits it.
// CHECK-LABEL: func.func @g
// CHECK-NEXT: %[[X:.*]] = rot.convert %arg0
// CHECK-NEXT: %[[Y:.*]] = llm.residual_add %[[X]], %[[X]]
// CHECK-NEXT: %[[Z:.*]] = rot.convert %[[Y]]
// CHECK-NEXT: return %[[Z]], %[[Z]]
#B = #rot.basis<[_, #rot.hadamard<64>]>
func.func private @f(%x: tensor<?x64xf32, #B>) -> tensor<?x64xf32, #B> {
  %y = llm.residual_add %x, %x : (tensor<?x64xf32, #B>, tensor<?x64xf32, #B>) -> tensor<?x64xf32, #B>
  return %y : tensor<?x64xf32, #B>
}
func.func @g(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) attributes {rot.strict} {
  %a = rot.convert %x : tensor<?x64xf32> to tensor<?x64xf32, #B>
  %a2 = rot.convert %x : tensor<?x64xf32> to tensor<?x64xf32, #B>
  %b = func.call @f(%a) : (tensor<?x64xf32, #B>) -> tensor<?x64xf32, #B>
  %b2 = func.call @f(%a2) : (tensor<?x64xf32, #B>) -> tensor<?x64xf32, #B>
  %c = rot.convert %b : tensor<?x64xf32, #B> to tensor<?x64xf32>
  %c2 = rot.convert %b2 : tensor<?x64xf32, #B> to tensor<?x64xf32>
  return %c, %c2 : tensor<?x64xf32>, tensor<?x64xf32>
}
