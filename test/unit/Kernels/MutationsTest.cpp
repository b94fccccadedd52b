//===- MutationsTest.cpp - bugs planted into kernels are noticed -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// A test that passes says little unless it can fail. Every mutation below is a bug that somebody could write: one line
// of a kernel's PTX is changed, and either the interpreter's checks or a wrong result has to show it. Those that a
// device would often get away with (a wait too few, a barrier too few) must be caught by the checks, because the result
// may be right. Properties of the test record what caught each one.
//
//===----------------------------------------------------------------------------===//
#include "GemmTest.h"
#include "Mutation.h"
#include "Operands.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

static void expectCaught(llvm::StringRef text, int64_t rows, llvm::ArrayRef<Mutation> mutations) {
  auto kernel = Kernel::build(text);
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  expectCaught(**kernel, randomOperands(**kernel, rows, /*seed=*/1), rows, mutations);
}

// Rows, channels and the contraction end within a tile, and there are more tiles than stages.
static constexpr Mutation gemmMutations[] = {
    // Asynchronous copies.
    {"no wait in the loop", "cp\\.async\\.wait_group", -1, "", "", Catcher::Strict},
    {"no wait before the loop", "cp\\.async\\.wait_group", 1, "", "", Catcher::Strict},
    {"a wait for one group less", "cp\\.async\\.wait_group", -1, "1;", "2;", Catcher::Strict},
    {"no commit in the loop", "cp\\.async\\.commit_group", -1, "", "", Catcher::Strict},
    {"no commit before the loop", "cp\\.async\\.commit_group", 1, "", "", Catcher::Strict},
    {"a commit before its copies", "cp\\.async\\.commit_group", -1, "", "above 12", Catcher::Strict},
    {"a copy to where another one goes", "cp\\.async\\.cg.*\\+2048", 1, "\\+2048", "+1024"},
    {"a copy left out", "cp\\.async\\.cg", 2, "", "", Catcher::Strict},
    {"rows that do not end", "selp\\.b32.*, 16, 0,", 2, "16, 0", "16, 16", Catcher::Strict},
    {"a row too many to copy", "setp\\.gt\\.s32.*, 0;", 1, "gt", "ge", Catcher::Strict},
    {"weights that do not end", "selp\\.b32.*, 16, 0,", 4, "16, 0", "16, 16", Catcher::Strict},
    {"a contraction that does not end", "selp\\.b32.*%r[0-9]+, 0, %p", 1, "(%r[0-9]+), 0,", "\\1, \\1,",
     Catcher::Strict},
    {"a copy half filled with zeros", "selp\\.b32.*, 16, 0,", 1, "16, 0", "8, 0", Catcher::Result},
    {"a copy misaligned", "cp\\.async\\.cg.*\\+2048", -1, "\\+2048", "+2056", Catcher::Strict},
    // Barriers.
    {"no barrier in the loop", "bar\\.sync", -1, "", "", Catcher::Strict},
    {"no barrier before the loop", "bar\\.sync", 1, "", "", Catcher::Strict},
    {"the barrier before the wait", "bar\\.sync", -1, "", "above 1", Catcher::Strict},
    {"the barrier behind the loads", "bar\\.sync", -1, "", "below 8", Catcher::Strict},
    {"a barrier for half of the block", "bar\\.sync", -1, "0;", "0, 64;", Catcher::Strict},
    // Stages.
    {"the first stage that is written", "mov\\.b32.*, 16384;", 1, "16384", "8192"},
    {"a stage too many", "setp\\.eq\\.b32.*, 24576;", 1, "24576", "32768", Catcher::Strict},
    {"a stage too few to read", "setp\\.eq\\.b32.*, 24576;", 1, "24576", "16384"},
    {"a stage too few to write", "setp\\.eq\\.b32.*, 24576;", 2, "24576", "16384"},
    // Fragments.
    {"the swizzle of copies", "xor\\.b32.*, %r[0-9]+, %r[0-9]+;", 1, "xor", "or"},
    {"copies swizzled by another row", "shr\\.u32.*%r1, 3;", 1, "3;", "2;", Catcher::Result},
    {"the swizzle of loads", "xor\\.b32.*, %r[0-9]+, %r[0-9]+;", 3, "xor", "or", Catcher::Result},
    {"a row of lanes", "and\\.b32.*, 3008;", 1, "3008", "2944", Catcher::Result},
    {"the half of lanes", "bfe\\.u32.*, 4, 1;", 1, "4, 1", "3, 1", Catcher::Result},
    {"the rows of the second tile", "ldmatrix.*\\+1024\\]", 2, "1024", "512", Catcher::Result},
    {"a matrix misaligned", "ldmatrix.*\\+1024\\]", 2, "1024", "1032", Catcher::Strict},
    {"a vector misaligned", "ld\\.shared\\.v4.*\\+4096", 1, "4096", "4104", Catcher::Strict},
    {"the weights of other channels", "ld\\.shared\\.v4.*\\+5632", 1, "5632", "5120", Catcher::Result},
    {"fragments of the tile before", "ldmatrix", -1, "", "", Catcher::Result},
    {"fragments never loaded", "ldmatrix", 3, "", "", Catcher::Strict},
    // Products.
    {"swapped registers of a fragment", "mma\\.sync", 1, "\\}, \\{(%r[0-9]+), (%r[0-9]+)\\}", "}, {\\2, \\1}",
     Catcher::Result},
    {"swapped sums", "mma\\.sync", -1, "s32 \\{(%r[0-9]+), (%r[0-9]+),", "s32 {\\2, \\1,", Catcher::Result},
    {"unsigned weights", "mma\\.sync", 2, "s4\\.s4", "s4.u4", Catcher::Result},
    {"unsigned activations", "mma\\.sync", 2, "s4\\.s4", "u4.s4", Catcher::Result},
    {"a product left out", "mma\\.sync", -1, "", "", Catcher::Result},
    {"sums of a product left out", "mma\\.sync", 3, "", "", Catcher::Strict},
    {"a loop that begins with one for zero", "mov\\.b32.*%r[0-9]+, 0;", 1, " 0;", " 1;"},
    // Loops and indices.
    {"a tile too few", "setp\\.ne\\.b32.*, 448;", 1, "448", "384", Catcher::Result},
    {"a loop that ends at once", "@%p[0-9]+ bra.*BB0_1;", 1, "@", "@!"},
    {"the tiles too close", "mul\\.wide\\.u32.*, 64;", 1, "64;", "32;", Catcher::Result},
    {"lanes that share work", "and\\.b32.*%r1, 31;", 1, "31", "15"},
    {"blocks of rows for those of channels", "mov\\.u32.*%ctaid\\.x", 1, "x", "y"},
    // Epilogue.
    {"a row too many", "setp\\.ge\\.s32", 1, "ge", "gt", Catcher::Strict},
    {"no guard of rows", "@%p[0-9]+ bra.*BB0_11;", 1, "", "", Catcher::Strict},
    {"a channel too many", "setp\\.gt\\.[su]32.*, 99;", 2, "99", "131"},
    {"channels of another tile", "or\\.b32.*, 8;", 1, " 8;", " 12;"},
    {"the scale of the next row", "ld\\.global\\.b32", 2, "\\]", "+4]"},
    {"the scale of another channel", "ld\\.global\\.v2", 2, "\\]", "+8]"},
    {"rounding toward zero", "mul\\.rn\\.f32", 1, "rn", "rz", Catcher::Result},
    {"sums taken for floats", "cvt\\.rn\\.f32\\.s32", 1, "cvt\\.rn\\.f32\\.s32", "mov.b32", Catcher::Result},
    {"unsigned sums", "cvt\\.rn\\.f32\\.s32", 2, "s32", "u32", Catcher::Result},
    {"a pair stored misaligned", "st\\.global\\.v2", 1, "\\]", "+4]", Catcher::Strict},
    {"a pair stored as one", "st\\.global\\.v2", 1, "v2\\.b32(.*), \\{(%r[0-9]+), %r[0-9]+\\}", "b32\\1, \\2",
     Catcher::Strict},
};

