//===- BoxCopyTest.cpp - copies of boxes out of tensors -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HopperKernel.h"
#include <array>
#include <cstring>
#include <numeric>
#include <random>

using namespace quantopt::ptx;

namespace {

/// Copies one box, then shared memory to `out`.
std::string bodyOf(llvm::ArrayRef<int> corner, uint64_t bytes) {
  std::string coordinates, registers;
  for (unsigned i = 0; i < corner.size(); ++i) {
    registers += "mov.b32 %r" + std::to_string(20 + i) + ", " + std::to_string(corner[i]) + ";\n";
    coordinates += (i ? ", %r" : "%r") + std::to_string(20 + i);
  }
  return "@%p0 mbarrier.init.shared.b64 [bars], 1;\n@%p0 fence.mbarrier_init.release.cluster;\nbar.sync 0;\n" +
         registers + "@%p0 mbarrier.arrive.expect_tx.shared.b64 _, [bars], " + std::to_string(bytes) + ";\n" +
         "@%p0 cp.async.bulk.tensor." + std::to_string(corner.size()) +
         "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%d3], [%d2, {" + coordinates + "}], [bars];\n" +
         waitFor("bars", "0") + R"(
mov.u32 %r10, %r0;
LOOP:
setp.ge.u32 %p1, %r10, )" +
         std::to_string(bytes / 4) + R"(;
@%p1 bra END;
mad.wide.u32 %d10, %r10, 4, %d3; ld.shared.u32 %r11, [%d10];
mad.wide.u32 %d11, %r10, 4, %d1; st.global.u32 [%d11], %r11;
add.u32 %r10, %r10, 64;
bra LOOP;
END:
)";
}

HopperKernel kernelOf(const TensorMap &map, llvm::ArrayRef<int> corner) {
  HopperKernel kernel;
  kernel.map = map;
  kernel.body = bodyOf(corner, map.boxBytes());
  kernel.outWords = map.boxBytes() / 4;
  kernel.sharedBytes = map.boxBytes();
  uint64_t bytes = map.sizes[0] * map.elementBytes;
  for (unsigned i = 1; i < map.rank(); ++i)
    bytes = map.strides[i - 1] * map.sizes[i];
  kernel.in.resize(bytes);
  std::mt19937 random(1);
  for (uint8_t &byte : kernel.in)
    byte = uint8_t(random());
  return kernel;
}

/// Where byte `byte` of a row lies: chunks of 16 are permuted by the row, by the whole of it, half or a quarter.
uint64_t placeOf(TensorSwizzle swizzle, uint64_t row, uint64_t byte, uint64_t rowBytes) {
  uint64_t chunk = byte / 16;
  if (swizzle == TensorSwizzle::Bytes128)
    chunk ^= row % 8;
  if (swizzle == TensorSwizzle::Bytes64)
    chunk ^= row / 2 % 4;
  if (swizzle == TensorSwizzle::Bytes32)
    chunk ^= row / 4 % 2;
  return row * rowBytes + chunk * 16 + byte % 16;
}

void expectBox(const TensorMap &map, llvm::ArrayRef<int> corner) {
  HopperKernel kernel = kernelOf(map, corner);
  std::vector<uint32_t> out = expectRuns(kernel);
  std::vector<uint8_t> expected(map.boxBytes());
  uint64_t rowBytes = map.box[0] * map.elementBytes;
  for (uint64_t row = 0; row < map.boxBytes() / rowBytes; ++row) {
    uint64_t rest = row, source = 0;
    bool inside = true;
    for (unsigned i = 1; i < map.rank(); ++i) {
      int64_t coordinate = corner[i] + int64_t(rest % map.box[i]);
      rest /= map.box[i];
      inside &= coordinate >= 0 && coordinate < map.sizes[i];
      source += coordinate * map.strides[i - 1];
    }
    for (uint64_t byte = 0; byte < rowBytes; ++byte) {
      int64_t column = corner[0] * int64_t(map.elementBytes) + int64_t(byte);
      bool isInside = inside && column >= 0 && column < int64_t(map.sizes[0]) * map.elementBytes;
      expected[placeOf(map.swizzle, row, byte, rowBytes)] = isInside ? kernel.in[source + column] : 0;
    }
  }
  ASSERT_EQ(out.size() * 4, expected.size());
  EXPECT_EQ(std::memcmp(out.data(), expected.data(), expected.size()), 0);
}

TensorMap matrix() {
  TensorMap map;
  map.elementBytes = 1;
  map.sizes = {200, 30};
  map.box = {128, 16};
  map.strides = {208};
  map.swizzle = TensorSwizzle::Bytes128;
  return map;
}

} // namespace

