// RUN: quant-opt %s | quant-opt | FileCheck %s

#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
#half = #tile.cache<bits = 16, head_dim = 64, group = 64, page = 1024, clip = 1.0 : f64>

// CHECK-LABEL: @paged
// CHECK: tile.rope_append {{.*}} pages %{{.*}}cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.94999999999999996 : f64>
// CHECK: tile.attention {{.*}} pages
// CHECK: tile.attention_decode {{.*}} config = #tile.attention<arch = sm_80, warps = 4, splits = 2>
// CHECK: tile.attention_combine
// CHECK: tile.quant %
func.func @paged(%q: tensor<?x?x576xf32>, %k: tensor<?x?x192xf32>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi32>,
                 %p: tensor<?x16xi32>, %kc: tensor<?x3x2304xui8>, %vc: tensor<?x3x2304xui8>) {
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s pages %p, %kc, %vc
    {hadamard = #rot.hadamard<64>, cache = #cache, config = #tile.rows<arch = sm_80, threads = 128>}
    : (tensor<?x?x576xf32>, tensor<?x?x192xf32>, tensor<?x?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>,
       tensor<?x4xi32>, tensor<?x16xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
    -> (tensor<?x?x576xf16>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  %o = tile.attention %q1, %s pages %p, %k1, %v1 {scale = 0.125 : f64, cache = #cache}
    : (tensor<?x?x576xf16>, tensor<?x4xi32>, tensor<?x16xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
    -> tensor<?x?x576xf32>
  %parts = tile.attention_decode %q1, %s pages %p, %k1, %v1
    {scale = 0.125 : f64, cache = #cache, config = #tile.attention<arch = sm_80, warps = 4, splits = 2>}
    : (tensor<?x?x576xf16>, tensor<?x4xi32>, tensor<?x16xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
    -> tensor<?x?x1188xf32>
  %o1 = tile.attention_combine %parts {splits = 2 : i64, config = #tile.rows<arch = sm_80, threads = 128>}
    : (tensor<?x?x1188xf32>) -> tensor<?x?x576xf32>
  %c, %cs = tile.quant %o1 {clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>}
    : (tensor<?x?x576xf32>) -> (tensor<?x?x576xi4>, tensor<?x?x1xf32>)
  return
}

// CHECK-LABEL: @contiguous
// CHECK: tile.attention {{.*}} softcap = 5.000000e+01 : f64, window = 512
// CHECK: tile.swiglu %
func.func @contiguous(%q: tensor<?x576xf16>, %s: tensor<?x4xi32>, %kc: tensor<?x3x131072xui8>,
                      %vc: tensor<?x3x131072xui8>, %g: tensor<?x1536xf32>) {
  %o = tile.attention %q, %s, %kc, %vc {scale = 0.125 : f64, window = 512 : i64, softcap = 50.0 : f64, cache = #half}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x131072xui8>, tensor<?x3x131072xui8>) -> tensor<?x576xf16>
  %h = tile.swiglu %g, %g {config = #tile.rows<arch = sm_80, threads = 256>}
    : (tensor<?x1536xf32>, tensor<?x1536xf32>) -> tensor<?x1536xf16>
  return
}
