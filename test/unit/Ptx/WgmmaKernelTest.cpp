//===- WgmmaKernelTest.cpp - kernels with wgmma, and faults in them -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HopperKernel.h"
#include "quantopt/Support/Half.h"
#include "llvm/Support/Endian.h"
#include <random>

using namespace quantopt;
using namespace quantopt::ptx;

namespace {

/// A (64 rows) and B (n rows) in shared memory, `slices` times 32 bytes of each row.
struct Tiles {
  TensorSwizzle swizzle = TensorSwizzle::Bytes128;
  unsigned n = 16, slices = 4;

  unsigned rowBytes() const { return slices * 32; }
  unsigned bytesOf(unsigned rows) const { return rows * rowBytes(); }
  /// Leading: from one column of 16 bytes to the next; stride: from 8 rows to the next.
  unsigned leading(unsigned rows) const { return swizzle == TensorSwizzle::None ? rows * 16 : 16; }
  unsigned stride() const { return swizzle == TensorSwizzle::None ? 128 : 8 * rowBytes(); }
  /// What one slice adds to the start address.
  unsigned step(unsigned rows) const { return swizzle == TensorSwizzle::None ? 2 * leading(rows) : 32; }

  /// "Shared Memory Matrix Layout", K-major: without a swizzle columns of 16 bytes, 8 rows of which are contiguous;
  /// with one, rows whose 16-byte chunks are permuted.
  unsigned placeOf(unsigned rows, unsigned row, unsigned byte) const {
    unsigned chunk = byte / 16;
    switch (swizzle) {
    case TensorSwizzle::None:
      return chunk * rows * 16 + row * 16 + byte % 16;
    case TensorSwizzle::Bytes128:
      return row * 128 + (chunk ^ row % 8) * 16 + byte % 16;
    case TensorSwizzle::Bytes64:
      return row * 64 + (chunk ^ row / 2 % 4) * 16 + byte % 16;
    case TensorSwizzle::Bytes32:
      return row * 32 + (chunk ^ row / 4 % 2) * 16 + byte % 16;
    }
    return 0;
  }
  uint64_t descriptorBits(unsigned rows) const {
    static constexpr uint64_t modes[] = {0, 3, 2, 1};
    return modes[unsigned(swizzle)] << 62 | uint64_t(stride() / 16) << 32 | uint64_t(leading(rows) / 16) << 16;
  }
};

/// What differs between the kernels: types, and where A comes from.
struct Variant {
  std::string types = "s32.s8.s8", k = "k32", scales = "";
  unsigned registers = 8;
  bool fragments = false;
};

std::string list(unsigned first, unsigned count) {
  std::string text = "{";
  for (unsigned i = 0; i < count; ++i)
    text += (i ? ", %r" : "%r") + std::to_string(first + i);
  return text + "}";
}

/// The four warps fill shared memory with `in`, multiply and write their accumulators, %r20 and up.
std::string bodyOf(const Tiles &tiles, const Variant &variant) {
  unsigned words = (tiles.bytesOf(64) + tiles.bytesOf(tiles.n)) / 4, registers = variant.registers;
  std::string body = "mov.u32 %r10, %r0;\nFILL:\n"
                     "mad.wide.u32 %d10, %r10, 4, %d0; ld.global.u32 %r11, [%d10];\n"
                     "mad.wide.u32 %d11, %r10, 4, %d3; st.shared.u32 [%d11], %r11;\n"
                     "add.u32 %r10, %r10, 128; setp.lt.u32 %p1, %r10, " +
                     std::to_string(words) +
                     ";\n@%p1 bra FILL;\n"
                     "fence.proxy.async.shared::cta;\nbar.sync 0;\n";
  for (unsigned i = 0; i < registers; ++i)
    body += "mov.b32 %r" + std::to_string(20 + i) + ", 0;\n";
  body += "shr.u64 %d12, %d3, 4;\n"
          "or.b64 %d13, %d12, " +
          std::to_string(tiles.descriptorBits(64)) + ";\nadd.u64 %d14, %d12, " +
          std::to_string(tiles.bytesOf(64) / 16) + ";\nor.b64 %d14, %d14, " +
          std::to_string(tiles.descriptorBits(tiles.n)) + ";\n";
  if (variant.fragments) {
    // The lane's four words of each slice: rows g and g + 8 of the warp's 16, bytes 4t and 16 + 4t. Swizzle 128.
    body += "shr.u32 %r12, %r0, 5; and.b32 %r13, %r0, 31; shr.u32 %r14, %r13, 2; and.b32 %r15, %r13, 3;\n"
            "mad.lo.u32 %r16, %r12, 16, %r14; mad.lo.u32 %r16, %r16, 128, %r3; shl.b32 %r17, %r15, 2;\n";
    for (unsigned slice = 0; slice < tiles.slices; ++slice)
      for (unsigned i = 0; i < 4; ++i)
        body += "xor.b32 %r18, %r14, " + std::to_string(slice * 2 + i / 2) +
                "; mad.lo.u32 %r18, %r18, 16, %r17; add.u32 %r18, %r18, %r16; ld.shared.u32 %r" +
                std::to_string(40 + slice * 4 + i) + ", [%r18+" + std::to_string(i % 2 * 1024) + "];\n";
  }
  body += "wgmma.fence.sync.aligned;\n";
  for (unsigned slice = 0; slice < tiles.slices; ++slice) {
    body += "wgmma.mma_async.sync.aligned.m64n" + std::to_string(tiles.n) + variant.k + "." + variant.types + " " +
            list(20, registers) + ", " + (variant.fragments ? list(40 + slice * 4, 4) : "%d13") + ", %d14, 1" +
            variant.scales + ";\n";
    body += "add.u64 %d13, %d13, " + std::to_string(tiles.step(64) / 16) + ";\nadd.u64 %d14, %d14, " +
            std::to_string(tiles.step(tiles.n) / 16) + ";\n";
  }
  body += "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n";
  body += "mad.wide.u32 %d15, %r0, " + std::to_string(4 * registers) + ", %d1;\n";
  for (unsigned i = 0; i < registers; ++i)
    body += "st.global.u32 [%d15+" + std::to_string(4 * i) + "], %r" + std::to_string(20 + i) + ";\n";
  return body;
}

HopperKernel kernelOf(const Tiles &tiles, const Variant &variant) {
  HopperKernel kernel;
  kernel.body = bodyOf(tiles, variant);
  kernel.threads = 128;
  kernel.sharedBytes = tiles.bytesOf(64) + tiles.bytesOf(tiles.n);
  kernel.outWords = 128 * variant.registers;
  kernel.in.assign(kernel.sharedBytes, 0);
  return kernel;
}

/// Random bytes as A and B.
struct Matrices {
  std::vector<uint8_t> a, b;
  const Tiles tiles;