TEST(Mutations, OfGemmW4A4AreNoticed) {
  GemmCase gemm = makeGemm("gemm_w4a4", 70, 100, 576);
  expectCaught(gemm.text(), gemm.rows, gemmMutations);
}

// Nine steps of the contraction among four warps, so that one has a step more; rows and channels end within a tile.
static constexpr Mutation decodeMutations[] = {
    {"no barrier before sums are added", "bar\\.sync", 1, "", "", Catcher::Strict},
    {"the barrier before the last sum", "bar\\.sync", 1, "", "above 1", Catcher::Strict},
    {"a part of the contraction not added", "add\\.s32.*, %r[0-9]+, %r[0-9]+;", -1, "add\\.s32(.*), %r[0-9]+;",
     "mov.b32\\1;", Catcher::Result},
    {"a part of the contraction added twice", "ld\\.shared\\.b32.*\\+1536", 1, "1536", "1024", Catcher::Result},
    {"a stale sum", "ld\\.shared\\.b32", -1, "", "", Catcher::Strict},
    {"a sum in another one's place", "st\\.shared\\.b32.*\\+128", 1, "\\+128", "+256"},
    {"the sums of warps too close", "mul\\.wide\\.u32.*, 128;", 1, "128;", "64;"},
    {"the parts of warps too close", "shl\\.b32.*, 9;", 1, "9;", "8;"},
    {"the weights of another step", "add\\.s64.*, 2048;", 1, "2048", "4096"},
    {"the input of another step", "ld\\.global\\.b32.*\\+128\\]", 1, "128", "160", Catcher::Result},
    {"swapped registers of a fragment", "mma\\.sync", 1, "\\}, \\{(%r[0-9]+), (%r[0-9]+)\\}", "}, {\\2, \\1}",
     Catcher::Result},
    {"unsigned weights", "mma\\.sync", 1, "s4\\.s4", "u4.s4", Catcher::Result},
    {"the last step for other warps", "setp\\.ne\\.b32", 1, "ne", "eq"},
    {"no guard of the last weights", "@%p[0-9]+ bra.*BB0_2;", 1, "", "", Catcher::Strict},
    {"no guard of the last input", "@%p[0-9]+ bra.*BB0_4;", 1, "", "", Catcher::Strict},
    {"rows that do not end", "min\\.s32", 1, "min\\.s32(.*), %r[0-9]+;", "mov.b32\\1;", Catcher::Strict},
    {"weights that do not end", "min\\.u32", 1, "min\\.u32(.*), 6;", "mov.b32\\1;", Catcher::Strict},
    {"a row too many", "setp\\.ge\\.s32", 1, "ge", "gt", Catcher::Strict},
    {"a channel too many", "setp\\.gt\\.s32.*, 99;", 1, "99", "115"},
    {"a guard that is too weak", "or\\.pred", 1, "or", "and", Catcher::Strict},
    {"another row of lanes", "bfe\\.u32.*, 2, 3;", 1, "2, 3", "3, 2"},
    {"a vector misaligned", "ld\\.global\\.nc.*v4", 1, "\\]", "+4]", Catcher::Strict},
    {"the scale of another channel", "ld\\.global\\.b32", -1, "\\]", "+4]"},
    {"lanes that share work", "and\\.b32.*, 31;", 1, "31", "15"},
};

