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
#include "Comparison.h"
#include "GemmTest.h"
#include "Mutation.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// What a mutated kernel shows.
static std::pair<Catcher, std::string> findOut(const Kernel &kernel, llvm::ArrayRef<Tensor> operands, int64_t rows,
                                               const KernelRun &right, llvm::StringRef ptx) {
  RunSettings settings;
  settings.ptx = ptx;
  auto run = kernel.run(operands, rows, settings);
  if (!run)
    return {Catcher::Strict, llvm::toString(run.takeError())};
  for (size_t i = 0; i < right.results.size(); ++i)
    if (std::string difference = compareExact(run->results[i], right.results[i]); !difference.empty())
      return {Catcher::Result, difference};
  return {Catcher::Either, ""};
}

/// Expects every mutation to be noticed, by the one that has to, and the kernel itself to be right.
static void expectCaught(llvm::StringRef text, llvm::ArrayRef<Tensor> operands, int64_t rows,
                         llvm::ArrayRef<Mutation> mutations) {
  auto kernel = Kernel::build(text);
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  auto right = (*kernel)->run(operands, rows);
  ASSERT_TRUE(bool(right)) << llvm::toString(right.takeError());
  for (const Mutation &mutation : mutations) {
    SCOPED_TRACE(mutation.name);
    auto ptx = mutate((*kernel)->ptx(), mutation);
    if (!ptx) {
      ADD_FAILURE() << llvm::toString(ptx.takeError());
      continue;
    }
    auto [catcher, why] = findOut(**kernel, operands, rows, *right, *ptx);
    EXPECT_FALSE(why.empty()) << "nobody notices";
    if (mutation.catcher != Catcher::Either)
      EXPECT_EQ(catcher == Catcher::Strict, mutation.catcher == Catcher::Strict) << why;
    std::string name = mutation.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    testing::Test::RecordProperty(name, (catcher == Catcher::Strict ? "checks: " : "result: ") + why);
  }
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
    {"a tile too few", "setp\\.lt\\.u32.*, 512;", 1, "512", "384", Catcher::Result},
    {"a loop that ends at once", "@%p[0-9]+ bra.*BB0_1;", 1, "@", "@!"},
    {"the tiles of the input too close", "add\\.s64.*, 64;", -1, "64;", "32;", Catcher::Result},
    {"lanes that share work", "and\\.b32.*%r1, 31;", 1, "31", "15"},
    {"blocks of rows for those of channels", "mov\\.u32.*%ctaid\\.x", 1, "x", "y"},
    // Epilogue.
    {"a row too many", "setp\\.ge\\.s32", 1, "ge", "gt", Catcher::Strict},
    {"no guard of rows", "@%p[0-9]+ bra.*BB0_11;", 1, "", "", Catcher::Strict},
    {"a channel too many", "setp\\.gt\\.s32.*, 99;", 2, "99", "131"},
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
  expectCaught(gemm.text(), randomOperands(gemm, 1), gemm.rows, gemmMutations);
}
