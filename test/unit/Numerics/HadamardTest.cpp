//===- HadamardTest.cpp - orders, orthogonality, orientation ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Hadamard.h"
#include "gtest/gtest.h"

using namespace quantopt::numerics;

TEST(Hadamard, DenseFactorIsTheSmallest) {
  for (auto [n, a] : std::initializer_list<std::pair<int64_t, int64_t>>{{576, 36}, {1536, 12}, {11008, 172}, {64, 1}}) {
    HadamardFactors factors = llvm::cantFail(hadamardFactors(n));
    EXPECT_EQ(factors.a, a);
    EXPECT_EQ(factors.b, n / a);
    EXPECT_FALSE(factors.isHartley);
  }
}
