// RUN: quant-opt %s --tile-select="arch=sm_80 report" 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// RUN: quant-opt %s --tile-select="arch=sm_80 max-rows=16" | FileCheck %s --check-prefix=DECODE
// Models in f16: products of floats, and of floats and 4-bit weights.

param.file @f "weights.bin"
param.global @w : tensor<96x128xf16> from @f [offset = 0, length = 24576]

// CHECK-LABEL: @floats
// CHECK: tile.gemm_f16 %arg0, %{{.*}} bias %arg1 residual %arg2 {config = {{.*}}, llm.role = "o"} : (tensor<?x?x128xf16>, tensor<96x128xf16>, tensor<96xf32>, tensor<?x?x96xf16>) -> tensor<?x?x96xf16>
// CHECK-NEXT: return
// DECODE-LABEL: @floats
// DECODE: tile.gemm_decode %arg0, %{{.*}} bias %arg1 residual %arg2 {config = #tile.gemm<arch = sm_80, bm = 16,
func.func @floats(%x: tensor<?x?x128xf16>, %b: tensor<96xf32>, %r: tensor<?x?x96xf16>) -> tensor<?x?x96xf16> {
  %w = param.load @w : tensor<96x128xf16>
  %d = llm.linear %x, %w bias %b {llm.role = "o"} : (tensor<?x?x128xf16>, tensor<96x128xf16>, tensor<96xf32>) -> tensor<?x?x96xf16>
  %y = llm.residual_add %r, %d : (tensor<?x?x96xf16>, tensor<?x?x96xf16>) -> tensor<?x?x96xf16>
  return %y : tensor<?x?x96xf16>
}

// CHECK-LABEL: @weight_only
// CHECK: %[[P:.*]], %[[S:.*]] = q.pack %{{.*}}, %{{.*}} {group_size = 32 : i64, layout = "m16n8k16.f16x4"} : {{.*}} -> (tensor<6x1024xui8>, tensor<6x16x4xf32>)
// CHECK: tile.gemm_w4a16 %arg0, %[[P]], %[[S]] {{{.*}}} : (tensor<?x128xf16>, tensor<6x1024xui8>, tensor<6x16x4xf32>) -> tensor<?x96xf16>
// CHECK-NEXT: return
// DECODE-LABEL: @weight_only
// DECODE: tile.gemm_decode %arg0, %{{.*}} scale %{{.*}} {config
func.func @weight_only(%x: tensor<?x128xf16>) -> tensor<?x96xf16> {
  %w = param.load @w : tensor<96x128xf16>
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 32}} : tensor<96x128xf16> -> tensor<96x128xi4>, tensor<96x4xf32>
  %v = q.dequantize %c, %s {group_size = 32 : i64} : (tensor<96x128xi4>, tensor<96x4xf32>) -> tensor<96x128xf16>
  %y = llm.linear %x, %v : (tensor<?x128xf16>, tensor<96x128xf16>) -> tensor<?x96xf16>
  return %y : tensor<?x96xf16>
}

