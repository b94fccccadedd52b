// RUN: quant-opt %s --tile-select="arch=sm_80 report" 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// RUN: quant-opt %s --tile-select=arch=sm_90a | FileCheck %s --check-prefix=HOPPER

#H = #rot.hadamard<8>
#stream = #rot.basis<[_, _, #rot.hadamard<8, seed = 7>]>
param.file @f "weights.bin"
param.global @table : tensor<64x8xf32> from @f [offset = 0, length = 2048]
param.global @down : tensor<8x32xf32> from @f [offset = 0, length = 1024]

// The table keeps its type and basis.
// CHECK-LABEL: @embedding
// CHECK: tile.embedding %arg0, %{{.*}} {config = #tile.rows<arch = sm_80, threads = 128>, llm.role = "embed"} : (tensor<?x?xi64>, tensor<64x8xf32, #{{.*}}>) -> tensor<?x?x8xf32, #{{.*}}>
func.func @embedding(%ids: tensor<?x?xi64>) -> tensor<?x?x8xf32, #stream> {
  %t = param.load @table : tensor<64x8xf32>
  %r = rot.convert %t : tensor<64x8xf32> to tensor<64x8xf32, #rot.basis<[_, #rot.hadamard<8, seed = 7>]>>
  %x = llm.embedding %ids, %r {llm.role = "embed"} : (tensor<?x?xi64>, tensor<64x8xf32, #rot.basis<[_, #rot.hadamard<8, seed = 7>]>>) -> tensor<?x?x8xf32, #stream>
  return %x : tensor<?x?x8xf32, #stream>
}

