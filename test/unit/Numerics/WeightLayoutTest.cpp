//===- WeightLayoutTest.cpp - the order in which kernels read packed codes ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/WeightLayout.h"
#include "gtest/gtest.h"
#include <vector>

using namespace quantopt::numerics;

TEST(WeightLayout, MatMulNBitsRoundTrip) {
  constexpr int64_t rows = 3, cols = 40, block = 16, blocks = 3;
  for (unsigned bits : {4u, 8u}) {
    int range = 1 << bits;
    std::vector<int8_t> codes(rows * cols);
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = int(i * 7 % range) - range / 2;
    std::vector<uint8_t> bytes(rows * blocks * block * bits / 8);
    packMatMulNBits(codes.data(), rows, cols, bits, block, bytes.data());
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < blocks * block; ++column) {
        int64_t bit = (row * blocks * block + column) * bits;
        int stored = bytes[bit / 8] >> bit % 8 & (range - 1);
        EXPECT_EQ(stored - range / 2, column < cols ? codes[row * cols + column] : 0)
            << bits << " bits, row " << row << ", column " << column;
      }
  }
}

TEST(WeightLayout, Transpose) {
  constexpr int64_t rows = 37, cols = 70;
  std::vector<int> in(rows * cols), out(rows * cols);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = i;
  transpose(in.data(), rows, cols, out.data());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < cols; ++column)
      ASSERT_EQ(out[column * rows + row], in[row * cols + column]);
}