TEST(Mutations, OfGemmDecodeAreNoticed) {
  GemmCase gemm = makeGemm("gemm_decode", 13, 100, 576);
  gemm.input = DType::I4;
  gemm.tiles = {8, 32, 64, 8, 16, 1, 4};
  expectCaught(gemm.text(), gemm.rows, decodeMutations);
}

// Half of a block's rows are there, and not all threads of a row have elements.
static constexpr const char *normQuant = R"(
func.func @f(%x: tensor<?x576xf32>, %r: tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>, tensor<?x576xf32>) {
  %codes, %scale, %sum = tile.norm_quant %x residual %r
    {epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64, hadamard = #rot.hadamard<576, seed = 7>,
     config = #tile.rows<arch = sm_80, threads = 256, rows = 2>}
    : (tensor<?x576xf32>, tensor<?x576xf32>) -> (tensor<?x576xi4>, tensor<?x1xf32>, tensor<?x576xf32>)
  return %codes, %scale, %sum : tensor<?x576xi4>, tensor<?x1xf32>, tensor<?x576xf32>
})";

static constexpr Mutation normQuantMutations[] = {
    {"no barrier between the factors", "bar\\.sync", 1, "", "", Catcher::Strict},
    {"no barrier between the warps", "bar\\.sync", -1, "", "", Catcher::Strict},
    {"the barrier before the last writes", "bar\\.sync", 1, "", "above 2", Catcher::Strict},
    {"another row of blocks", "mov\\.u32.*%ctaid\\.y", 1, "y", "x"},
    {"a row too many", "setp\\.lt\\.s32", 1, "lt", "le", Catcher::Strict},
    {"rows that do not end", "min\\.s32", 1, "min\\.s32(.*), %r[0-9]+;", "mov.b32\\1;", Catcher::Strict},
    {"threads behind the row", "min\\.u32.*, 71;", 1, "min\\.u32(.*), 71;", "mov.b32\\1;", Catcher::Strict},
    {"elements behind the row", "selp\\.f32.*, 0f00000000,", 1, "0f00000000", "0f3F800000", Catcher::Result},
    {"a residual subtracted", "add\\.rn\\.f32", 1, "add", "sub", Catcher::Result},
    {"a vector read misaligned", "ld\\.global\\.v4.*\\+16", 1, "\\+16", "+8", Catcher::Strict},
    {"a sum written twice", "st\\.global\\.v4.*\\+16", 1, "\\+16", ""},
    {"a sum not written", "st\\.global\\.v4", 1, "", "", Catcher::Strict},
    {"no guard of sums", "@%p[0-9]+ bra.*BB0_2;", 1, "", "", Catcher::Strict},
    {"the signs of another byte", "and\\.b32.*, 24;", 1, "24", "16", Catcher::Result},
    {"a sign less", "and\\.b32.*, -2147483648;", 2, "-2147483648", "0", Catcher::Result},
    {"another lane of the butterfly", "shfl\\.sync\\.bfly.*, 1, 31,", 2, " 1,", " 2,", Catcher::Result},
    {"half a warp in an exchange", "shfl\\.sync\\.bfly", 3, "-1;", "65535;", Catcher::Strict},
    {"a butterfly without its sign", "selp\\.f32.*0fBF800000", 1, "0fBF800000", "0f3F800000", Catcher::Result},
    {"an element exchanged with another", "st\\.shared\\.b32.*\\+1024", 1, "\\+1024", "+1536"},
    {"an element not exchanged", "st\\.shared\\.b32", 3, "", "", Catcher::Strict},
    {"another column of the slow factor", "ld\\.shared\\.b32.*\\+512", 1, "\\+512", "+520", Catcher::Result},
    {"a stale register of the slow factor", "ld\\.shared\\.b32.*\\+512", 1, "", "", Catcher::Strict},
    {"the rows of the slow factor too close", "add\\.s64.*, 32;", 1, "32", "16", Catcher::Result},
    {"a sum of half of every warp", "shfl\\.sync\\.bfly.*, 16, 31,", 1, "16", "8", Catcher::Result},
    {"the greatest of half of every warp", "shfl\\.sync\\.bfly.*, 16, 31,", 2, "16", "8", Catcher::Result},
    {"the least for the greatest", "max\\.[su]32", -1, "max", "min", Catcher::Result},
    {"the sum of another row", "st\\.shared\\.b32.*\\+8192", 1, "8192", "8208"},
    {"no epsilon", "rsqrt\\.approx", 1, "rsqrt", "sqrt", Catcher::Result},
    {"no clip", "mul\\.rn\\.f32.*0f3F666666", 1, "0f3F666666", "0f3F800000", Catcher::Result},
    {"codes rounded toward zero", "cvt\\.rni\\.s32", 1, "rni", "rzi", Catcher::Result},
    {"codes without a sign", "cvt\\.pack", -1, "s4", "u4", Catcher::Result},
    {"swapped codes", "cvt\\.pack", 1, ", (%r[0-9]+), (%r[0-9]+),", ", \\2, \\1,", Catcher::Result},
    {"codes of a row too short", "mad\\.lo\\.s64.*, 288,", 1, "288", "256", Catcher::Strict},
    {"the scale of another row", "shl\\.b64.*, 2;", 1, "2;", "3;", Catcher::Strict},
};