  explicit Matrices(const Tiles &tiles) : a(tiles.bytesOf(64)), b(tiles.bytesOf(tiles.n)), tiles(tiles) {
    std::mt19937 random(tiles.slices);
    for (std::vector<uint8_t> *matrix : {&a, &b})
      for (uint8_t &byte : *matrix)
        byte = uint8_t(random());
  }
  void fillHalves() {
    std::mt19937 random(3);
    std::uniform_int_distribution<int> integer(-64, 64);
    for (std::vector<uint8_t> *matrix : {&a, &b})
      for (size_t i = 0; i < matrix->size(); i += 2)
        llvm::support::endian::write16le(&(*matrix)[i], floatToHalf(float(integer(random)) / 8));
  }
  std::vector<uint8_t> image() const {
    std::vector<uint8_t> bytes(a.size() + b.size());
    for (unsigned row = 0; row < 64; ++row)
      for (unsigned byte = 0; byte < tiles.rowBytes(); ++byte)
        bytes[tiles.placeOf(64, row, byte)] = a[row * tiles.rowBytes() + byte];
    for (unsigned row = 0; row < tiles.n; ++row)
      for (unsigned byte = 0; byte < tiles.rowBytes(); ++byte)
        bytes[a.size() + tiles.placeOf(tiles.n, row, byte)] = b[row * tiles.rowBytes() + byte];
    return bytes;
  }
};

Tiles smallTiles() { return Tiles(); }

void expectFault(const std::string &from, const std::string &to, llvm::StringRef text, const Variant &variant = {}) {
  HopperKernel kernel = kernelOf(smallTiles(), variant);
  kernel.in = Matrices(smallTiles()).image();
  kernel.body = planted(kernel.body, from, to);
  expectError(kernel, text);
}

} // namespace

class WgmmaLayouts : public testing::TestWithParam<std::tuple<TensorSwizzle, unsigned>> {};

