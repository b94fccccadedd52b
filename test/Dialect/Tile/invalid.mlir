// RUN: quant-opt %s --split-input-file --verify-diagnostics

// C1: tiles.
func.func @warps_divide_block(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected warps of a multiple of 8 by a multiple of 16 to divide the block, got 48 by 64 in 128 by 128}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 48, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @channels_in_blocks(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected warps of a multiple of 8 by a multiple of 16 to divide the block, got 64 by 8 in 128 by 128}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 8, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @bk_power_of_two(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected bk to be a power of two of at least 32, got 192}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 192, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @no_stage(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected at least one stage and one part of the contraction, got 0 and 1}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 0>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C2: threads of rows.
func.func @rows_share(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected equal shares of whole warps for 3 rows and at most 1024 threads, got 128}}
  %n = tile.norm %x {epsilon = 1.0e-5 : f64, config = #tile.rows<arch = sm_80, threads = 128, rows = 3>} : (tensor<?x576xf32>) -> tensor<?x576xf16>
  return
}

// -----
// C3: threads of gemms.
func.func @warps(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected a power of two of warps and at most 1024 threads, got 6 and 192}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 192, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @threads(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected a power of two of warps and at most 1024 threads, got 64 and 2048}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 16, wn = 16, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C4: instructions.
func.func @s4_on_hopper(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{sm_90a has no INT4 tensor cores: keep 4-bit activations in i8 (tile.gemm_w4a8)}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_90a, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @explicit_s4_on_blackwell(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{sm_120a has no INT4 tensor cores: use s8}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_120a, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4, mma = s4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @wgmma_on_ampere(%x: tensor<?x576xi8>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{wgmma_s8 needs sm_90a and consumers of a multiple of 64 channels, got sm_80 and 64}}
  %y = tile.gemm_w4a8 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4, mma = wgmma_s8>} : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @wgmma_channels(%x: tensor<?x576xi8>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{wgmma_s8 needs sm_90a and consumers of a multiple of 64 channels, got sm_90a and 32}}
  %y = tile.gemm_w4a8 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_90a, bm = 64, bn = 128, bk = 128, wm = 64, wn = 32, stages = 4, mma = wgmma_s8>} : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @wgmma_columns(%x: tensor<?x576xi8>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected bk = 128, at most 256 rows, a multiple of 16 per consumer, at most 512 channels, and at most 128 sums a thread, got bk = 64, 64 rows, 128 channels, 64 per consumer and 32 sums}}
  %y = tile.gemm_w4a8 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_90a, bm = 64, bn = 128, bk = 64, wm = 64, wn = 64, stages = 4, mma = wgmma_s8>} : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @wgmma_weights(%x: tensor<?x576xi8>, %xs: tensor<?x1xf32>, %w: tensor<96x9216xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected 4-bit weights without groups, which wgmma_s8 is for}}
  %y = tile.gemm_w8a8 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_90a, bm = 64, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4, mma = wgmma_s8>} : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<96x9216xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @other_instruction(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{multiplies by s4, not by s8}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4, mma = s8>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @w8a4(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x9216xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected 4-bit weights for 4-bit activations}}
  %y = tile.gemm_decode %x scale %xs, %w scale %ws {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 256, wm = 8, wn = 16, stages = 1, split_k = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x9216xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C5: stages without asynchronous copies.
func.func @turing_stages(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{sm_75 has no asynchronous copies, so there are 2 stages at most, got 4}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_75, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C6: inputs, results and scales of inputs.
func.func @input_type(%x: tensor<?x576xi8>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{does not take an input of 'i8'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi8>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @rows(%x: tensor<?x576xi4>, %r: tensor<7x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected an input and a result of the same rows and of known columns, got 'tensor<7x576xi4>' and 'tensor<8x1536xf32>'}}
  %y = tile.gemm_w4a4 %r, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<7x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<8x1536xf32>
  return
}

// -----
func.func @result_type(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected a result of f32, f16 or bf16, got 'tensor<?x1536xi32>'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xi32>
  return
}

// -----
func.func @input_scale(%x: tensor<?x576xi4>, %xs: tensor<?x9xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected one f32 scale per row of the input, got 'tensor<?x9xf32>'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x9xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @missing_scale(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected a scale of the input for codes, and none for floats}}
  %y = tile.gemm_decode %x, %w scale %ws {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 256, wm = 8, wn = 16, stages = 1, split_k = 4>} : (tensor<?x576xi4>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C7: operands over channels.
func.func @weight_bytes(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x9216xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected a weight of 442368 bytes (ui8) in fragment order for 1536 by 576 codes, got 'tensor<96x9216xui8>'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x9216xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @weight_scale(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<95x16xf32>) {
  // expected-error@+1 {{expected an f32 scale per channel, whole or filled to blocks of 16 channels, got 'tensor<95x16xf32>'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<95x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @missing_weight_scale(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected scales of the weight}}
  %y = tile.gemm_decode %x scale %xs, %w {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 256, wm = 8, wn = 16, stages = 1, split_k = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @bias(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>, %b: tensor<1536xf16>) {
  // expected-error@+1 {{expected an f32 bias per channel, got 'tensor<1536xf16>'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws bias %b {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>, tensor<1536xf16>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @residual(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>, %r: tensor<?x1536xf16>) {
  // expected-error@+1 {{expected a residual like the result, got 'tensor<?x1536xf16>'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws residual %r {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>, tensor<?x1536xf16>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @float_weight(%x: tensor<?x576xf16>, %w: tensor<576x1536xf16>) {
  // expected-error@+1 {{expected a weight [1536, 576] of 'f16' without scales, got 'tensor<576x1536xf16>'}}
  %y = tile.gemm_f16 %x, %w {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 3>} : (tensor<?x576xf16>, tensor<576x1536xf16>) -> tensor<?x1536xf32>
  return
}

// -----
// C8: alignment.
func.func @float_rows(%x: tensor<?x570xf16>, %w: tensor<1536x570xf16>) {
  // expected-error@+1 {{expected rows of a multiple of 8 floats, so that they begin at 16 bytes, got 570}}
  %y = tile.gemm_f16 %x, %w {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 3>} : (tensor<?x570xf16>, tensor<1536x570xf16>) -> tensor<?x1536xf32>
  return
}

// -----
// C9: groups.
func.func @group_steps(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>, %g: tensor<1536x6xui8>) {
  // expected-error@+1 {{expected equal groups of a multiple of 64 that divide bk or are divided by it, got 6 of 576 with bk = 128}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws groups %g {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 32, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>, tensor<1536x6xui8>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @group_scales(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>, %g: tensor<1536x9xf32>) {
  // expected-error@+1 {{expected integer group scales (ui8) per channel, for codes on both sides, got 'tensor<1536x9xf32>'}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws groups %g {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 32, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>, tensor<1536x9xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C10: the instruction's shape.
func.func @mma_rows(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected warps of a multiple of 16 rows, and bk a multiple of 64, for m16n8k64, got 8 and 128}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 16, bn = 128, bk = 128, wm = 8, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @mma_step(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected warps of a multiple of 16 rows, and bk a multiple of 64, for m16n8k64, got 64 and 32}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 32, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C11: shared memory.
func.func @shared(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{needs 147456 bytes of shared memory; a block has 101376 on sm_86}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_86, bm = 128, bn = 256, bk = 256, wm = 64, wn = 64, stages = 3>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C12: registers.
func.func @registers(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{needs about 296 registers a thread; 128 threads have 255 each: take smaller warp tiles}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 192, bk = 128, wm = 64, wn = 96, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @group_registers(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>, %g: tensor<1536x9xui8>) {
  // expected-error@+1 {{needs about 344 registers a thread; 128 threads have 255 each: take smaller warp tiles}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws groups %g {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 4>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>, tensor<1536x9xui8>) -> tensor<?x1536xf32>
  return
}

// -----
// C13: sums.
func.func @sums(%x: tensor<?x131072xi8>, %xs: tensor<?x1xf32>, %w: tensor<1x1048576xui8>, %ws: tensor<1x16xf32>) {
  // expected-error@+1 {{sums of 131072 products may reach 2147483648, which is beyond 32 bits}}
  %y = tile.gemm_w4a8 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 64, bn = 64, bk = 128, wm = 32, wn = 32, stages = 4>} : (tensor<?x131072xi8>, tensor<?x1xf32>, tensor<1x1048576xui8>, tensor<1x16xf32>) -> tensor<?x16xf32>
  return
}

// -----
// C14: forms.
func.func @split(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected at least 2 stages, and a contraction that is not split}}
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws {config = #tile.gemm<arch = sm_80, bm = 128, bn = 128, bk = 128, wm = 64, wn = 64, stages = 4, split_k = 2>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @decode_stages(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected warps of all of 8, 16, 32 or 64 rows, 1 stage, and at most 9 parts of the contraction}}
  %y = tile.gemm_decode %x scale %xs, %w scale %ws {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 256, wm = 8, wn = 16, stages = 2>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
func.func @decode_parts(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<96x4608xui8>, %ws: tensor<96x16xf32>) {
  // expected-error@+1 {{expected warps of all of 8, 16, 32 or 64 rows, 1 stage, and at most 9 parts of the contraction}}
  %y = tile.gemm_decode %x scale %xs, %w scale %ws {config = #tile.gemm<arch = sm_80, bm = 8, bn = 16, bk = 256, wm = 8, wn = 16, stages = 1, split_k = 16>} : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<96x4608xui8>, tensor<96x16xf32>) -> tensor<?x1536xf32>
  return
}

// -----
// C15: rows.
func.func @row_type(%x: tensor<?x576xi8>) {
  // expected-error@+1 {{expected rows of f32, f16 or bf16 and of known size, got 'tensor<?x576xi8>'}}
  %c, %s = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xi8>) -> (tensor<?x576xi4>, tensor<?x1xf32>)
  return
}

// -----
func.func @up_shape(%x: tensor<?x576xf32>, %u: tensor<?x577xf32>) {
  // expected-error@+1 {{expected rows of the shape of 'tensor<?x576xf32>', got 'tensor<?x577xf32>'}}
  %c, %s = tile.swiglu_quant %x, %u {clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>, tensor<?x577xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>)
  return
}

// -----
// C16: sums of rows.
func.func @sum_of_one(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected a sum with a residual, and none without}}
  %c, %s, %sum = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>, tensor<?x576xf32>)
  return
}

// -----
// C17: codes.
func.func @code_type(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected codes of i4 or i8 in the shape of 'tensor<?x576xf32>', got 'tensor<?x576xui4>'}}
  %c, %s = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x576xui4>, tensor<?x1xf32>)
  return
}

// -----
func.func @bits(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected 2 to 4 bits, got 8}}
  %c, %s = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 8 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>)
  return
}

