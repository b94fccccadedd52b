// RUN: rm -rf %t && mkdir -p %t
// RUN: sed 's/ARCH/sm_80/' %s | quant-opt --emit-bundle="arch=sm_80 output=%t/sm_80" -o /dev/null
// RUN: FileCheck %s --input-file=%t/sm_80/kernels.ptx --check-prefixes=ALL,AMPERE --implicit-check-not=.local --implicit-check-not=call
// RUN: sed 's/ARCH/sm_89/' %s | quant-opt --emit-bundle="arch=sm_89 output=%t/sm_89" -o /dev/null
// RUN: FileCheck %s --input-file=%t/sm_89/kernels.ptx --check-prefixes=ALL,AMPERE --implicit-check-not=.local --implicit-check-not=call
// RUN: sed -e 's/ARCH/sm_75/' -e 's/stages = 3/stages = 2/' %s | quant-opt --emit-bundle="arch=sm_75 output=%t/sm_75" -o /dev/null
// RUN: FileCheck %s --input-file=%t/sm_75/kernels.ptx --check-prefixes=ALL,TURING --implicit-check-not=.local --implicit-check-not=cp.async
// RUN: sed -e 's/ARCH/sm_90a/' -e 's/xi4>/xi8>/g' -e 's/gemm_w4a4/gemm_w4a8/' %s | quant-opt --emit-bundle="arch=sm_90a output=%t/sm_90a" -o /dev/null
// RUN: FileCheck %s --input-file=%t/sm_90a/kernels.ptx --check-prefixes=ALL,HOPPER --implicit-check-not=.local --implicit-check-not=.s4

// ALL-NOT: .extern .func
// ALL: .extern .shared .align 128 .b8 dynamic_shared[];
// ALL: .visible .entry gemm_w4a
// ALL: .maxntid 128

// Tiles arrive two ahead; a lane takes 16 bytes of weights at once.
// AMPERE: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16, %r
// AMPERE: cp.async.commit_group
// AMPERE: cp.async.wait_group 1
// AMPERE: bar.sync 0
// AMPERE: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// AMPERE: ld.shared.v4.b32
// AMPERE: mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32
// Products are scaled in two steps, each rounded: nothing may be contracted.
// AMPERE-NOT: fma
// AMPERE: cvt.rn.f32.s32
// AMPERE: mul.rn.f32
// AMPERE: st.global.v2.b32

// Without asynchronous copies tiles pass through registers.
// TURING: ld.global.v4.b32
// TURING: st.shared.v4.b32
// TURING: bar.sync 0
// TURING: mma.sync.aligned.m8n8k32.row.col.s32.s4.s4.s32

// INT4 is emulated from sm_90 on: weights become bytes in registers.
// HOPPER: and.b32 {{.*}}, -252645136
// HOPPER: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32
// HOPPER: shr.s32 {{.*}}, 4

func.func @main(%x: tensor<?x576xi4>, %xs: tensor<?x1xf32>, %w: tensor<12x4608xui8>, %ws: tensor<12x16xf32>) -> tensor<?x192xf32> {
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws
    {config = #tile.gemm<arch = ARCH, bm = 64, bn = 64, bk = 128, wm = 32, wn = 32, stages = 3>}
    : (tensor<?x576xi4>, tensor<?x1xf32>, tensor<12x4608xui8>, tensor<12x16xf32>) -> tensor<?x192xf32>
  return %y : tensor<?x192xf32>
}
