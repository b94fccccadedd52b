//===- FuzzTest.cpp - no text makes the interpreter crash ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RunKernel.h"
#include <random>

using namespace quantopt::ptx;

namespace {

/// Something of everything.
TestKernel seedKernel() {
  TestKernel kernel;
  kernel.threads = 64;
  kernel.sharedBytes = 2048;
  kernel.in.assign(256, 3);
  kernel.instructionLimit = 20'000;
  kernel.globals = ".const .align 4 .u32 table[4] = {10, 20, 30, 40};\n.shared .align 16 .b8 fixed[64];\n";
  kernel.directives = "\n.maxntid 64, 1, 1\n.minnctapersm 1\n";
  kernel.body = R"(
  mov.u64 %d10, dynamic; mad.wide.u32 %d7, %r0, 16, %d10; mad.wide.u32 %d9, %r0, 16, %d0;
  cp.async.cg.shared.global [%d7], [%d9], 16;
  cp.async.commit_group;
  cp.async.wait_group 0;
  bar.sync 0;
  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r20, %r21, %r22, %r23}, [%d7];
  mov.b32 %r24, 0;
  mma.sync.aligned.m16n8k64.row.col.satfinite.s32.s4.s4.s32
    {%r30, %r31, %r32, %r33}, {%r20, %r21, %r22, %r23}, {%r20, %r21}, {%r24, %r24, %r24, %r24};
  cvt.rn.f32.s32 %f1, %r30; mul.rn.f32 %f1, %f1, 0f3F000000; add.f32 %f1, %f1, 1.5;
  cvt.rn.f16x2.f32 %r31, %f1, %f1;
  shfl.sync.bfly.b32 %r32|%p1, %r31, 1, 31, -1;
  lop3.b32 %r33, %r32, %r31, 0xf0f0f0f0, 0xea;
  mov.b64 %d11, {%r33, %r32};
  setp.lt.u32 %p2, %r0, 8;
  @!%p2 bra L1;
  { .reg .b32 %q<4>; add.u32 %q1, %r0, 1; st.shared.u32 [fixed+4], 7; }
L1:
  ld.const.u32 %r40, [table+4]; ld.global.v2.u32 {%r41, %r42}, [%d9+8];
  redux.sync.add.s32 %r43, %r40, -1; atom.global.add.u32 %r44, [%d0], 0;
  st.global.u32 [%d3], %r43;
)";
  return kernel;
}

} // namespace

// Text whose bytes, words or lines were changed is refused, fails or runs; whatever it does, it comes back.
TEST(FuzzTest, ChangedText) {
  TestKernel kernel = seedKernel();
  expectRuns(kernel);
  std::string text = kernel.body;
  std::mt19937 generator(7);
  auto below = [&](size_t limit) { return limit ? generator() % limit : 0; };
  unsigned ran = 0, refused = 0;
  for (unsigned round = 0; round < 6000; ++round) {
    kernel.body = text;
    for (unsigned change = 0; change <= round % 3; ++change) {
      size_t at = below(kernel.body.size()), length = below(12);
      switch (below(5)) {
      case 0:
        kernel.body.erase(at, length);
        break;
      case 1:
        kernel.body.insert(at, text, below(text.size()), length);
        break;
      case 2:
        kernel.body[at] = char(below(3) ? text[below(text.size())] : below(256));
        break;
      case 3:
        kernel.body[at] = "0123456789{}[]%@,;:.|+-\"/"[below(25)];
        break;
      default: {
        size_t begin = kernel.body.rfind('\n', at), end = kernel.body.find('\n', at);
        if (begin != std::string::npos && end != std::string::npos && begin < end)
          kernel.body.erase(begin, end - begin);
      }
      }
    }
    (run(kernel).error.empty() ? ran : refused) += 1;
  }
  EXPECT_GT(ran, 100u);
  EXPECT_GT(refused, 1000u);
}

TEST(FuzzTest, TruncatedText) {
  std::string text = textOf(seedKernel());
  // Before the kernel there is text that stands alone.
  for (size_t length = text.find(".entry"); length < text.size() - 3; ++length)
    EXPECT_FALSE(bool(llvm::expectedToOptional(parseModule(text.substr(0, length), "test.ptx")))) << length;
}
