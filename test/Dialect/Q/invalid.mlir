// RUN: quant-opt %s --split-input-file --verify-diagnostics

// C1: granularity.
func.func @scale_shape(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected a scale of shape [?, 2] for groups of 4 (0: all), got 'tensor<?x1xf32>'}}
  %c, %s = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 4 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xf32>)
  return
}

// -----
func.func @code_shape(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected codes of the shape of 'tensor<?x8xf32>', got 'tensor<?x4xi4>'}}
  %c, %s = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x4xi4>, tensor<?x1xf32>)
  return
}

// -----
func.func @unsigned_without_zero(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected codes of type i4 or i8, got 'ui4'}}
  %c, %s = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xui4>, tensor<?x1xf32>)
  return
}

// -----
func.func @signed_with_zero(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected codes of type ui4 or ui8, got 'i4'}}
  %c, %s, %z = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xf32>, tensor<?x1xi4>)
  return
}

// -----
func.func @dequantize_unsigned_without_zero(%c: tensor<?x8xui4>, %s: tensor<?x1xf32>) {
  // expected-error@+1 {{expected codes of type i4 or i8, got 'ui4'}}
  %x = q.dequantize %c, %s {group_size = 0 : i64} : (tensor<?x8xui4>, tensor<?x1xf32>) -> tensor<?x8xf32>
  return
}

// -----
func.func @zero_type(%c: tensor<?x8xui4>, %s: tensor<?x1xf32>, %z: tensor<?x1xui8>) {
  // expected-error@+1 {{expected a zero point of the shape of the scale and the type of the codes, got 'tensor<?x1xui8>'}}
  %x = q.dequantize %c, %s zero %z {group_size = 0 : i64} : (tensor<?x8xui4>, tensor<?x1xf32>, tensor<?x1xui8>) -> tensor<?x8xf32>
  return
}

// -----
func.func @group_of_unknown(%c: tensor<?x?xi4>, %s: tensor<?x1xf32>) {
  // expected-error@+1 {{expected a group size that is not negative, and a known last dimension to group, got 4 and 'tensor<?x?xf32>'}}
  %x = q.dequantize %c, %s {group_size = 4 : i64} : (tensor<?x?xi4>, tensor<?x1xf32>) -> tensor<?x?xf32>
  return
}

// -----
func.func @axis(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected axis -1, or axis -2 and a group size, got 0 and 4}}
  %c, %s = q.quantize_dynamic %x {axis = 0 : i64, bits = 4 : i64, clip = 0.9 : f64, group_size = 4 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x8xf32>)
  return
}

// -----
func.func @tokens_without_groups(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected axis -1, or axis -2 and a group size, got -2 and 0}}
  %c, %s = q.quantize_dynamic %x {axis = -2 : i64, bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<1x8xf32>)
  return
}

// -----
func.func @token_groups(%x: tensor<10x8xf32>) {
  // expected-error@+1 {{expected a scale of shape [3, 8] for groups of 4 (0: all), got 'tensor<10x8xf32>'}}
  %c, %s = q.quantize_dynamic %x {axis = -2 : i64, bits = 4 : i64, clip = 0.9 : f64, group_size = 4 : i64} : tensor<10x8xf32> -> (tensor<10x8xi4>, tensor<10x8xf32>)
  return
}

// -----
func.func @weight_scale(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{expected codes of the shape of 'tensor<4x8xf32>' and a scale [4, 2], got 'tensor<4x8xi4>' and 'tensor<4x1xf32>'}}
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 4}} : tensor<4x8xf32> -> tensor<4x8xi4>, tensor<4x1xf32>
  return
}

// -----
// C2: bits, clip and the type of scales.
func.func @scale_type(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected a scale of type f32 or f16, got 'bf16'}}
  %c, %s = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xbf16>)
  return
}

// -----
func.func @bits(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected 2 to 4 bits, got 5}}
  %c, %s = q.quantize_dynamic %x {bits = 5 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xf32>)
  return
}

// -----
func.func @clip(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected a clip in (0, 1], got}}
  %c, %s = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.0 : f64, group_size = 0 : i64} : tensor<?x8xf32> -> (tensor<?x8xi4>, tensor<?x1xf32>)
  return
}

