// RUN: quant-opt %s --tile-select="arch=sm_80 report" 2>%t.remarks | FileCheck %s --check-prefixes=CHECK,S4
// RUN: FileCheck %s --check-prefix=REMARK80 --input-file=%t.remarks
// RUN: quant-opt %s --tile-select="arch=sm_90a report" 2>%t.remarks | FileCheck %s --check-prefixes=CHECK,S8
// RUN: FileCheck %s --check-prefix=REMARK90 --input-file=%t.remarks
// RUN: quant-opt %s --tile-select="arch=sm_86 max-rows=5" 2>/dev/null | FileCheck %s --check-prefix=DECODE
// RUN: not quant-opt %s --tile-select=arch=sm_70 2>&1 | FileCheck %s --check-prefix=ARCH
// ARCH: tile-select: expected arch to be sm_75, {{.*}} or sm_120a, got 'sm_70'
// Every architecture and configuration of the table verifies.
// RUN: quant-opt %s --tile-select=arch=sm_75 -o /dev/null 2>/dev/null
// RUN: quant-opt %s --tile-select=arch=sm_87 -o /dev/null 2>/dev/null
// RUN: quant-opt %s --tile-select=arch=sm_89 -o /dev/null 2>/dev/null
// RUN: quant-opt %s --tile-select=arch=sm_100a -o /dev/null 2>/dev/null
// RUN: quant-opt %s --tile-select=arch=sm_120a -o /dev/null 2>/dev/null

param.file @f "weights.bin"
param.global @w : tensor<1536x576xf32> from @f [offset = 0, length = 3538944]
param.global @v : tensor<200x576xf32> from @f [offset = 0, length = 460800]

// Leading dimensions are rows; rotated codes and what the op says of itself stay.
// CHECK-LABEL: @w4a4
// REMARK80: remark: gemm_w4a4_n1536_k576_f32_bias_{{[0-9x]+_[0-9x]+_s[0-9]}}: cost model: {{.*}} threads, {{.*}} KiB of shared memory; at best {{.*}} us for 1 row, {{.*}} us for 2048 rows on A100 SXM 80G
// REMARK90: remark: gemm_w4a8_n1536_k576_f32_bias_{{.*}}; no INT4 tensor cores: 4-bit codes in 8 bits; {{.*}} on H100 SXM
// S4: %[[X:.*]], %[[XS:.*]] = tile.quant %{{.*}} -> (tensor<?x?x576xi4, #{{.*}}>, tensor<?x?x1xf32>)
// S8: %[[X:.*]], %[[XS:.*]] = tile.quant %{{.*}} {bits = 4 {{.*}} -> (tensor<?x?x576xi8, #{{.*}}>, tensor<?x?x1xf32>)
// CHECK-NOT: q.quantize_dynamic
// CHECK: %[[C:.*]], %[[S:.*]] = q.quantize_weight
// S4: %[[P:.*]], %[[PS:.*]] = q.pack %[[C]], %[[S]] {group_size = 0 : i64, layout = "m16n8k64.s4"} : {{.*}} -> (tensor<96x4608xui8>, tensor<96x16xf32>)
// S8: %[[P:.*]], %[[PS:.*]] = q.pack %[[C]], %[[S]] {group_size = 0 : i64, layout = "m16n8k32.s8x4"} : {{.*}} -> (tensor<96x4608xui8>, tensor<96x16xf32>)
// S4: tile.gemm_w4a4 %[[X]], %[[XS]], %[[P]], %[[PS]] bias %{{.*}} {config = #tile.gemm<arch = sm_80, {{.*}}>, llm.role = "q"}
// S8: tile.gemm_w4a8 %[[X]], %[[XS]], %[[P]], %[[PS]] bias %{{.*}} {config = #tile.gemm<arch = sm_90a, {{.*}}>, llm.role = "q"}
// DECODE-LABEL: @w4a4
// DECODE: tile.gemm_decode %{{.*}} scale %{{.*}}, %{{.*}} scale %{{.*}} bias %{{.*}} {config = #tile.gemm<arch = sm_86, bm = 8, bn = 16, bk = 256, wm = 8, wn = 16, stages = 1, split_k = 8>
#H = #rot.hadamard<576>
func.func @w4a4(%x: tensor<?x?x576xf32, #rot.basis<[_, _, #H]>>, %b: tensor<1536xf32>) -> tensor<?x?x1536xf32> {
  %xq, %xs = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
    : tensor<?x?x576xf32, #rot.basis<[_, _, #H]>> -> (tensor<?x?x576xi4, #rot.basis<[_, _, #H]>>, tensor<?x?x1xf32>)
  %w = param.load @w : tensor<1536x576xf32>
  %r = rot.convert %w : tensor<1536x576xf32> to tensor<1536x576xf32, #rot.basis<[_, #H]>>
  %wq, %ws = q.quantize_weight %r {method = "rtn", options = {bits = 4}}
    : tensor<1536x576xf32, #rot.basis<[_, #H]>> -> tensor<1536x576xi4, #rot.basis<[_, #H]>>, tensor<1536x1xf32>
  %y = q.linear %xq, %xs, %wq, %ws bias %b {input_group_size = 0 : i64, weight_group_size = 0 : i64, llm.role = "q"}
    : (tensor<?x?x576xi4, #rot.basis<[_, _, #H]>>, tensor<?x?x1xf32>, tensor<1536x576xi4, #rot.basis<[_, #H]>>,
       tensor<1536x1xf32>, tensor<1536xf32>) -> tensor<?x?x1536xf32>
  return %y : tensor<?x?x1536xf32>
}