// -----
func.func @clip(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected a clip in (0, 1], got 1.5}}
  %c, %s = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 1.5 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>)
  return
}

// -----
func.func @row_scale(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected one f32 scale per row, got 'tensor<?x2xf32>'}}
  %c, %s = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x2xf32>)
  return
}

// -----
// C18: transforms and threads.
func.func @transform_size(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{a transform of 64 elements does not fit rows of 576}}
  %c, %s = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, hadamard = #rot.hadamard<64>, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>)
  return
}

// -----
func.func @elements(%x: tensor<?x16384xf32>) {
  // expected-error@+1 {{rows of 16384 elements need more than 128 threads}}
  %c, %s = tile.norm_quant %x {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x16384xf32>) -> (tensor<?x16384xi4>, tensor<?x1xf32>)
  return
}

// -----
// C19: embeddings.
func.func @embedding(%ids: tensor<?xi64>, %t: tensor<100x64xf16>) {
  // expected-error@+1 {{expected i32 or i64 ids, a table of floats of known size, and one of its rows per id, got 'tensor<?xi64>', 'tensor<100x64xf16>' and 'tensor<?x65xf32>'}}
  %e = tile.embedding %ids, %t {config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?xi64>, tensor<100x64xf16>) -> tensor<?x65xf32>
  return
}

