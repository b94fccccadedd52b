// RUN: quant-opt %s --q-weights | FileCheck %s
// RUN: quant-opt %s --q-weights="group-size=3 bits=8 steps=0" | FileCheck %s --check-prefix=GROUPS
// RUN: quant-opt %s --q-weights="skip=*/q*/MatMul,down" | FileCheck %s --check-prefix=SKIP
// RUN: quant-opt %s --q-weights="include-head=true" | FileCheck %s --check-prefix=HEAD
// RUN: quant-opt %s --q-weights="bits=16" | FileCheck %s --check-prefix=LEAVE
// RUN: quant-opt %s --q-weights --q-weights -o %t.twice
// RUN: quant-opt %s --q-weights -o %t.once
// RUN: diff %t.once %t.twice
// RUN: not quant-opt %s --q-weights="bits=12" 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not quant-opt %s --q-weights="method=none" 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not quant-opt %s --q-weights="skip=a[" 2>&1 | FileCheck %s --check-prefix=PATTERN
// BITS: q-weights needs bits from 2 to 8, or 16 to leave everything as it is; got 12
// METHOD: q-weights: unknown quantizer 'none'; there are: {{.*}}rtn
// PATTERN: q-weights: pattern 'a['

#H = #rot.hadamard<8>
param.file @f "w"
param.global @w : tensor<4x8xf32> from @f [offset = 0, length = 128]
param.global @v : tensor<8x4xf32> from @f [offset = 128, length = 128]

// CHECK-LABEL: @linears
func.func @linears(%x: tensor<?x8xf32, #rot.basis<[_, #H]>>, %c: tensor<8x8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[W:.*]] = rot.convert
  // CHECK: %[[C:.*]], %[[S:.*]] = q.quantize_weight %[[W]] {method = "rtn", options = {bits = 4 : i64, clip_norm = 2.400000e+00 : f64, clip_steps = 80 : i64, group_size = 0 : i64}} : tensor<4x8xf32, #rot.basis<[_, #had8_0]>> -> tensor<4x8xi4, #rot.basis<[_, #had8_0]>>, tensor<4x1xf32>
  // CHECK: %[[D:.*]] = q.dequantize %[[C]], %[[S]] {group_size = 0 : i64}
  // CHECK: %[[Y:.*]] = llm.linear %arg0, %[[D]] {llm.role = "q"}
  // CHECK: %[[V:.*]] = q.dequantize
  // CHECK: %[[Z:.*]] = llm.linear %[[Y]], %[[V]]

  // GROUPS: options = {bits = 8 : i64, {{.*}}clip_steps = 0 : i64, group_size = 3 : i64}} {{.*}} tensor<4x8xi8, #rot.basis<[_, #had8_0]>>, tensor<4x3xf32>

  // SKIP-NOT: q.quantize_weight
  // SKIP: llm.linear {{.*}} "down"
  // SKIP: q.quantize_weight
  // LEAVE-NOT: q.quantize_weight
  %w = param.load @w : tensor<4x8xf32>
  %r = rot.convert %w : tensor<4x8xf32> to tensor<4x8xf32, #rot.basis<[_, #H]>>
  %v = param.load @v : tensor<8x4xf32>
  %y = llm.linear %x, %r {llm.role = "q"} : (tensor<?x8xf32, #rot.basis<[_, #H]>>, tensor<4x8xf32, #rot.basis<[_, #H]>>) -> tensor<?x4xf32> loc("/model/q/MatMul")
  %z = llm.linear %y, %v {llm.role = "down"} : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>

  // A weight that is computed while the model runs has no codes.
  // CHECK: %[[U:.*]] = llm.linear %[[Z]], %arg1
  %u = llm.linear %z, %c : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>

  // Nothing but the result reads this one: it is the head.
  // CHECK: %[[H:.*]] = rot.convert
  // CHECK: %[[P:.*]] = llm.linear %[[U]]
  // CHECK-NEXT: llm.linear %[[P]], %[[H]]
  // HEAD: %[[P:.*]] = llm.linear %{{.*}} -> tensor<?x4xf32>{{$}}
  // HEAD: %[[H:.*]] = q.dequantize
  // HEAD: llm.linear %[[P]], %[[H]]
  %h = rot.convert %v : tensor<8x4xf32> to tensor<8x4xf32, #rot.basis<[#H, _]>>
  %p = llm.linear %u, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %q = llm.linear %p, %h : (tensor<?x4xf32>, tensor<8x4xf32, #rot.basis<[#H, _]>>) -> tensor<?x8xf32, #rot.basis<[_, #H]>>
  %logits = rot.convert %q : tensor<?x8xf32, #rot.basis<[_, #H]>> to tensor<?x8xf32>
  return %logits : tensor<?x8xf32>
}
