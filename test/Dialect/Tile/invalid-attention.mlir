// RUN: quant-opt %s --split-input-file --verify-diagnostics

// C23: what a cache can hold.
// expected-error@+1 {{expected a cache of 2, 3, 4, 8 or 16 bits, got 5}}
func.func private @f() attributes {a = #tile.cache<bits = 5, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>}

// -----
// C23
// expected-error@+1 {{expected groups of a multiple of 16 elements that divide heads of 64, got 24}}
func.func private @f() attributes {a = #tile.cache<bits = 4, head_dim = 64, group = 24, page = 64, clip = 0.95 : f64>}

// -----
// C23
// expected-error@+1 {{expected pages of a multiple of 16 tokens, got 40}}
func.func private @f() attributes {a = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 40, clip = 0.95 : f64>}

// -----
// C27
// expected-error@+1 {{expected 1, 2, 4, 8 or 16 warps and 1 to 256 splits, got 3 and 1}}
func.func private @f() attributes {a = #tile.attention<arch = sm_80, warps = 3>}

// -----
// C23: blocks of a page.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %k: tensor<?x192xf32>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2048xui8>) {
  // expected-error@+1 {{expected a cache [pages, heads, 2304] of ui8}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {cache = #cache}
    : (tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>, tensor<?x4xi32>, tensor<?x3x2048xui8>, tensor<?x3x2048xui8>) -> (tensor<?x576xf16>, tensor<?x3x2048xui8>, tensor<?x3x2048xui8>)
  return
}

// -----
// C24: whole heads.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x512xf32>, %k: tensor<?x192xf32>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected rows of floats, a multiple of 3 heads of 64 elements each}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {cache = #cache}
    : (tensor<?x512xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> (tensor<?x512xf16>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  return
}

// -----
// C24
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %k: tensor<?x384xf32>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected keys and values with the 3 heads of the cache}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {cache = #cache}
    : (tensor<?x576xf32>, tensor<?x384xf32>, tensor<?x384xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> (tensor<?x576xf16>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  return
}

// -----
// C24
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %k: tensor<?x192xf32>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected the queries in f16 as the result}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {cache = #cache}
    : (tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> (tensor<?x576xf32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  return
}

// -----
// C25: tables.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %k: tensor<?x192xf32>, %cos: tensor<1024x64xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected cos and sin [positions, r/2] of f32 with r up to 64}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {cache = #cache}
    : (tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<1024x64xf32>, tensor<1024x64xf32>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> (tensor<?x576xf16>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  return
}

// -----
// C26: state.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %k: tensor<?x192xf32>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi64>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected sequences [B, 4] of i32}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {cache = #cache}
    : (tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>, tensor<?x4xi64>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> (tensor<?x576xf16>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  return
}

// -----
// C28: the transform.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %k: tensor<?x192xf32>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected a #rot.hadamard of 64}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {hadamard = #rot.hadamard<32>, cache = #cache}
    : (tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<1024x32xf32>, tensor<1024x32xf32>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> (tensor<?x576xf16>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  return
}

// -----
// C24
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected queries of f16}}
  %o = tile.attention %q, %s, %c, %c {scale = 0.125 : f64, cache = #cache}
    : (tensor<?x576xf32>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}

// -----
// C27
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf16>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected one split: only decode splits the context}}
  %o = tile.attention %q, %s, %c, %c {scale = 0.125 : f64, config = #tile.attention<arch = sm_80, warps = 4, splits = 2>, cache = #cache}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}

// -----
// C27
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf16>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected a config: the result depends on its splits}}
  %o = tile.attention_decode %q, %s, %c, %c {scale = 0.125 : f64, cache = #cache}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}

// -----
// C27
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf16>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected parts of 1188 f32}}
  %o = tile.attention_decode %q, %s, %c, %c {scale = 0.125 : f64, config = #tile.attention<arch = sm_80, warps = 4, splits = 2>, cache = #cache}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}

// -----
// C24
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x3264xf16>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected at most 16 query heads for one of the cache, got 17}}
  %o = tile.attention_decode %q, %s, %c, %c {scale = 0.125 : f64, config = #tile.attention<arch = sm_80, warps = 4, splits = 2>, cache = #cache}
    : (tensor<?x3264xf16>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}

// -----
// C29: windows.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf16>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected a window and a softcap that are not negative}}
  %o = tile.attention %q, %s, %c, %c {scale = 0.125 : f64, window = -1 : i64, cache = #cache}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}

// -----
// C27
func.func @f(%p: tensor<?x1188xf32>) {
  // expected-error@+1 {{expected parts [rows, heads·2·(d + 2)] of f32 and rows of heads·d floats}}
  %o = tile.attention_combine %p {splits = 2 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x1188xf32>) -> tensor<?x577xf32>
  return
}

// -----
// C26: a table of pages.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf16>, %s: tensor<?x4xi32>, %p: tensor<?x?xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected a table of pages [B, n] of i32 with a known n}}
  %o = tile.attention %q, %s pages %p, %c, %c {scale = 0.125 : f64, cache = #cache}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x?xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}

// -----
// C24: one type.
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf32>, %k: tensor<?x192xf16>, %cos: tensor<1024x32xf32>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected queries, keys and values of one type}}
  %q1, %k1, %v1 = tile.rope_append %q, %k, %k, %cos, %cos, %s, %c, %c {cache = #cache}
    : (tensor<?x576xf32>, tensor<?x192xf16>, tensor<?x192xf16>, tensor<1024x32xf32>, tensor<1024x32xf32>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> (tensor<?x576xf16>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>)
  return
}

// -----
// C30: registers.
#cache = #tile.cache<bits = 4, head_dim = 256, group = 256, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x256xf16>, %s: tensor<?x4xi32>, %c: tensor<?x1x8448xui8>) {
  // expected-error@+1 {{expected heads of at most 192 elements in at most 8 groups, for which kernels have registers, got 256 in 1}}
  %o = tile.attention %q, %s, %c, %c {scale = 0.125 : f64, cache = #cache, config = #tile.attention<arch = sm_80, warps = 4>}
    : (tensor<?x256xf16>, tensor<?x4xi32>, tensor<?x1x8448xui8>, tensor<?x1x8448xui8>) -> tensor<?x256xf32>
  return
}

// -----
// C30
#cache = #tile.cache<bits = 4, head_dim = 64, group = 64, page = 64, clip = 0.95 : f64>
func.func @f(%q: tensor<?x576xf16>, %s: tensor<?x4xi32>, %c: tensor<?x3x2304xui8>) {
  // expected-error@+1 {{expected an architecture from sm_80 on, got sm_75}}
  %o = tile.attention %q, %s, %c, %c {scale = 0.125 : f64, cache = #cache, config = #tile.attention<arch = sm_75, warps = 4>}
    : (tensor<?x576xf16>, tensor<?x4xi32>, tensor<?x3x2304xui8>, tensor<?x3x2304xui8>) -> tensor<?x576xf32>
  return
}