// -----
// C3: weights and their quantizers.
func.func @vector(%w: tensor<8xf32>) {
  // expected-error@+1 {{expected a matrix of known size, got 'tensor<8xf32>'}}
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 4}} : tensor<8xf32> -> tensor<8xi4>, tensor<1xf32>
  return
}

// -----
func.func @method(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{unknown quantizer 'magic'; there are:}}
  %c, %s = q.quantize_weight %w {method = "magic", options = {bits = 4}} : tensor<4x8xf32> -> tensor<4x8xi4>, tensor<4x1xf32>
  return
}

// -----
func.func @option(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{bitz}}
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bitz = 4}} : tensor<4x8xf32> -> tensor<4x8xi4>, tensor<4x1xf32>
  return
}

// -----
func.func @option_type(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{option "bits" is neither a number, a truth value nor a string}}
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = [4]}} : tensor<4x8xf32> -> tensor<4x8xi4>, tensor<4x1xf32>
  return
}

// -----
// C4: q.linear.
func.func @two_sizes(%x: tensor<?x8xi4>, %xs: tensor<?x2xf32>, %w: tensor<4x8xi4>, %ws: tensor<4x4xf32>) {
  // expected-error@+1 {{expected groups of one size on both sides, or one group on a side, got 4 and 2}}
  %y = q.linear %x, %xs, %w, %ws {input_group_size = 4 : i64, weight_group_size = 2 : i64} : (tensor<?x8xi4>, tensor<?x2xf32>, tensor<4x8xi4>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return
}

// -----
func.func @in(%x: tensor<?x8xi4>, %xs: tensor<?x1xf32>, %w: tensor<4x6xi4>, %ws: tensor<4x1xf32>) {
  // expected-error@+1 {{expected a weight [out, in] with in = 8, got 'tensor<4x6xi4>'}}
  %y = q.linear %x, %xs, %w, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64} : (tensor<?x8xi4>, tensor<?x1xf32>, tensor<4x6xi4>, tensor<4x1xf32>) -> tensor<?x4xf32>
  return
}

// -----
func.func @out(%x: tensor<?x8xi4>, %xs: tensor<?x1xf32>, %w: tensor<4x8xi4>, %ws: tensor<4x1xf32>) {
  // expected-error@+1 {{expected a result, and a bias if any, of 4 columns, got 'tensor<?x8xf32>'}}
  %y = q.linear %x, %xs, %w, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64} : (tensor<?x8xi4>, tensor<?x1xf32>, tensor<4x8xi4>, tensor<4x1xf32>) -> tensor<?x8xf32>
  return
}

// -----
#H = #rot.basis<[_, #rot.hadamard<8>]>
func.func @one_side(%x: tensor<?x8xi4, #H>, %xs: tensor<?x1xf32>, %w: tensor<4x8xi4>, %ws: tensor<4x1xf32>) {
  // expected-error@+1 {{operand #2 (dimension 1) is in basis `standard`, but operand #0 (dimension 1) requires #rot.hadamard<8>}}
  %y = q.linear %x, %xs, %w, %ws {input_group_size = 0 : i64, weight_group_size = 0 : i64} : (tensor<?x8xi4, #H>, tensor<?x1xf32>, tensor<4x8xi4>, tensor<4x1xf32>) -> tensor<?x4xf32>
  return
}

// -----
// Codes keep the basis of what was quantized.
#H = #rot.basis<[_, #rot.hadamard<8>]>
func.func @lost_basis(%x: tensor<?x8xf32, #H>) {
  // expected-error@+1 {{result #0 (dimension 1) is in basis `standard`, but operand #0 (dimension 1) requires #rot.hadamard<8>}}
  %c, %s = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64} : tensor<?x8xf32, #H> -> (tensor<?x8xi4>, tensor<?x1xf32>)
  return
}

// -----
// C5: q.pack.
func.func @pack_layout(%codes: tensor<4x8xi4>, %scale: tensor<4x1xf32>) {
  // expected-error@+1 {{expected layout "in_out", "matmul_nbits" or a fragment order such as "m16n8k64.s4", got "upside_down"}}
  %p, %ps = q.pack %codes, %scale {group_size = 0 : i64, layout = "upside_down"} : (tensor<4x8xi4>, tensor<4x1xf32>) -> (tensor<8x4xi4>, tensor<4xf32>)
  return
}

