// RUN: quant-opt %s --split-input-file --verify-diagnostics

// C1: embedding.
func.func @float_ids(%ids: tensor<?xf32>, %t: tensor<100x8xf32>) {
  // expected-error@+1 {{expected integer ids and a matrix of rows as wide as the result, got 'tensor<?xf32>' and 'tensor<100x8xf32>' for 'tensor<?x8xf32>'}}
  %x = llm.embedding %ids, %t : (tensor<?xf32>, tensor<100x8xf32>) -> tensor<?x8xf32>
  return
}

// -----
func.func @width(%ids: tensor<?xi64>, %t: tensor<100x8xf32>) {
  // expected-error@+1 {{expected integer ids and a matrix of rows as wide as the result}}
  %x = llm.embedding %ids, %t : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x9xf32>
  return
}

// -----
// C2: rms_norm.
func.func @norm_shape(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected input and result of one shape, got 'tensor<?x8xf32>' and 'tensor<?x9xf32>'}}
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x9xf32>
  return
}

// -----
func.func @norm_scale(%x: tensor<?x8xf32>, %g: tensor<4xf32>) {
  // expected-error@+1 {{expected a scale of the size of the last dimension of 'tensor<?x8xf32>', got 'tensor<4xf32>'}}
  %n = llm.rms_norm %x scale %g : tensor<4xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  return
}

// -----
func.func @norm_eps(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected eps not to be negative}}
  %n = llm.rms_norm %x {eps = -1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  return
}

// -----
// C3: linear.
func.func @transposed_weight(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) {
  // expected-error@+1 {{expected a weight [out, in] with in = 8, got 'tensor<8x4xf32>'}}
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return
}

// -----
func.func @linear_result(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error@+1 {{expected a result whose last dimension is 4, got 'tensor<?x8xf32>'}}
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return
}

// -----
func.func @bias(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<8xf32>) {
  // expected-error@+1 {{expected a bias of size 4, got 'tensor<8xf32>'}}
  %y = llm.linear %x, %w bias %b : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<8xf32>) -> tensor<?x4xf32>
  return
}

