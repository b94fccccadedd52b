// RUN: quant-opt %s --split-input-file --verify-diagnostics --tile-lower | FileCheck %s

#config = #tile.gemm<arch = sm_80, bm = 64, bn = 64, bk = 128, wm = 32, wn = 32, stages = 3>

// Ops of one name share a kernel; types and what is added make another one.
// CHECK-LABEL: func.func @shares
// CHECK-COUNT-2: kernel = @kernels::@[[PLAIN:gemm_w4a4_n192_k576_f32_64x64x128_32x32_s3]]}
// CHECK:         kernel = @kernels::@[[RESIDUAL:gemm_w4a4_n192_k576_f16_residual_64x64x128_32x32_s3]]}
func.func @shares(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<12x4608xui8>, %ws: tensor<12x16xf32>,
                  %r: tensor<?x192xf16>) -> (tensor<?x192xf32>, tensor<?x192xf32>, tensor<?x192xf16>) {
  %a = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #config}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<12x4608xui8>, tensor<12x16xf32>) -> tensor<?x192xf32>
  %b = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #config}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<12x4608xui8>, tensor<12x16xf32>) -> tensor<?x192xf32>
  %c = tile.gemm_w4a4 %x, %xs, %w, %ws residual %r {config = #config}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<12x4608xui8>, tensor<12x16xf32>, tensor<?x192xf16>) -> tensor<?x192xf16>
  return %a, %b, %c : tensor<?x192xf32>, tensor<?x192xf32>, tensor<?x192xf16>
}

// Operands in order, the result, the number of rows; one array of shared memory for all kernels.
// CHECK:       gpu.module @kernels {
// CHECK-NEXT:    llvm.mlir.global external @dynamic_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
// CHECK-NOT:     llvm.mlir.global
// CHECK:         gpu.func @[[PLAIN]](%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: i32) kernel attributes {known_block_size = array<i32: 128, 1, 1>
// CHECK-NOT:     : index
// CHECK:         gpu.func @[[RESIDUAL]](
// CHECK-NOT:     gpu.func

// -----

// A module without kernels stays as it is.
// CHECK-LABEL: func.func @nothing
// CHECK-NOT: gpu.module
func.func @nothing(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// The input of warp groups is a tensor map, a parameter by value.
// CHECK-LABEL: func.func @wgmma
// CHECK:       gpu.func @gemm_w4a8_{{.*}}_wgmma_s8(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr<1>,
func.func @wgmma(%x: tensor<?x576xi8>, %xs: tensor<?x1xf32>, %w: tensor<12x4608xui8>, %ws: tensor<12x16xf32>) -> tensor<?x192xf32> {
  %y = tile.gemm_w4a8 %x, %xs, %w, %ws
    {config = #tile.gemm<arch = sm_90a, bm = 128, bn = 128, bk = 128, wm = 128, wn = 64, stages = 3, mma = wgmma_s8>}
    : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<12x4608xui8>, tensor<12x16xf32>) -> tensor<?x192xf32>
  return %y : tensor<?x192xf32>
}
