//===- TensorMapTest.cpp - descriptors of tensors in global memory ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Ptx/TensorMap.h"
#include "llvm/Support/Error.h"
#include "gtest/gtest.h"

using namespace quantopt::ptx;

namespace {

TensorMap example() {
  TensorMap map;
  map.elementBytes = 2;
  map.address = 0x1'0000'0100;
  map.sizes = {576, 33, 4};
  map.box = {64, 32, 1};
  map.strides = {1152, 1152 * 33};
  map.swizzle = TensorSwizzle::Bytes128;
  return map;
}

TEST(TensorMap, RoundTrips) {
  llvm::Expected<EncodedTensorMap> bytes = encodeTensorMap(example());
  ASSERT_TRUE(bool(bytes));
  llvm::Expected<TensorMap> map = decodeTensorMap(*bytes);
  ASSERT_TRUE(bool(map));
  EXPECT_EQ(map->address, 0x1'0000'0100u);
  EXPECT_EQ(map->sizes, example().sizes);
  EXPECT_EQ(map->box, example().box);
  EXPECT_EQ(map->strides, example().strides);
  EXPECT_EQ(map->swizzle, TensorSwizzle::Bytes128);
  EXPECT_EQ(map->boxBytes(), 64u * 32 * 2);
}

template <typename Change> bool isRefused(Change change) {
  TensorMap map = example();
  change(map);
  llvm::Expected<EncodedTensorMap> bytes = encodeTensorMap(map);
  if (bytes)
    return false;
  llvm::consumeError(bytes.takeError());
  return true;
}

TEST(TensorMap, RefusesWhatTheDriverRefuses) {
  EXPECT_FALSE(isRefused([](TensorMap &) {}));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.address += 8; }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.strides[0] += 8; }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.strides.pop_back(); }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.box[1] = 257; }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.box[0] = 128; }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.box[0] = 32; }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.box[0] = 12; }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.elementBytes = 3; }));
  EXPECT_TRUE(isRefused([](TensorMap &map) { map.sizes[2] = 0; }));
}

TEST(TensorMap, OtherBytesAreNone) {
  llvm::Expected<TensorMap> map = decodeTensorMap(EncodedTensorMap{});
  EXPECT_FALSE(bool(map));
  llvm::consumeError(map.takeError());
}

TEST(TensorMap, SwizzlesPermuteChunks) {
  EXPECT_EQ(swizzledAddress(TensorSwizzle::None, 0x3f0), 0x3f0u);
  EXPECT_EQ(swizzledAddress(TensorSwizzle::Bytes128, 0x080), 0x090u);
  EXPECT_EQ(swizzledAddress(TensorSwizzle::Bytes128, 0x3f5), 0x385u);
  EXPECT_EQ(swizzledAddress(TensorSwizzle::Bytes64, 0x1b0), 0x180u);
  EXPECT_EQ(swizzledAddress(TensorSwizzle::Bytes32, 0x0c0), 0x0d0u);
}

} // namespace