TEST_P(WgmmaLayouts, IntegerProducts) {
  auto [swizzle, n] = GetParam();
  Tiles tiles{swizzle, n, swizzle == TensorSwizzle::None ? 3 : swizzleBytes(swizzle) / 32};
  Matrices matrices(tiles);
  Variant variant;
  variant.registers = n / 2;
  HopperKernel kernel = kernelOf(tiles, variant);
  kernel.in = matrices.image();
  std::vector<uint32_t> out = expectRuns(kernel);
  for (unsigned thread = 0; thread < 128; ++thread)
    for (unsigned i = 0; i < n / 2; ++i) {
      unsigned row = thread / 32 * 16 + thread % 32 / 4 + (i % 4 < 2 ? 0 : 8),
               column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      int sum = 0;
      for (unsigned k = 0; k < tiles.rowBytes(); ++k)
        sum += int8_t(matrices.a[row * tiles.rowBytes() + k]) * int8_t(matrices.b[column * tiles.rowBytes() + k]);
      ASSERT_EQ(int(out[thread * n / 2 + i]), sum) << "row " << row << " column " << column;
    }
}

INSTANTIATE_TEST_SUITE_P(Swizzles, WgmmaLayouts,
                         testing::Combine(testing::Values(TensorSwizzle::None, TensorSwizzle::Bytes32,
                                                          TensorSwizzle::Bytes64, TensorSwizzle::Bytes128),
                                          testing::Values(8, 16, 32)));

TEST(WgmmaKernelTest, FragmentsFromRegistersGiveTheSame) {
  Matrices matrices(smallTiles());
  HopperKernel kernel = kernelOf(smallTiles(), {});
  kernel.in = matrices.image();
  std::vector<uint32_t> fromShared = expectRuns(kernel);
  Variant variant;
  variant.fragments = true;
  kernel.body = bodyOf(smallTiles(), variant);
  EXPECT_EQ(expectRuns(kernel), fromShared);
}

TEST(WgmmaKernelTest, HalfProducts) {
  Matrices matrices(smallTiles());
  matrices.fillHalves();
  Variant variant;
  variant.types = "f32.f16.f16";
  variant.k = "k16";
  variant.scales = ", 1, -1, 0, 0";
  HopperKernel kernel = kernelOf(smallTiles(), variant);
  kernel.in = matrices.image();
  std::vector<uint32_t> out = expectRuns(kernel);
  auto value = [&](const std::vector<uint8_t> &matrix, unsigned row, unsigned k) {
    return halfToFloat(llvm::support::endian::read16le(&matrix[row * 128 + 2 * k]));
  };
  for (unsigned thread = 0; thread < 128; ++thread)
    for (unsigned i = 0; i < 8; ++i) {
      unsigned row = thread / 32 * 16 + thread % 32 / 4 + (i % 4 < 2 ? 0 : 8),
               column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      // Multiples of 1/64 below 2^12: exact in any order.
      float sum = 0;
      for (unsigned k = 0; k < 64; ++k)
        sum -= value(matrices.a, row, k) * value(matrices.b, column, k);
      ASSERT_EQ(llvm::bit_cast<float>(out[thread * 8 + i]), sum);
    }
}

TEST(WgmmaKernelTest, ScaleDOfZeroForgetsTheAccumulators) {
  HopperKernel kernel = kernelOf(smallTiles(), {});
  kernel.in = Matrices(smallTiles()).image();
  std::vector<uint32_t> expected = expectRuns(kernel);
  for (unsigned i = 0; i < 8; ++i)
    kernel.body = planted(kernel.body, "mov.b32 %r" + std::to_string(20 + i) + ", 0;\n", "");
  expectError(kernel, "reads register '%r20', which was never written");
  kernel.body = planted(kernel.body, "%d14, 1;", "%d14, %p2;");
  kernel.body = "setp.ne.u32 %p2, %r0, %r0;\n" + kernel.body;
  EXPECT_EQ(expectRuns(kernel), expected);
}

TEST(WgmmaKernelTest, MissingProxyFence) {
  expectFault("fence.proxy.async.shared::cta;\n", "",
              "no fence.proxy.async came before this asynchronous read of 'dynamic' + ");
}

TEST(WgmmaKernelTest, MissingBarrier) { expectFault("bar.sync 0;\n", "", "race: no barrier came before this read"); }

TEST(WgmmaKernelTest, MissingFence) {
  expectFault("wgmma.fence.sync.aligned;\n", "", "no wgmma.fence came before the first wgmma");
}

TEST(WgmmaKernelTest, AccumulatorsTouchedSinceTheFence) {
  expectFault("wgmma.fence.sync.aligned;\n", "wgmma.fence.sync.aligned;\nmov.b32 %r21, 0;\n",
              "no wgmma.fence came between an access to register '%r21' and this wgmma");
}