// 8-bit activations read by two linears; ragged channels.
// CHECK-LABEL: @w4a8
// CHECK: q.pack {{.*}} layout = "m16n8k32.s8x4"} : {{.*}} -> (tensor<13x4608xui8>, tensor<13x16xf32>)
// S4: tile.gemm_w4a8 %{{.*}} {config = #tile.gemm<arch = sm_80
// S8: tile.gemm_w4a8 {{.*}} bm = 64, bn = 128, bk = 128, wm = 64, wn = 64, stages = 6, mma = wgmma_s8>
// CHECK: q.pack {{.*}} layout = "m16n8k32.s8"} : {{.*}} -> (tensor<13x9216xui8>, tensor<13x16xf32>)
// CHECK: tile.gemm_w8a8 %{{.*}} {config = #tile.gemm<
// REMARK90: remark: gemm_w8a8_n200_k576_f32_64x64x64_32x32_s4: few channels: small tiles, for enough blocks;
func.func @w4a8(%x: tensor<?x576xf32>) -> (tensor<?x200xf32>, tensor<?x200xf32>) {
  %xq, %xs = q.quantize_dynamic %x {bits = 8 : i64, clip = 1.0 : f64, group_size = 0 : i64}
    : tensor<?x576xf32> -> (tensor<?x576xi8>, tensor<?x1xf32>)
  %w = param.load @v : tensor<200x576xf32>
  %w4, %ws4 = q.quantize_weight %w {method = "rtn", options = {bits = 4}} : tensor<200x576xf32> -> tensor<200x576xi4>, tensor<200x1xf32>
  %w8, %ws8 = q.quantize_weight %w {method = "rtn", options = {bits = 8}} : tensor<200x576xf32> -> tensor<200x576xi8>, tensor<200x1xf32>
  %y = q.linear %xq, %xs, %w4, %ws4 {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<200x576xi4>, tensor<200x1xf32>) -> tensor<?x200xf32>
  %z = q.linear %xq, %xs, %w8, %ws8 {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<200x576xi8>, tensor<200x1xf32>) -> tensor<?x200xf32>
  return %y, %z : tensor<?x200xf32>, tensor<?x200xf32>
}

// Scales per group have no kernel.
// CHECK-LABEL: @grouped
// REMARK80: remark: stays without a kernel: it has scales per group
// CHECK: q.linear
func.func @grouped(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>) -> tensor<?x200xf32> {
  %w = param.load @v : tensor<200x576xf32>
  %wq, %ws = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 64}} : tensor<200x576xf32> -> tensor<200x576xi4>, tensor<200x9xf32>
  %y = q.linear %x, %xs, %wq, %ws {input_group_size = 0 : i64, weight_group_size = 64 : i64}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<200x576xi4>, tensor<200x9xf32>) -> tensor<?x200xf32>
  return %y : tensor<?x200xf32>
}
