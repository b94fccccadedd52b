//===- Architecture.cpp - what each GPU architecture executes -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Tile/IR/Architecture.h"

using namespace quantopt::tile;

static constexpr MmaShape none{}, s4Turing{8, 8, 32}, s8Turing{8, 8, 16}, f16Turing{16, 8, 8};
static constexpr MmaShape s4Ampere{16, 8, 64}, s8Ampere{16, 8, 32}, f16Ampere{16, 8, 16};
static constexpr int64_t kib = 1024;

// clang-format off
//                 gpu                    s4        s8        f16        cp.async tma    wgmma  block      SM         registers SMs GB/s  s4    s8    f16   PTX
static constexpr Architecture architectures[] = {
    {"sm_75",   "Tesla T4",            s4Turing, s8Turing, f16Turing, false, false, false, 64 * kib,  64 * kib,  65536, 40,  320,  260,  130,  65,  63},
    {"sm_80",   "A100 SXM 80G",        s4Ampere, s8Ampere, f16Ampere, true,  false, false, 163 * kib, 164 * kib, 65536, 108, 2040, 1248, 624,  312, 70},
    {"sm_86",   "RTX 3090",            s4Ampere, s8Ampere, f16Ampere, true,  false, false, 99 * kib,  100 * kib, 65536, 82,  936,  568,  284,  71,  71},
    {"sm_87",   "Jetson AGX Orin 64G", s4Ampere, s8Ampere, f16Ampere, true,  false, false, 163 * kib, 164 * kib, 65536, 16,  205,  170,  85,   43,  74},
    {"sm_89",   "RTX 4090",            s4Ampere, s8Ampere, f16Ampere, true,  false, false, 99 * kib,  100 * kib, 65536, 128, 1008, 1321, 661,  165, 78},
    {"sm_90a",  "H100 SXM",            none,     s8Ampere, f16Ampere, true,  true,  true,  227 * kib, 228 * kib, 65536, 132, 3350, 0,    1979, 989, 80},
    {"sm_100a", "B200",                none,     s8Ampere, f16Ampere, true,  true,  false, 227 * kib, 228 * kib, 65536, 148, 8000, 0,    4500, 2250, 86},
    {"sm_120a", "RTX 5090",            none,     s8Ampere, f16Ampere, true,  true,  false, 99 * kib,  100 * kib, 65536, 170, 1792, 0,    838,  209, 87},
};
// clang-format on

const Architecture &quantopt::tile::getArchitecture(Arch arch) { return architectures[unsigned(arch)]; }