TEST(Mutations, OfNormQuantAreNoticed) { expectCaught(normQuant, 7, normQuantMutations); }

// Without tensor cores for the slow factor.
static constexpr const char *swigluQuant = R"(
func.func @f(%g: tensor<?x1536xf16>, %u: tensor<?x1536xf16>) -> (tensor<?x1536xi8>, tensor<?x1xf32>) {
  %codes, %scale = tile.swiglu_quant %g, %u
    {clip = 0.9 : f64, bits = 8 : i64, hadamard = #rot.hadamard<1536>, config = #tile.rows<arch = sm_75, threads = 256>}
    : (tensor<?x1536xf16>, tensor<?x1536xf16>) -> (tensor<?x1536xi8>, tensor<?x1xf32>)
  return %codes, %scale : tensor<?x1536xi8>, tensor<?x1xf32>
})";

static constexpr Mutation swigluQuantMutations[] = {
    {"no barrier between the factors", "bar\\.sync", 1, "", "", Catcher::Strict},
    {"no barrier between the warps", "bar\\.sync", -1, "", "", Catcher::Strict},
    {"swapped halves", "mov\\.b32.*\\{%rs", 1, "\\{(%rs[0-9]+), (%rs[0-9]+)\\}", "{\\2, \\1}", Catcher::Result},
    {"another base of the exponential", "mul\\.rn\\.f32.*0fBFB8AA3B", 1, "0fBFB8AA3B", "0fBF800000", Catcher::Result},
    {"no one in the logistic function", "add\\.rn\\.f32.*0f3F800000", 1, "0f3F800000", "0f00000000", Catcher::Result},
    {"the logistic function upside down", "ex2\\.approx", 2, "ex2", "rcp", Catcher::Result},
    {"the gate of another thread", "mul\\.wide\\.u32.*, 16;", 1, "16;", "8;", Catcher::Strict},
    {"another lane of the butterfly", "shfl\\.sync\\.bfly.*, 2, 31,", 1, " 2,", " 4,", Catcher::Result},
    {"an element not exchanged", "st\\.shared\\.b32", 5, "", "", Catcher::Strict},
    {"a row of the slow factor too few", "setp\\.ne\\.b32.*, 768;", 1, "768", "512", Catcher::Result},
    {"rows of the slow factor too many", "setp\\.ne\\.b32.*, 768;", 1, "768", "1280"},
    {"codes of eight bits in four", "cvt\\.pack", 1, "s8", "s4"},
    {"codes of a row too long", "mad\\.lo\\.s64.*, 1536,", 1, "1536", "1600", Catcher::Strict},
    {"codes stored misaligned", "st\\.global\\.v2", 1, "\\]", "+4]", Catcher::Strict},
};