// An addition that no matrix product takes over is the norm's; its sum is read on.
// CHECK-LABEL: @norm
// CHECK: %[[C:.*]], %[[S:.*]], %[[SUM:.*]] = tile.norm_quant %arg0 residual %arg1 {bits = 4 : i64, clip = 9.000000e-01 : f64, config = #tile.rows<arch = sm_80, threads = 128>, epsilon = 1.000000e-05 : f64} : {{.*}} -> (tensor<?x?x8xi4, #{{.*}}>, tensor<?x?x1xf32>, tensor<?x?x8xf32, #{{.*}}>)
// CHECK-NEXT: return %[[C]], %[[S]], %[[SUM]]
func.func @norm(%x: tensor<?x?x8xf32, #stream>, %r: tensor<?x?x8xf32, #stream>) -> (tensor<?x?x8xi4, #stream>, tensor<?x?x1xf32>, tensor<?x?x8xf32, #stream>) {
  %a = llm.residual_add %x, %r : (tensor<?x?x8xf32, #stream>, tensor<?x?x8xf32, #stream>) -> tensor<?x?x8xf32, #stream>
  %n = llm.rms_norm %a {eps = 1.0e-5 : f64} : tensor<?x?x8xf32, #stream> -> tensor<?x?x8xf32, #stream>
  %c, %s = q.quantize_dynamic %n {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x?x8xf32, #stream> -> (tensor<?x?x8xi4, #stream>, tensor<?x?x1xf32>)
  return %c, %s, %a : tensor<?x?x8xi4, #stream>, tensor<?x?x1xf32>, tensor<?x?x8xf32, #stream>
}

// A change of basis becomes the kernel's transform.
// CHECK-LABEL: @rotated_norm
// CHECK: tile.norm_quant %arg0 {{{.*}} hadamard = #had8_0} : (tensor<?x8xf32>) -> (tensor<?x8xi8, #{{.*}}>, tensor<?x1xf32>)
// CHECK-NEXT: return
func.func @rotated_norm(%x: tensor<?x8xf32>) -> (tensor<?x8xi8, #rot.basis<[_, #H]>>, tensor<?x1xf32>) {
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %h = rot.convert %n : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #H]>>
  %c, %s = q.quantize_dynamic %h {bits = 8 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32, #rot.basis<[_, #H]>> -> (tensor<?x8xi8, #rot.basis<[_, #H]>>, tensor<?x1xf32>)
  return %c, %s : tensor<?x8xi8, #rot.basis<[_, #H]>>, tensor<?x1xf32>
}

// SwiGLU, transform and quantizer are one kernel; the product adds the residual. On sm_90a codes of 4 bits are in i8.
// CHECK-LABEL: @mlp
// REMARK: remark: gemm_w4a4_n8_k32_f32_residual_{{.*}}; adds the residual;
// REMARK: remark: swiglu_quant_32_f32_f32_to_i4_f32_t128_b4_c0d9_h32_seed0: 128 threads for rows of 32;
// CHECK: %[[C:.*]], %[[S:.*]] = tile.swiglu_quant %arg0, %arg1 {bits = 4 : i64, clip = 9.000000e-01 : f64, config = #tile.rows<arch = sm_80, threads = 128>, hadamard = #had32_0} : {{.*}} -> (tensor<?x32xi4, #{{.*}}>, tensor<?x1xf32>)
// CHECK: %[[Y:.*]] = tile.gemm_w4a4 %[[C]], %[[S]], %{{.*}}, %{{.*}} residual %arg2 {
// CHECK-NEXT: return %[[Y]]
// HOPPER-LABEL: @mlp
// HOPPER: tile.swiglu_quant %arg0, %arg1 {bits = 4 : i64, {{.*}} -> (tensor<?x32xi8, #{{.*}}>, tensor<?x1xf32>)
// HOPPER: tile.gemm_w4a8 {{.*}} residual %arg2
#W = #rot.basis<[_, #rot.hadamard<32>]>
func.func @mlp(%gate: tensor<?x32xf32>, %up: tensor<?x32xf32>, %r: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %g = llm.swiglu %gate, %up : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %h = rot.convert %g : tensor<?x32xf32> to tensor<?x32xf32, #W>
  %c, %s = q.quantize_dynamic %h {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x32xf32, #W> -> (tensor<?x32xi4, #W>, tensor<?x1xf32>)
  %w = param.load @down : tensor<8x32xf32>
  %wr = rot.convert %w : tensor<8x32xf32> to tensor<8x32xf32, #W>
  %wq, %ws = q.quantize_weight %wr {method = "rtn", options = {bits = 4}} : tensor<8x32xf32, #W> -> tensor<8x32xi4, #W>, tensor<8x1xf32>
  %d = q.linear %c, %s, %wq, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x32xi4, #W>, tensor<?x1xf32>, tensor<8x32xi4, #W>, tensor<8x1xf32>) -> tensor<?x8xf32>
  %y = llm.residual_add %r, %d : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// A SwiGLU without a quantizer.
// CHECK-LABEL: @swiglu
// CHECK: tile.swiglu %arg0, %arg1 {config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
func.func @swiglu(%gate: tensor<?x32xf32>, %up: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %g = llm.swiglu %gate, %up : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  return %g : tensor<?x32xf32>
}

// What else reads a norm reads its floats, and so does the quantizer; a scale belongs into weights first, and codes of a
// cache are not a kernel's.
// CHECK-LABEL: @kept
// CHECK: %[[N:.*]] = tile.norm %arg0 {
// CHECK: tile.quant %[[N]]
// CHECK: %[[M:.*]] = llm.rms_norm %arg0 scale
// REMARK: stays without a kernel: it has a scale; llm-fuse-norm-scale moves scales into weights
// CHECK: tile.quant %[[M]]
// CHECK: q.quantize_dynamic %arg0 {{.*}}xui4
func.func @kept(%x: tensor<?x8xf32>, %g: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xi4>, tensor<?x8xi4>, tensor<?x8xui4>) {
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %c, %s = q.quantize_dynamic %n {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xf32>)
  %m = llm.rms_norm %x scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %c1, %s1 = q.quantize_dynamic %m {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xf32>)
  %c2, %s2, %z2 = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xui4>, tensor<?x1xf32>, tensor<?x1xui4>)
  return %n, %c, %c1, %c2 : tensor<?x8xf32>, tensor<?x8xi4>, tensor<?x8xi4>, tensor<?x8xui4>
}
