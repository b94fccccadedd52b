// RUN: quant-opt %s --tile-select="arch=sm_80 report" 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// RUN: not quant-opt %s --tile-select=arch=sm_86 2>&1 | FileCheck %s --check-prefix=ARCH
// ARCH: error: 'q.linear' op expected tile.config to be a #tile.gemm for sm_86, got #tile.gemm<arch = sm_80

param.file @f "weights.bin"
param.global @large : tensor<8192x4096xf32> from @f [offset = 0, length = 134217728]

// An attribute of the op decides.
// CHECK-LABEL: @given
// REMARK: remark: gemm_w4a4_n8192_k4096_f32_{{.*}}: cost model:
// REMARK: remark: gemm_w4a4_n8192_k4096_f32_64x128x128_32x64_s2: given by the op
// CHECK: tile.gemm_w4a4 {{.*}} {config = #tile.gemm<arch = sm_80, bm = 128
// CHECK: tile.gemm_w4a4 {{.*}} {config = #tile.gemm<arch = sm_80, bm = 64, bn = 128, bk = 128, wm = 32, wn = 64, stages = 2>}
func.func @given(%x: tensor<?x4096xi4>, %xs: tensor<?x1xf32>) -> (tensor<?x8192xf32>, tensor<?x8192xf32>) {
  %w = param.load @large : tensor<8192x4096xf32>
  %wq, %ws = q.quantize_weight %w {method = "rtn", options = {bits = 4}} : tensor<8192x4096xf32> -> tensor<8192x4096xi4>, tensor<8192x1xf32>
  %y = q.linear %x, %xs, %wq, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x4096xi4>, tensor<?x1xf32>, tensor<8192x4096xi4>, tensor<8192x1xf32>) -> tensor<?x8192xf32>
  %z = q.linear %x, %xs, %wq, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64,
      tile.config = #tile.gemm<arch = sm_80, bm = 64, bn = 128, bk = 128, wm = 32, wn = 64, stages = 2>}
    : (tensor<?x4096xi4>, tensor<?x1xf32>, tensor<8192x4096xi4>, tensor<8192x1xf32>) -> tensor<?x8192xf32>
  return %y, %z : tensor<?x8192xf32>, tensor<?x8192xf32>
}