// The head of a model in f32 is computed in f16, for its weight and its bias are parameters.
// CHECK-LABEL: @head
// CHECK: %[[N:.*]] = tile.norm %arg0 {config = {{.*}}, epsilon = 1.000000e-05 : f64, llm.role = "final_norm"} : (tensor<?x128xf32, #{{.*}}>) -> tensor<?x128xf16, #{{.*}}>
// CHECK: %[[W:.*]] = param.cast %{{.*}} : tensor<96x128xf32, #{{.*}}> to tensor<96x128xf16, #{{.*}}>
// CHECK: %[[B:.*]] = param.cast %{{.*}} : tensor<96xf16> to tensor<96xf32>
// CHECK: tile.gemm_f16 %[[N]], %[[W]] bias %[[B]] {{{.*}}} : ({{.*}}) -> tensor<?x96xf32>
// CHECK-NEXT: return
#H = #rot.basis<[_, #rot.hadamard<128>]>
param.global @head_weight : tensor<96x128xf32> from @f [offset = 0, length = 49152]
param.global @head_bias : tensor<96xf16> from @f [offset = 0, length = 192]
func.func @head(%x: tensor<?x128xf32, #H>) -> tensor<?x96xf32> {
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64, llm.role = "final_norm"} : tensor<?x128xf32, #H> -> tensor<?x128xf32, #H>
  %w = param.load @head_weight : tensor<96x128xf32>
  %r = rot.convert %w : tensor<96x128xf32> to tensor<96x128xf32, #H>
  %b = param.load @head_bias : tensor<96xf16>
  %y = llm.linear %n, %r bias %b : (tensor<?x128xf32, #H>, tensor<96x128xf32, #H>, tensor<96xf16>) -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}

// A model in f32 with 4-bit weights: rows that linears read are made in f16, once for all of them; sums stay in f32.
// CHECK-LABEL: @weight_only_f32
// CHECK: %[[N:.*]] = tile.norm %arg0 {{{.*}}} : (tensor<?x128xf32>) -> tensor<?x128xf16>
// CHECK-NOT: llm.
// CHECK: %[[GATE:.*]] = tile.gemm_w4a16 %[[N]], {{.*}} -> tensor<?x96xf32>
// CHECK: %[[UP:.*]] = tile.gemm_w4a16 %[[N]], {{.*}} -> tensor<?x96xf32>
// CHECK: %[[S:.*]] = tile.swiglu %[[GATE]], %[[UP]] {{{.*}} hadamard = #had96_0} : (tensor<?x96xf32>, tensor<?x96xf32>) -> tensor<?x96xf16, {{.*}}>
// CHECK: %[[Y:.*]] = tile.gemm_w4a16 %[[S]], {{.*}} residual %arg0 {{.*}} -> tensor<?x128xf32>
// CHECK-NOT: llm.
// CHECK: return
#B = #rot.basis<[_, #rot.hadamard<96>]>
param.global @gate : tensor<96x128xf32> from @f [offset = 0, length = 49152]
param.global @down : tensor<128x96xf32> from @f [offset = 0, length = 49152]
func.func @weight_only_f32(%x: tensor<?x128xf32>) -> tensor<?x128xf32> {
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x128xf32> -> tensor<?x128xf32>
  %w = param.load @gate : tensor<96x128xf32>
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 32}} : tensor<96x128xf32> -> tensor<96x128xi4>, tensor<96x4xf32>
  %v = q.dequantize %c, %s {group_size = 32 : i64} : (tensor<96x128xi4>, tensor<96x4xf32>) -> tensor<96x128xf32>
  %g = llm.linear %n, %v : (tensor<?x128xf32>, tensor<96x128xf32>) -> tensor<?x96xf32>
  %u = llm.linear %n, %v : (tensor<?x128xf32>, tensor<96x128xf32>) -> tensor<?x96xf32>
  %a = llm.swiglu %g, %u : (tensor<?x96xf32>, tensor<?x96xf32>) -> tensor<?x96xf32>
  %h = rot.convert %a : tensor<?x96xf32> to tensor<?x96xf32, #B>
  %d = param.load @down : tensor<128x96xf32>
  %r = rot.convert %d : tensor<128x96xf32> to tensor<128x96xf32, #B>
  %dc, %ds = q.quantize_weight %r {method = "rtn", options = {bits = 4}} : tensor<128x96xf32, #B> -> tensor<128x96xi4, #B>, tensor<128x1xf32>
  %dv = q.dequantize %dc, %ds {group_size = 0 : i64} : (tensor<128x96xi4, #B>, tensor<128x1xf32>) -> tensor<128x96xf32, #B>
  %y = llm.linear %h, %dv : (tensor<?x96xf32, #B>, tensor<128x96xf32, #B>) -> tensor<?x128xf32>
  %z = llm.residual_add %x, %y : (tensor<?x128xf32>, tensor<?x128xf32>) -> tensor<?x128xf32>
  return %z : tensor<?x128xf32>
}

// What others read of a norm they read in f32; the addition before it is done once.
// CHECK-LABEL: @shared_norm
// CHECK: %[[N:.*]], %[[SUM:.*]] = tile.norm %arg0 residual %arg1 {{{.*}}} : {{.*}} -> (tensor<?x128xf16>, tensor<?x128xf32>)
// CHECK: %[[N32:.*]] = tile.norm %[[SUM]] {{{.*}}} : (tensor<?x128xf32>) -> tensor<?x128xf32>
// CHECK: %[[Y:.*]] = tile.gemm_f16 %[[N]],
// CHECK: return %[[N32]], %[[Y]], %[[SUM]]
func.func @shared_norm(%x: tensor<?x128xf32>, %r: tensor<?x128xf32>) -> (tensor<?x128xf32>, tensor<?x96xf32>, tensor<?x128xf32>) {
  %a = llm.residual_add %x, %r : (tensor<?x128xf32>, tensor<?x128xf32>) -> tensor<?x128xf32>
  %n = llm.rms_norm %a {eps = 1.0e-5 : f64} : tensor<?x128xf32> -> tensor<?x128xf32>
  %w = param.load @gate : tensor<96x128xf32>
  %y = llm.linear %n, %w : (tensor<?x128xf32>, tensor<96x128xf32>) -> tensor<?x96xf32>
  return %n, %y, %a : tensor<?x128xf32>, tensor<?x96xf32>, tensor<?x128xf32>
}

// CHECK-LABEL: @kept
// CHECK: llm.linear %arg0
// REMARK: stays without a kernel: it computes in f32 on what no kernel makes in f16
// CHECK: llm.linear %arg1
// REMARK: stays without a kernel: it has groups that are not equal or do not meet tiles of the contraction evenly
func.func @kept(%x: tensor<?x128xf32>, %h: tensor<?x128xf16>, %w: tensor<96x128xf32>) -> (tensor<?x96xf32>, tensor<?x96xf16>) {
  %0 = param.load @w : tensor<96x128xf16>
  %c, %s = q.quantize_weight %0 {method = "rtn", options = {bits = 4, group_size = 48}} : tensor<96x128xf16> -> tensor<96x128xi4>, tensor<96x3xf32>
  %d = q.dequantize %c, %s {group_size = 48 : i64} : (tensor<96x128xi4>, tensor<96x3xf32>) -> tensor<96x128xf32>
  %v = q.dequantize %c, %s {group_size = 48 : i64} : (tensor<96x128xi4>, tensor<96x3xf32>) -> tensor<96x128xf16>
  %y = llm.linear %x, %d : (tensor<?x128xf32>, tensor<96x128xf32>) -> tensor<?x96xf32>
  %z = llm.linear %h, %v : (tensor<?x128xf16>, tensor<96x128xf16>) -> tensor<?x96xf16>
  return %y, %z : tensor<?x96xf32>, tensor<?x96xf16>
}
