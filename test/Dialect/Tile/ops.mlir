// RUN: quant-opt %s | quant-opt | FileCheck %s
// Every op is read and printed.

// CHECK-LABEL: @gemms
// CHECK: tile.gemm_w4a4 {{.*}} {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>}
// CHECK: tile.gemm_w4a4 {{.*}} groups {{.*}} bias {{.*}} residual {{.*}} {config
// CHECK: tile.gemm_w4a8
// CHECK: tile.gemm_w8a8
// CHECK: tile.gemm_w4a16
// CHECK: tile.gemm_f16
// CHECK: tile.gemm_decode {{.*}} scale {{.*}} scale {{.*}} {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 64, wm = 8, wn = 16, stages = 1, split_k = 4>}
func.func @gemms(%x4: tensor<?x576xi4>, %x8: tensor<?x?x576xi8>, %xs: tensor<?x1xf32>, %xs3: tensor<?x?x1xf32>,
                 %xh: tensor<?x576xf16>, %w4: tensor<442368xui8>, %w8: tensor<884736xui8>, %wh: tensor<1536x576xf16>,
                 %ws: tensor<1536xf32>, %wg: tensor<1536x9xf16>, %g: tensor<1536x9xui8>, %b: tensor<1536xf32>,
                 %r: tensor<?x1536xf16>) {
  %0 = tile.gemm_w4a4 %x4, %xs, %w4, %ws
    {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<442368xui8>, tensor<1536xf32>) -> tensor<?x1536xf32>
  %1 = tile.gemm_w4a4 %x4, %xs, %w4, %ws groups %g bias %b residual %r
    {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 32, stages = 4>}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<442368xui8>, tensor<1536xf32>, tensor<1536x9xui8>, tensor<1536xf32>,
       tensor<?x1536xf16>) -> tensor<?x1536xf16>
  %2 = tile.gemm_w4a8 %x8, %xs3, %w4, %ws
    {config = #tile.gemm<arch = sm_90a, bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 3>}
    : (tensor<?x?x576xi8>, tensor<?x?x1xf32>, tensor<442368xui8>, tensor<1536xf32>) -> tensor<?x?x1536xf32>
  %3 = tile.gemm_w8a8 %x8, %xs3, %w8, %ws
    {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 3>}
    : (tensor<?x?x576xi8>, tensor<?x?x1xf32>, tensor<884736xui8>, tensor<1536xf32>) -> tensor<?x?x1536xf32>
  %4 = tile.gemm_w4a16 %xh, %w4, %wg
    {config = #tile.gemm<arch = sm_80, bm = 64, bn = 128, bk = 64, wm = 32, wn = 64, stages = 4>}
    : (tensor<?x576xf16>, tensor<442368xui8>, tensor<1536x9xf16>) -> tensor<?x1536xf16>
  %5 = tile.gemm_f16 %xh, %wh
    {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 3>}
    : (tensor<?x576xf16>, tensor<1536x576xf16>) -> tensor<?x1536xf32>
  %6 = tile.gemm_decode %x4 scale %xs, %w4 scale %ws
    {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 64, wm = 8, wn = 16, stages = 1, split_k = 4>}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<442368xui8>, tensor<1536xf32>) -> tensor<?x1536xf32>
  return
}

// CHECK-LABEL: @rows
// CHECK: tile.norm_quant {{.*}} residual
// CHECK-SAME: config = #tile.rows<arch = sm_80, threads = 128>
// CHECK: tile.norm_quant {{.*}} hadamard = #had576_7}
// CHECK: tile.swiglu_quant
// CHECK: tile.norm %
// CHECK: tile.embedding
// CHECK: tile.arg_max
// CHECK: tile.top_k
func.func @rows(%x: tensor<?x576xf32>, %r: tensor<?x576xf32>, %gate: tensor<?x1536xf32>, %up: tensor<?x1536xf32>,
                %ids: tensor<?xi64>, %table: tensor<49152x576xf16>, %logits: tensor<?x49152xf32>) {
  %codes, %scale, %sum = tile.norm_quant %x residual %r
    {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>}
    : (tensor<?x576xf32>, tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>, tensor<?x576xf32>)
  %codes1, %scale1 = tile.norm_quant %x
    {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, hadamard = #rot.hadamard<576, seed = 7>,
     config = #tile.rows<arch = sm_80, threads = 128, rows = 2>}
    : (tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>)
  %codes2, %scale2 = tile.swiglu_quant %gate, %up
    {hadamard = #rot.hadamard<1536>, clip = 0.9 : f64, bits = 8 : i64, config = #tile.rows<arch = sm_80, threads = 256>}
    : (tensor<?x1536xf32>, tensor<?x1536xf32>) -> (tensor<?x1536xi8>, tensor<?x1xf32>)
  %n = tile.norm %x {epsilon = 1.0e-5 : f64, config = #tile.rows<arch = sm_80, threads = 128>}
    : (tensor<?x576xf32>) -> tensor<?x576xf16>
  %e = tile.embedding %ids, %table {config = #tile.rows<arch = sm_80, threads = 128>}
    : (tensor<?xi64>, tensor<49152x576xf16>) -> tensor<?x576xf32>
  %id = tile.arg_max %logits {config = #tile.rows<arch = sm_80, threads = 256>} : (tensor<?x49152xf32>) -> tensor<?xi32>
  %values, %indices = tile.top_k %logits {config = #tile.rows<arch = sm_80, threads = 256>}
    : (tensor<?x49152xf32>) -> (tensor<?x40xf32>, tensor<?x40xi32>)
  return
}
