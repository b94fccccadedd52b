//===- WeightLayout.cpp - the order in which kernels read packed codes --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/WeightLayout.h"

void quantopt::numerics::packMatMulNBits(const int8_t *codes, int64_t rows, int64_t cols, unsigned bits, int64_t block,
                                         uint8_t *bytes) {
  int zero = 1 << (bits - 1);
  int64_t padded = (cols + block - 1) / block * block;
  for (int64_t row = 0; row < rows; ++row) {
    auto stored = [&](int64_t column) { return uint8_t(column < cols ? codes[row * cols + column] + zero : zero); };
    if (bits == 8) {
      for (int64_t column = 0; column < padded; ++column)
        *bytes++ = stored(column);
      continue;
    }
    for (int64_t column = 0; column < padded; column += 2)
      *bytes++ = stored(column) | stored(column + 1) << 4;
  }
}
