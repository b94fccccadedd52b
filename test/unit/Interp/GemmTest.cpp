//===- GemmTest.cpp - matrix products -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Gemm.h"
#include "TestTensors.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::compute;

/// x[:rows] · wᵀ.
static Tensor linear(const Tensor &x, const Tensor &w, int64_t rows) {
  Tensor part = take(slice(x, {0}, {rows}, {0}, {1}));
  Tensor result(x.dtype(), {rows, w.dim(0)});
  linearInto(part, w, result, 0);
  return result;
}

TEST(Gemm, IsTheChainOfFusedMultiplyAdds) {
  Tensor x = randomFloats({5, 700}, 1), w = randomFloats({45, 700}, 2);
  Tensor y = linear(x, w, 5);
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 45; ++j) {
      float sum = 0;
      for (int64_t k = 0; k < 700; ++k)
        sum = std::fma(x.data<float>()[i * 700 + k], w.data<float>()[j * 700 + k], sum);
      ASSERT_EQ(y.data<float>()[i * 45 + j], sum) << i << " " << j;
    }
}

TEST(Gemm, RowsDependOnNothingElse) {
  Tensor x = randomFloats({200, 576}, 3), w = randomFloats({100, 576}, 4);
  Tensor all = linear(x, w, 200);
  for (int64_t rows : {1, 2, 3, 5, 7, 12, 13, 16, 17, 64, 199})
    expectSameBits(linear(x, w, rows), take(slice(all, {0}, {rows}, {0}, {1})));
}

TEST(Gemm, ThreadsAndLayoutDoNotShow) {
  Tensor x = randomFloats({70, 300}, 5), w = randomFloats({130, 300}, 6);
  setThreadCount(1);
  Tensor one = linear(x, w, 70);
  setThreadCount(5);
  Tensor five = linear(x, w, 70);
  Tensor transposed = take(matmul(x, take(transpose(w, {1, 0}))));
  setThreadCount(0);
  expectSameBits(one, five);
  expectSameBits(one, transposed);
}

TEST(Gemm, PiecesOfAWeightGiveTheSameBits) {
  Tensor x = randomFloats({9, 300}, 7), w = randomFloats({50, 300}, 8), wt = take(transpose(w, {1, 0}));
  Tensor whole = linear(x, w, 9), byColumns(DType::F32, {9, 50}), byDepth(DType::F32, {9, 50});
  for (int64_t from = 0; from < 50; from += 20) {
    int64_t end = std::min<int64_t>(50, from + 20);
    linearInto(x, take(slice(w, {from}, {end}, {0}, {1})), byColumns, from);
  }
  for (int64_t from = 0; from < 300; from += 128) {
    int64_t end = std::min<int64_t>(300, from + 128);
    accumulateProduct(x, take(slice(wt, {from}, {end}, {0}, {1})), byDepth, from);
  }
  expectSameBits(whole, byColumns);
  expectSameBits(whole, byDepth);
}

TEST(Gemm, ZerosChangeNothing) {
  Tensor x = randomFloats({3, 64}, 9), w = randomFloats({40, 64}, 10);
  Tensor zeros = Tensor::zeros(DType::F32, {3, 30}), other = randomFloats({40, 30}, 11);
  for (bool first : {false, true}) {
    Tensor padded = take(concat(first ? llvm::ArrayRef<Tensor>{zeros, x} : llvm::ArrayRef<Tensor>{x, zeros}, 1));
    Tensor wide = take(concat(first ? llvm::ArrayRef<Tensor>{other, w} : llvm::ArrayRef<Tensor>{w, other}, 1));
    expectSameBits(linear(padded, wide, 3), linear(x, w, 3));
  }
}

TEST(Gemm, CodesAreExact) {
  Tensor x(DType::F32, {4, 1536}), w(DType::I4, {33, 1536});
  for (int64_t i = 0; i < x.numElements(); ++i)
    x.mutableData<float>()[i] = float((i * 7 + i / 13) % 16 - 8);
  for (int64_t i = 0; i < w.numElements(); ++i)
    w.mutableData<int8_t>()[i] = int8_t((i * 5 + i / 11) % 16 - 8);
  Tensor y = linear(x, w, 4);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 33; ++j) {
      int64_t sum = 0;
      for (int64_t k = 0; k < 1536; ++k)
        sum += int64_t(x.data<float>()[i * 1536 + k]) * w.data<int8_t>()[j * 1536 + k];
      ASSERT_EQ(y.data<float>()[i * 33 + j], float(sum));
    }
}

TEST(MatMul, FollowsNumpy) {
  Tensor a = floats({2, 1, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), b = floats({2, 3, 1}, {1, 0, 0, 0, 0, 1});
  expectElements<float>(take(matmul(a, b)), {2, 2, 2, 1}, {1, 4, 3, 6, 7, 10, 9, 12});
  expectElements<float>(take(matmul(floats({3}, {1, 2, 3}), floats({3}, {4, 5, 6}))), {}, {32});
  expectElements<float>(take(matmul(floats({2, 2}, {1, 2, 3, 4}), floats({2}, {1, 1}))), {2}, {3, 7});
  expectElements<int64_t>(take(matmul(integers({1, 2}, {3, 4}), integers({2, 1}, {5, 6}))), {1, 1}, {39});
  expectElements<float>(take(matmul(floats({0, 2}, {}), floats({2, 2}, {1, 2, 3, 4}))), {0, 2}, {});
  expectElements<float>(take(matmul(floats({1, 0}, {}), floats({0, 2}, {}))), {1, 2}, {0, 0});
  EXPECT_EQ(errorOf(matmul(floats({2, 2}, {1, 2, 3, 4}), floats({3, 1}, {1, 1, 1}))),
            "cannot multiply 2x2 and 3x1: the contracted dimensions differ");
}