// -----
// C20: indices.
func.func @arg_max(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected one i32 index per row, got 'tensor<?xi64>'}}
  %i = tile.arg_max %x {config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> tensor<?xi64>
  return
}

// -----
func.func @top_k(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected as many values of the input's type as i32 indices, at most those of a row, got 'tensor<?x577xf32>' and 'tensor<?x577xi32>'}}
  %v, %i = tile.top_k %x {config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x577xf32>, tensor<?x577xi32>)
  return
}

// -----
// C18, C21: what rows need that are read in passing.
func.func @thread_shares(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected a power of two of threads per row, got 96}}
  %i = tile.arg_max %x {config = #tile.rows<arch = sm_80, threads = 96>} : (tensor<?x576xf32>) -> tensor<?xi32>
  return
}

// -----
func.func @bfloat_rows(%x: tensor<?x576xbf16>) {
  // expected-error@+1 {{expected f16 or f32: sm_75 has no bf16}}
  %n = tile.norm %x {epsilon = 1.0e-5 : f64, config = #tile.rows<arch = sm_75, threads = 128>} : (tensor<?x576xbf16>) -> tensor<?x576xf16>
  return
}

// -----
func.func @bfloat_gemm(%x: tensor<?x576xbf16>, %w: tensor<1536x576xbf16>) {
  // expected-error@+1 {{expected f16 or f32: sm_75 has no bf16}}
  %y = tile.gemm_f16 %x, %w {config = #tile.gemm<arch = sm_75, bm = 64, bn = 64, bk = 64, wm = 32, wn = 32, stages = 2>} : (tensor<?x576xbf16>, tensor<1536x576xbf16>) -> tensor<?x1536xf32>
  return
}

// -----
// C16.
func.func @norm_sum(%x: tensor<?x576xf32>) {
  // expected-error@+1 {{expected a residual, for there is a sum}}
  %n, %s = tile.norm %x {epsilon = 1.0e-5 : f64, config = #tile.rows<arch = sm_80, threads = 128>} : (tensor<?x576xf32>) -> (tensor<?x576xf16>, tensor<?x576xf32>)
  return
}