// -----
// C4: sums and swiglu.
func.func @sum(%x: tensor<?x8xf32>, %y: tensor<8xf32>) {
  // expected-error@+1 {{expected operands and result of one shape, got 'tensor<8xf32>' for 'tensor<?x8xf32>'}}
  %z = llm.residual_add %x, %y : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----
func.func @gate(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>) {
  // expected-error@+1 {{expected operands and result of one shape}}
  %z = llm.swiglu %x, %y : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return
}

// -----
// C5: heads.
func.func @split(%x: tensor<?x?x192xf32>) {
  // expected-error@+1 {{expected [B, S, heads·d] and [B, heads, S, d] with known heads and d, got 'tensor<?x?x192xf32>' and 'tensor<?x3x?x32xf32>'}}
  %y = llm.split_heads %x : (tensor<?x?x192xf32>) -> tensor<?x3x?x32xf32>
  return
}

// -----
func.func @merge(%x: tensor<?x?x?x64xf32>) {
  // expected-error@+1 {{with known heads and d}}
  %y = llm.merge_heads %x : (tensor<?x?x?x64xf32>) -> tensor<?x?x192xf32>
  return
}

// -----
// C6: rope.
func.func @odd(%x: tensor<?x3x?x63xf32>, %t: tensor<?x?x63xf32>) {
  // expected-error@+1 {{expected cos and sin [B, S, r] or [B, 1, S, r] with an even r of at most 63, got 'tensor<?x?x63xf32>'}}
  %y = llm.rope %x, %t, %t : (tensor<?x3x?x63xf32>, tensor<?x?x63xf32>, tensor<?x?x63xf32>) -> tensor<?x3x?x63xf32>
  return
}

// -----
func.func @flat_tables(%x: tensor<?x3x?x64xf32>, %t: tensor<?x64xf32>) {
  // expected-error@+1 {{expected cos and sin [B, S, r] or [B, 1, S, r] with an even r of at most 64, got 'tensor<?x64xf32>'}}
  %y = llm.rope %x, %t, %t : (tensor<?x3x?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x3x?x64xf32>
  return
}

// -----
// C7: kv_append.
func.func @append(%past: tensor<?x3x?x64xf32>, %rows: tensor<?x9x?x64xf32>) {
  // expected-error@+1 {{expected a cache, rows and a result [B, kv_heads, length, d]}}
  %k = llm.kv_append %past, %rows : (tensor<?x3x?x64xf32>, tensor<?x9x?x64xf32>) -> tensor<?x3x?x64xf32>
  return
}

// -----
#H = #rot.basis<[_, _, _, #rot.hadamard<64>]>
func.func @append_basis(%past: tensor<?x3x?x64xf32>, %rows: tensor<?x3x?x64xf32, #H>) {
  // expected-error@+1 {{operand #1 (dimension 3) is in basis #rot.hadamard<64>, but operand #0 (dimension 3) requires `standard`}}
  %k = llm.kv_append %past, %rows : (tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32, #H>) -> tensor<?x3x?x64xf32>
  return
}

// -----
// C8: attention without heads to share.
func.func @no_heads(%q: tensor<?x9x?x64xf32>, %k: tensor<?x0x?x64xf32>) {
  // expected-error@+1 {{9 query heads cannot share 0 key and 0 value heads evenly}}
  %a = llm.attention %q, %k, %k {scale = 1.0 : f64} : (tensor<?x9x?x64xf32>, tensor<?x0x?x64xf32>, tensor<?x0x?x64xf32>) -> tensor<?x9x?x64xf32>
  return
}

// -----
// C8: attention.
func.func @uneven(%q: tensor<?x9x?x64xf32>, %k: tensor<?x2x?x64xf32>) {
  // expected-error@+1 {{9 query heads cannot share 2 key and 2 value heads evenly}}
  %a = llm.attention %q, %k, %k {scale = 1.0 : f64} : (tensor<?x9x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>) -> tensor<?x9x?x64xf32>
  return
}

// -----
func.func @head_sizes(%q: tensor<?x9x?x64xf32>, %k: tensor<?x3x?x32xf32>) {
  // expected-error@+1 {{expected queries and keys of one head size}}
  %a = llm.attention %q, %k, %k {scale = 1.0 : f64} : (tensor<?x9x?x64xf32>, tensor<?x3x?x32xf32>, tensor<?x3x?x32xf32>) -> tensor<?x9x?x32xf32>
  return
}

// -----
func.func @unknown_heads(%q: tensor<?x?x?x64xf32>, %k: tensor<?x3x?x64xf32>) {
  // expected-error@+1 {{expected [B, heads, S, d] with known heads, got 'tensor<?x?x?x64xf32>'}}
  %a = llm.attention %q, %k, %k {scale = 1.0 : f64} : (tensor<?x?x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x?x?x64xf32>
  return
}

// -----
#H = #rot.basis<[_, _, _, #rot.hadamard<64>]>
func.func @one_side(%q: tensor<?x9x?x64xf32, #H>, %k: tensor<?x3x?x64xf32>) {
  // expected-error@+1 {{operand #1 (dimension 3) is in basis `standard`, but operand #0 (dimension 3) requires #rot.hadamard<64>}}
  %a = llm.attention %q, %k, %k {scale = 1.0 : f64} : (tensor<?x9x?x64xf32, #H>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x9x?x64xf32>
  return
}

// -----
// C9: attention that reads some tokens exactly.
func.func @no_rule(%q: tensor<?x9x?x64xf32>, %k: tensor<?x3x?x64xf32>) {
  // expected-error@+1 {{expected sinks, residual and key_block that are not negative, one of them positive, got 0, 0 and 0}}
  %a = llm.mixed_attention %q, %k, %k exact %k, %k {key_block = 0 : i64, residual = 0 : i64, scale = 1.0 : f64, sinks = 0 : i64} : (tensor<?x9x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x9x?x64xf32>
  return
}

// -----
func.func @negative_sinks(%q: tensor<?x9x?x64xf32>, %k: tensor<?x3x?x64xf32>) {
  // expected-error@+1 {{not negative, one of them positive, got -1, 8 and 0}}
  %a = llm.mixed_attention %q, %k, %k exact %k, %k {key_block = 0 : i64, residual = 8 : i64, scale = 1.0 : f64, sinks = -1 : i64} : (tensor<?x9x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> tensor<?x9x?x64xf32>
  return
}

// -----
func.func @exact_type(%q: tensor<?x9x?x64xf32>, %k: tensor<?x3x?x64xf32>, %e: tensor<?x3x?x64xf16>) {
  // expected-error@+1 {{expected exact rows of type 'tensor<?x3x?x64xf32>', got 'tensor<?x3x?x64xf16>'}}
  %a = llm.mixed_attention %q, %k, %k exact %e, %k {key_block = 0 : i64, residual = 8 : i64, scale = 1.0 : f64, sinks = 0 : i64} : (tensor<?x9x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf16>, tensor<?x3x?x64xf32>) -> tensor<?x9x?x64xf32>
  return
}

// -----
func.func @mixed_heads(%q: tensor<?x9x?x64xf32>, %k: tensor<?x2x?x64xf32>) {
  // expected-error@+1 {{9 query heads cannot share 2 key and 2 value heads evenly}}
  %a = llm.mixed_attention %q, %k, %k exact %k, %k {key_block = 0 : i64, residual = 8 : i64, scale = 1.0 : f64, sinks = 0 : i64} : (tensor<?x9x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>) -> tensor<?x9x?x64xf32>
  return
}

// -----
// C6: the width of tables.
func.func @wide_rope(%q: tensor<?x4x?x16xf32>, %cos: tensor<1x?x18xf32>) {
  // expected-error@+1 {{expected cos and sin [B, S, r] or [B, 1, S, r] with an even r of at most 16}}
  %0 = llm.rope %q, %cos, %cos : (tensor<?x4x?x16xf32>, tensor<1x?x18xf32>, tensor<1x?x18xf32>) -> tensor<?x4x?x16xf32>
  return
}

// -----
func.func @unequal_tables(%q: tensor<?x4x?x16xf32>, %cos: tensor<1x?x8xf32>, %sin: tensor<1x?x16xf32>) {
  // expected-error@+1 {{expected cos and sin of one width}}
  %0 = llm.rope %q, %cos, %sin : (tensor<?x4x?x16xf32>, tensor<1x?x8xf32>, tensor<1x?x16xf32>) -> tensor<?x4x?x16xf32>
  return
}

// -----
// C8: the soft-cap.
func.func @softcap(%q: tensor<?x4x?x16xf32>) {
  // expected-error@+1 {{expected a softcap that is not negative}}
  %0 = llm.attention %q, %q, %q {scale = 1.0 : f64, softcap = -1.0 : f64} : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  return
}

// -----
// C10: layer_norm.
func.func @layer_norm_bias(%x: tensor<?x8xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{expected a bias of the size of the last dimension of 'tensor<?x8xf32>', got 'tensor<4xf32>'}}
  %0 = llm.layer_norm %x bias %b : tensor<4xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  return
}

// -----
// C11: geglu.
func.func @geglu(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected approximate to be "none" or "tanh", got "quick"}}
  %0 = llm.geglu %x, %x {approximate = "quick"} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----
// C13: activation.
func.func @activation(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected function to be gelu, gelu_tanh, relu or relu_squared, got "silu"}}
  %0 = llm.activation %x {function = "silu"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----
// C4: scale.
func.func @scale(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{expected operands and result of one shape}}
  %0 = llm.scale %x {factor = 2.0 : f64} : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return
}

// -----
// C12: kv_write.
func.func @kv_write_index(%k: tensor<?x2x32x16xf32>, %rows: tensor<?x2x?x16xf32>, %index: tensor<?x1xi64>) {
  // expected-error@+1 {{expected an integer index [B], got 'tensor<?x1xi64>'}}
  %0 = llm.kv_write %k, %rows at %index : (tensor<?x2x32x16xf32>, tensor<?x2x?x16xf32>, tensor<?x1xi64>) -> tensor<?x2x32x16xf32>
  return
}

// -----
func.func @kv_write_length(%k: tensor<?x2x32x16xf32>, %rows: tensor<?x2x?x16xf32>, %index: tensor<?xi64>) {
  // expected-error@+1 {{expected a result as long as the cache, got 'tensor<?x2x64x16xf32>' for 'tensor<?x2x32x16xf32>'}}
  %0 = llm.kv_write %k, %rows at %index : (tensor<?x2x32x16xf32>, tensor<?x2x?x16xf32>, tensor<?xi64>) -> tensor<?x2x64x16xf32>
  return
}
