//===- PackingTest.cpp - 4-bit codes in both orders of ranges --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Packing.h"
#include "gtest/gtest.h"
#include <vector>

using namespace quantopt;

TEST(Packing, FirstElementIsTheLowNibble) {
  uint8_t bytes[2] = {0x21, 0xf8};
  int8_t codes[4];
  unpackFourBit(bytes, 0, 4, codes);
  EXPECT_EQ(std::vector<int>(codes, codes + 4), (std::vector<int>{1, 2, -8, -1}));
  uint8_t plain[3];
  unpackFourBit(bytes, 1, 3, plain);
  EXPECT_EQ(std::vector<int>(plain, plain + 3), (std::vector<int>{2, 8, 15}));
}

TEST(Packing, EveryRangeRoundTripsAndKeepsItsNeighbours) {
  for (int64_t total : {1, 2, 7, 16, 33})
    for (int64_t first = 0; first < total; ++first)
      for (int64_t count = 0; first + count <= total; ++count) {
        std::vector<int8_t> codes(count), read(total);
        for (int64_t i = 0; i < count; ++i)
          codes[i] = int8_t((first + i * 5) % 16 - 8);
        std::vector<uint8_t> bytes((total + 1) / 2, 0x33);
        packFourBit(codes.data(), first, count, bytes.data());
        unpackFourBit(bytes.data(), 0, total, read.data());
        for (int64_t i = 0; i < total; ++i)
          ASSERT_EQ(read[i], i >= first && i < first + count ? codes[i - first] : 3)
              << total << " " << first << " " << i;
        std::vector<int8_t> range(count);
        unpackFourBit(bytes.data(), first, count, range.data());
        ASSERT_EQ(range, codes);
      }
}

TEST(Packing, UnsignedCodesKeepTheirRange) {
  std::vector<uint8_t> codes, read(17), bytes(9);
  for (int i = 0; i < 17; ++i)
    codes.push_back(i % 16);
  packFourBit(codes.data(), 0, 17, bytes.data());
  unpackFourBit(bytes.data(), 0, 17, read.data());
  EXPECT_EQ(read, codes);
}