TEST(Mutations, OfSwigluQuantAreNoticed) { expectCaught(swigluQuant, 3, swigluQuantMutations); }

// With tensor cores for the slow factor: a warp has two tiles of 8 columns, of 12 rows.
static constexpr const char *swigluTensor = R"(
func.func @f(%g: tensor<?x1536xf16>, %u: tensor<?x1536xf16>) -> (tensor<?x1536xi8>, tensor<?x1xf32>) {
  %codes, %scale = tile.swiglu_quant %g, %u
    {clip = 0.9 : f64, bits = 8 : i64, hadamard = #rot.hadamard<1536>, config = #tile.rows<arch = sm_80, threads = 256>}
    : (tensor<?x1536xf16>, tensor<?x1536xf16>) -> (tensor<?x1536xi8>, tensor<?x1xf32>)
  return %codes, %scale : tensor<?x1536xi8>, tensor<?x1xf32>
})";

static constexpr Mutation swigluTensorMutations[] = {
    {"no barrier before the maximum of warps", "bar\\.sync", 1, "", "", Catcher::Strict},
    {"no barrier before the products", "bar\\.sync", 2, "", "", Catcher::Strict},
    {"no barrier before sums replace inputs", "bar\\.sync", 3, "", "", Catcher::Strict},
    {"no barrier before sums are read", "bar\\.sync", 4, "", "", Catcher::Strict},
    {"matrices as they lie", "ldmatrix", 1, "\\.trans", "", Catcher::Result},
    {"halves of the contraction exchanged", "ldmatrix", 1, "\\{(%r[0-9]+), (%r[0-9]+), (%r[0-9]+), (%r[0-9]+)\\}",
     "{\\2, \\1, \\3, \\4}", Catcher::Result},
    {"no signs", "and\\.b32.*, -2147450880;", 1, "-2147450880", "0", Catcher::Result},
    {"the sign of one element alone", "and\\.b32.*, -2147450880;", 2, "-2147450880", "32768", Catcher::Result},
    {"no rows that fill the tile", "st\\.shared\\.v4\\.b32.*\\{0, 0, 0, 0\\}", 1, "", "", Catcher::Strict},
    {"rests not written", "st\\.shared\\.v4\\.b32.*\\+4096\\], \\{%r", 1, "", "", Catcher::Strict},
    {"a pair of sums swapped", "st\\.shared\\.v2", 1, "\\{(%r[0-9]+), (%r[0-9]+)\\}", "{\\2, \\1}", Catcher::Result},
    {"sums not written", "st\\.shared\\.v2", 2, "", ""},
    {"the second half from the first", "ld\\.shared\\.v4.*\\+4160", 1, "\\+4160", "", Catcher::Result},
};

TEST(Mutations, OfSwigluQuantOnTensorCoresAreNoticed) { expectCaught(swigluTensor, 3, swigluTensorMutations); }
