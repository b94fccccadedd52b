// RUN: quant-opt %s --q-weights --q-activations --split-input-file | FileCheck %s
// RUN: quant-opt %s --q-activations="group-size=4 clip=1.0" --split-input-file | FileCheck %s --check-prefix=FAKE
// RUN: quant-opt %s --q-weights="group-size=4" --q-activations --split-input-file | FileCheck %s --check-prefix=GROUPS
// RUN: quant-opt %s --q-activations="bits=16" --split-input-file | FileCheck %s --check-prefix=LEAVE
// RUN: quant-opt %s --q-weights --q-activations="skip=*q_proj" --split-input-file | FileCheck %s --check-prefix=SKIP
// RUN: not quant-opt %s --q-weights="group-size=4" --q-activations="group-size=2" --split-input-file 2>&1 | FileCheck %s --check-prefix=SIZES
// RUN: not quant-opt %s --q-activations="bits=1" 2>&1 | FileCheck %s --check-prefix=BITS
// SIZES: (node "/model/q_proj") has weights in groups of 4, which cannot meet activations in groups of 2; use one size, or 0 on one side
// BITS: q-activations needs bits from 2 to 8

#H = #rot.hadamard<8>
#B = #rot.basis<[_, #H]>
param.file @f "w"
param.global @w : tensor<8x8xf32> from @f [offset = 0, length = 256]
param.global @b : tensor<8xf32> from @f [offset = 256, length = 32]

// Two linears that read one value share its codes; the head reads the value itself.
// CHECK-LABEL: @share
func.func @share(%x: tensor<?x8xf32, #B>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[X:.*]], %[[XS:.*]] = q.quantize_dynamic %arg0 {bits = 4 : i64, clip = 9.000000e-01 : f64, group_size = 0 : i64} : tensor<?x8xf32, #rot.basis<[_, #had8_0]>> -> (tensor<?x8xi4, #rot.basis<[_, #had8_0]>>, tensor<?x1xf32>)
  // CHECK: %[[W:.*]], %[[WS:.*]] = q.quantize_weight
  // CHECK-NOT: q.dequantize
  // CHECK: %[[Q:.*]] = q.linear %[[X]], %[[XS]], %[[W]], %[[WS]] bias %{{.*}} {input_group_size = 0 : i64, llm.role = "q_proj", weight_group_size = 0 : i64}
  // CHECK: %[[K:.*]] = q.linear %[[X]], %[[XS]],
  // CHECK-NOT: q.dequantize
  // CHECK: llm.linear %arg0, %{{.*}}
  // CHECK: %[[Z:.*]], %{{.*}} = q.quantize_dynamic

  // FAKE: %[[C:.*]], %[[S:.*]] = q.quantize_dynamic %arg0 {bits = 4 : i64, clip = 1.000000e+00 : f64, group_size = 4 : i64} {{.*}} tensor<?x2xf32>)
  // FAKE: %[[D:.*]] = q.dequantize %[[C]], %[[S]] {group_size = 4 : i64}
  // FAKE: llm.linear %[[D]], {{.*}} "q_proj"
  // FAKE: llm.linear %[[D]],
  // FAKE: llm.linear %arg0,

  // GROUPS: q.linear {{.*}} {input_group_size = 0 : i64, {{.*}}weight_group_size = 4 : i64}

  // SKIP: llm.linear %arg0, {{.*}} {llm.role = "q_proj"}
  // SKIP: q.linear
  // LEAVE-NOT: q.quantize_dynamic
  %w = param.load @w : tensor<8x8xf32>
  %b = param.load @b : tensor<8xf32>
  %r = rot.convert %w : tensor<8x8xf32> to tensor<8x8xf32, #B>
  %q = llm.linear %x, %r bias %b {llm.role = "q_proj"} : (tensor<?x8xf32, #B>, tensor<8x8xf32, #B>, tensor<8xf32>) -> tensor<?x8xf32> loc("/model/q_proj")
  %k = llm.linear %x, %r : (tensor<?x8xf32, #B>, tensor<8x8xf32, #B>) -> tensor<?x8xf32>
  %other = llm.linear %x, %r : (tensor<?x8xf32, #B>, tensor<8x8xf32, #B>) -> tensor<?x8xf32>
  %z = llm.residual_add %q, %k : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %d = llm.linear %z, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %e = llm.linear %d, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  return %other, %e : tensor<?x8xf32>, tensor<?x8xf32>
}