// -----
func.func @pack_shape(%codes: tensor<4x8xi4>, %scale: tensor<4x1xf32>) {
  // expected-error@+1 {{expected 'tensor<8x4xi4>' and its scales, got 'tensor<4x8xi4>' and 'tensor<4xf32>'}}
  %p, %ps = q.pack %codes, %scale {group_size = 0 : i64, layout = "in_out"} : (tensor<4x8xi4>, tensor<4x1xf32>) -> (tensor<4x8xi4>, tensor<4xf32>)
  return
}

// -----
func.func @pack_odd(%codes: tensor<4x9xi4>, %scale: tensor<4x3xf32>) {
  // expected-error@+1 {{expected groups of an even size, got 3}}
  %p, %ps = q.pack %codes, %scale {group_size = 3 : i64, layout = "matmul_nbits"} : (tensor<4x9xi4>, tensor<4x3xf32>) -> (tensor<4x3x2xui8>, tensor<4x3xf32>)
  return
}

// -----
// C6: fragment orders.
func.func @pack_bits(%codes: tensor<4x8xi8>, %scale: tensor<4x1xf32>) {
  // expected-error@+1 {{expected codes of 4 bits, and a permutation of 8 columns if any, for layout "m16n8k64.s4"}}
  %p, %ps = q.pack %codes, %scale {group_size = 0 : i64, layout = "m16n8k64.s4"} : (tensor<4x8xi8>, tensor<4x1xf32>) -> (tensor<1x512xui8>, tensor<1x16xf32>)
  return
}

// -----
func.func @pack_permutation(%codes: tensor<4x8xi4>, %scale: tensor<4x1xf32>) {
  // expected-error@+1 {{and a permutation of 8 columns if any, for layout "m16n8k64.s4:3x4"}}
  %p, %ps = q.pack %codes, %scale {group_size = 0 : i64, layout = "m16n8k64.s4:3x4"} : (tensor<4x8xi4>, tensor<4x1xf32>) -> (tensor<1x512xui8>, tensor<1x16xf32>)
  return
}

// -----
func.func @pack_blocks(%codes: tensor<20x70xi4>, %scale: tensor<20x1xf32>) {
  // expected-error@+1 {{expected 'tensor<2x1024xui8>' and its scales, got 'tensor<2048xui8>' and 'tensor<2x16xf32>'}}
  %p, %ps = q.pack %codes, %scale {group_size = 0 : i64, layout = "m16n8k64.s4"} : (tensor<20x70xi4>, tensor<20x1xf32>) -> (tensor<2048xui8>, tensor<2x16xf32>)
  return
}

// -----
// C7: bytes and the codes in them.
func.func @unpack_bits(%b: tensor<4x8xui8>) {
  // expected-error@+1 {{expected codes of 2, 4 or 8 bits, got 3}}
  %c = q.unpack %b {bits = 3 : i64} : tensor<4x8xui8> -> tensor<4x16xi4>
  return
}

// -----
func.func @unpack_type(%b: tensor<4x8xui8>) {
  // expected-error@+1 {{expected codes of type 'i4' or 'ui4', got 'i8'}}
  %c = q.unpack %b {bits = 4 : i64} : tensor<4x8xui8> -> tensor<4x16xi8>
  return
}

// -----
func.func @unpack_rows(%b: tensor<4x8xui8>) {
  // expected-error@+1 {{expected rows of ui8 and as many rows of codes, got 'tensor<4x8xui8>' and 'tensor<8x8xi4>'}}
  %c = q.unpack %b {bits = 4 : i64} : tensor<4x8xui8> -> tensor<8x8xi4>
  return
}

// -----
func.func @unpack_size(%b: tensor<4x2x4xui8>) {
  // expected-error@+1 {{expected at least 68 bits in a row, got 64}}
  %c = q.unpack %b {bits = 4 : i64} : tensor<4x2x4xui8> -> tensor<4x17xi4>
  return
}