TEST(BoxCopyTest, Matrices) {
  for (auto [swizzle, width] : {std::pair(TensorSwizzle::None, 48u), std::pair(TensorSwizzle::Bytes32, 32u),
                                std::pair(TensorSwizzle::Bytes64, 64u), std::pair(TensorSwizzle::Bytes128, 128u)}) {
    TensorMap map = matrix();
    map.swizzle = swizzle;
    map.box[0] = width;
    // Inside, over each edge, at an odd column, and far away.
    for (std::array<int, 2> corner : {std::array{0, 0}, {16, 8}, {128, 20}, {-5, -3}, {37, 1}, {500, 0}})
      expectBox(map, corner);
  }
}

TEST(BoxCopyTest, AllRanks) {
  TensorMap map;
  map.elementBytes = 2;
  map.sizes = {100};
  map.box = {64};
  expectBox(map, {40});
  map.sizes = {24, 5, 4};
  map.box = {16, 3, 2};
  map.strides = {48, 256};
  expectBox(map, {8, 3, 1});
  map.sizes = {24, 5, 4, 3};
  map.box = {8, 2, 2, 2};
  map.strides = {48, 256, 1024};
  expectBox(map, {-8, 4, 3, 2});
  map.elementBytes = 4;
  map.sizes = {8, 3, 3, 3, 2};
  map.box = {4, 2, 1, 2, 2};
  map.strides = {32, 96, 288, 864};
  expectBox(map, {2, 1, 2, 1, 0});
}

TEST(BoxCopyTest, BoxesGoBack) {
  // A box that leaves the tensor on both sides: what is outside stays as it was.
  TensorMap map = matrix();
  map.sizes = {96, 20};
  map.strides = {96};
  HopperKernel kernel;
  kernel.map = map;
  kernel.mapsOut = true;
  kernel.outWords = 96 * 20 / 4;
  kernel.in.resize(2048);
  std::iota(kernel.in.begin(), kernel.in.end(), 0);
  kernel.body = R"(
mov.u32 %r10, %r0;
FILL:
mad.wide.u32 %d10, %r10, 4, %d0; ld.global.u32 %r11, [%d10];
mad.wide.u32 %d11, %r10, 4, %d3; st.shared.u32 [%d11], %r11;
add.u32 %r10, %r10, 64; setp.lt.u32 %p1, %r10, 512;
@%p1 bra FILL;
fence.proxy.async.shared::cta;
bar.sync 0;
mov.b32 %r20, 16; mov.b32 %r21, 10;
@%p0 cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%d2, {%r20, %r21}], [%d3];
@%p0 cp.async.bulk.commit_group;
@%p0 cp.async.bulk.wait_group 0;
)";
  HopperResult result = run(kernel);
  ASSERT_EQ(result.error, "");
  const uint8_t *out = reinterpret_cast<const uint8_t *>(result.out.data());
  for (unsigned row = 0; row < 20; ++row)
    for (unsigned column = 0; column < 96; ++column) {
      uint8_t expected = llvm::ArrayRef<uint8_t>{0xef, 0xbe, 0xad, 0xde}[column % 4];
      if (row >= 10 && column >= 16)
        expected = kernel.in[placeOf(map.swizzle, row - 10, column - 16, 128)];
      ASSERT_EQ(out[row * 96 + column], expected) << row << " " << column;
    }
  EXPECT_EQ(result.counters.globalStores.bytes, 10u * 80);
}

TEST(BoxCopyTest, Faults) {
  HopperKernel sound = kernelOf(matrix(), {0, 0});
  expectRuns(sound);
  HopperKernel faulty = sound;
  faulty.body = planted(sound.body, "[%d3], [%d2", "[%d3+64], [%d2");
  expectError(faulty, "not a multiple of 128 bytes");
  faulty.body = planted(sound.body, "tensor.2d", "tensor.3d");
  expectError(faulty, "expected 3 coordinates");
  faulty.body = planted(planted(sound.body, "tensor.2d", "tensor.1d"), ", %r21}", "}");
  expectError(faulty, "the tensor map has 2 dimensions, the instruction 1");
  faulty.body = planted(sound.body, "[bars], 2048", "[bars], 4096");
  expectError(faulty, "2048 bytes are missing");
  faulty.body = planted(sound.body, waitFor("bars", "0"), "bar.sync 0;\n");
  expectError(faulty, "no wait for the copy's mbarrier");
  faulty = sound;
  faulty.map.reset();
  expectError(faulty, "encodeTensorMap");
  // A tensor that is larger than its buffer.
  faulty = sound;
  faulty.in.resize(1000);
  expectError(faulty, "'in'");
  faulty = sound;
  faulty.sharedBytes -= 16;
  expectError(faulty, "outside of shared memory");
}