TEST(WgmmaKernelTest, FragmentsTouchedSinceTheFence) {
  Variant variant;
  variant.fragments = true;
  expectFault("wgmma.fence.sync.aligned;\n", "wgmma.fence.sync.aligned;\nmov.b32 %r40, 0;\n",
              "no wgmma.fence came between an access to register '%r40' and this wgmma", variant);
}

TEST(WgmmaKernelTest, MissingWait) {
  expectFault("wgmma.wait_group.sync.aligned 0;\n", "", "this read of its accumulator '%r20'");
}

TEST(WgmmaKernelTest, WaitsForTooLittle) {
  expectFault("wgmma.wait_group.sync.aligned 0;\n", "wgmma.wait_group.sync.aligned 1;\n",
              "this read of its accumulator '%r20'");
}

TEST(WgmmaKernelTest, MissingCommit) {
  expectFault("wgmma.commit_group.sync.aligned;\n", "", "this read of its accumulator '%r20'");
}

TEST(WgmmaKernelTest, AccumulatorWrittenInFlight) {
  expectFault("wgmma.commit_group.sync.aligned;\n", "wgmma.commit_group.sync.aligned;\nmov.b32 %r27, 0;\n",
              "this write of its register '%r27'");
}

TEST(WgmmaKernelTest, FragmentWrittenInFlight) {
  Variant variant;
  variant.fragments = true;
  expectFault("wgmma.commit_group.sync.aligned;\n", "wgmma.commit_group.sync.aligned;\nmov.b32 %r43, 0;\n",
              "this write of its register '%r43'", variant);
}

TEST(WgmmaKernelTest, SharedMemoryWrittenInFlight) {
  expectFault("wgmma.commit_group.sync.aligned;\n",
              "wgmma.commit_group.sync.aligned;\nbar.sync 0;\n@%p0 st.shared.u32 [%d3], %r0;\n",
              "race: no wait and barrier came between reads by a wgmma or bulk copy of warp 0 and this write");
}

TEST(WgmmaKernelTest, NobodyWaits) {
  HopperKernel kernel = kernelOf(smallTiles(), {});
  kernel.in = Matrices(smallTiles()).image();
  kernel.body.resize(kernel.body.find("wgmma.wait_group"));
  expectError(kernel, "no wgmma.wait_group came after it");
}

TEST(WgmmaKernelTest, ThreeWarpsMultiplyOnTheirOwn) {
  HopperKernel kernel = kernelOf(smallTiles(), {});
  kernel.in = Matrices(smallTiles()).image();
  kernel.body = planted(kernel.body, "wgmma.fence.sync.aligned;\n",
                        "wgmma.fence.sync.aligned;\nsetp.ge.u32 %p3, %r0, 96;\n@%p3 bra LAST;\n") +
                "LAST:\n";
  expectError(kernel, "waits for ever for the other warps");
}

TEST(WgmmaKernelTest, DescriptorsDifferBetweenWarps) {
  expectFault("wgmma.fence.sync.aligned;\n",
              "wgmma.fence.sync.aligned;\nsetp.ge.u32 %p3, %r0, 96;\n@%p3 sub.u64 %d14, %d14, 64;\n",
              "with other descriptors");
}

TEST(WgmmaKernelTest, DescriptorsDifferBetweenLanes) {
  expectFault("wgmma.fence.sync.aligned;\n", "wgmma.fence.sync.aligned;\n@%p0 add.u64 %d14, %d14, 2;\n",
              "the descriptor of B differs between lanes");
}

TEST(WgmmaKernelTest, MatrixOutsideOfThePattern) {
  expectFault("add.u64 %d14, %d12, 512;", "add.u64 %d14, %d12, 520;",
              "does not begin where the swizzle's pattern does");
}

TEST(WgmmaKernelTest, MatrixOutsideOfSharedMemory) {
  expectFault("add.u64 %d14, %d12, 512;", "add.u64 %d14, %d12, 640;", "outside of shared memory");
}

TEST(WgmmaKernelTest, RefusedForms) {
  expectFault("m64n16k32", "m64n20k32", "there is no wgmma of this shape");
  expectFault("m64n16k32", "m64n16k16", "there is no wgmma of this shape");
  expectFault("s32.s8.s8", "s32.s4.s4", "s4");
  expectFault("%d14, 1;", "%d14, 1, 1, 1;", "expected 4 operands");
}
