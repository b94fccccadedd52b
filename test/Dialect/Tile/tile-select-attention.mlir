// RUN: quant-opt %s --tile-select="arch=sm_80 report" 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// RUN: quant-opt %s --tile-select=arch=sm_90a | FileCheck %s --check-prefix=HOPPER

#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 1024, clip = 0.9 : f64>
#paged = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.9 : f64>

// CHECK-LABEL: @prefill
// REMARK: remark: rope_append_9_x3_kv4_d64_p1024_g64_c0d9_f32_f32_f32_r64_t128: 128 threads for heads of 64;
// REMARK: remark: attention_9_x3_kv4_d64_{{.*}}_w4: 16 tokens for each of 4 warps;
// CHECK: %[[Q:.*]], %[[K:.*]], %[[V:.*]] = tile.rope_append {{.*}} config = #tile.rows<arch = sm_80, threads = 128>
// CHECK: tile.attention %[[Q]], %arg4, %[[K]], %[[V]] {{.*}} config = #tile.attention<arch = sm_80, warps = 4>, llm.role = "layers.0.attention"
// HOPPER-LABEL: @prefill
// HOPPER: tile.rope_append {{.*}} config = #tile.rows<arch = sm_90a, threads = 128>
// HOPPER: tile.attention {{.*}} config = #tile.attention<arch = sm_90a, warps = 4>
func.func @prefill(%q: tensor<?x?x576xf32>, %k: tensor<?x?x192xf32>, %v: tensor<?x?x192xf32>, %cos: tensor<1024x32xf32>,
                   %s: tensor<?x4xi32>, %kc: tensor<?x3x36864xui8>, %vc: tensor<?x3x36864xui8>) -> tensor<?x?x576xf32>
    attributes {llm.phase = "prefill"} {
  %q1, %k1, %v1 = tile.rope_append %q, %k, %v, %cos, %cos, %s, %kc, %vc {cache = #cache}
    : (tensor<?x?x576xf32>, tensor<?x?x192xf32>, tensor<?x?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>,
       tensor<?x4xi32>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>)
    -> (tensor<?x?x576xf16>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>)
  %o = tile.attention %q1, %s, %k1, %v1 {scale = 0.125 : f64, cache = #cache, llm.role = "layers.0.attention"}
    : (tensor<?x?x576xf16>, tensor<?x4xi32>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>) -> tensor<?x?x576xf32>
  return %o : tensor<?x?x576xf32>
}

// A phase that decodes has a number of rows of its own, and splits the context: 2·108 blocks for 3 heads want 72 parts,
// but a context of 1024 has 8 of 128.
// CHECK-LABEL: @decode
// REMARK: remark: attention_decode_{{.*}}_split8: 24 blocks for each sequence, up to 128 tokens of the context each;
// REMARK: remark: attention_combine_{{.*}}: 8 parts;
// CHECK: %[[P:.*]] = tile.attention_decode %arg0, %arg1 pages %arg2, %arg3, %arg4 {{.*}} config = #tile.attention<arch = sm_80, warps = 4, splits = 8>, llm.role = "layers.0.attention", scale = 1.250000e-01 : f64, softcap = 5.000000e+01 : f64, window = 512 : i64} : {{.*}} -> tensor<?x?x4752xf32>
// CHECK: %[[O:.*]] = tile.attention_combine %[[P]] {config = #tile.rows<arch = sm_80, threads = 128>, llm.role = "layers.0.attention", splits = 8 : i64} : (tensor<?x?x4752xf32>) -> tensor<?x?x576xf16>
// CHECK: tile.gemm_decode %[[O]], {{.*}} bm = 16,
// CHECK-NEXT: return
param.file @f "weights.bin"
param.global @w : tensor<576x576xf32> from @f [offset = 0, length = 1327104]
func.func @decode(%q: tensor<?x?x576xf16>, %s: tensor<?x4xi32>, %p: tensor<?x16xi32>, %kc: tensor<?x3x2304xui8>,
                  %vc: tensor<?x3x2304xui8>) -> tensor<?x?x576xf32>
    attributes {llm.phase = "decode", tile.max_rows = 16 : i64} {
  %o = tile.attention %q, %s pages %p, %kc, %vc
    {scale = 0.125 : f64, window = 512 : i64, softcap = 50.0 : f64, cache = #paged, llm.role = "layers.0.attention"}
    : (tensor<?x?x576xf16>, tensor<?x4xi32>, tensor<?x16xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
    -> tensor<?x?x576xf32>
  %w = param.load @w : tensor<576x576xf32>
  %y = llm.linear %o, %w : (tensor<?x?x576xf32>, tensor<576x576xf32>) -> tensor<?x?x576xf32>
  return %y : tensor<?x?x576xf32>
}

// A configuration that is there stays, and so does attention of more query heads for one of the cache than share a block.
// CHECK-LABEL: @given
// CHECK: tile.attention %arg0, {{.*}} config = #tile.attention<arch = sm_80, warps = 2>
// CHECK: tile.attention %arg1, {{.*}} config = #tile.attention<arch = sm_80, warps = 4>
func.func @given(%q: tensor<?x576xf16>, %q1: tensor<?x2048xf16>, %s: tensor<?x4xi32>, %c: tensor<?x3x36864xui8>,
                 %c1: tensor<?x1x36864xui8>) -> (tensor<?x576xf32>, tensor<?x2048xf32>)
    attributes {llm.phase = "decode"} {
  %o = tile.attention %q, %s, %c, %c
    {scale = 0.125 : f64, cache = #cache, config = #tile.attention<arch = sm_80, warps = 2>}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x36864xui8>, tensor<?x3x36864xui8>) -> tensor<?x576xf32>
  %o1 = tile.attention %q1, %s, %c1, %c1 {scale = 0.125 : f64, cache = #cache}
    : (tensor<?x2048xf16>, tensor<?x4xi32>, tensor<?x1x36864xui8>, tensor<?x1x36864xui8>) -> tensor<?x2048xf32>
  return %o, %o1 : tensor<?x576xf32>, tensor<?x2048xf32>
}

// What attention gives goes through a transform into codes.
// CHECK-LABEL: @output
// CHECK: tile.quant %arg0 {bits = 4 : i64, clip = 9.000000e-01 : f64, config = #tile.rows<arch = sm_80, threads = 128>, hadamard = #had576_0} : (tensor<?x?x576xf32>) -> (tensor<?x?x576xi4, {{.*}}>, tensor<?x?x1xf32>)
// CHECK-NEXT: return
#H = #rot.basis<[_, _, #rot.hadamard<576>]>
func.func @output(%o: tensor<?x?x576xf32>) -> (tensor<?x?x576xi4, #H>, tensor<?x?x1xf32>) {
  %h = rot.convert %o : tensor<?x?x576xf32> to tensor<?x?x576xf32, #H>
  %c, %s = q.quantize_dynamic %h {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x?x576xf32, #H> -> (tensor<?x?x576xi4, #H>, tensor<?x?x1xf32>)
  return %c, %s : tensor<?x?x576xi4, #H>, tensor<?x?x1xf32>
}
