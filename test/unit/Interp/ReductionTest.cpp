//===- ReductionTest.cpp - sums, maxima and norms -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Reduction.h"
#include "TestTensors.h"
#include "quantopt/Interp/Compute/Movement.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::compute;

TEST(Reduction, Axes) {
  Tensor x = floats({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 9});
  expectElements<float>(take(reduce(Reduce::Sum, x, {0, 2}, false)), {2}, {14, 23});
  expectElements<float>(take(reduce(Reduce::Max, x, {-1}, true)), {2, 2, 1}, {2, 4, 6, 9});
  expectElements<float>(take(reduce(Reduce::Mean, x, {}, true)), {1, 1, 1}, {4.625f});
  expectElements<int64_t>(take(reduce(Reduce::Min, integers({2, 2}, {4, 3, 2, 1}), {0}, false)), {2}, {2, 1});
  expectElements<float>(take(reduce(Reduce::Sum, floats({2, 0}, {}), {1}, false)), {2}, {0, 0});
  EXPECT_EQ(errorOf(reduce(Reduce::Sum, x, {3}, true)), "axis 3 is outside a tensor of rank 3");
}

TEST(Reduction, SumsOfManyAreAccurate) {
  Tensor x = Tensor(DType::F32, {1 << 20});
  for (float &value : x.mutableData<float>())
    value = 0.1f;
  Tensor mean = take(reduce(Reduce::Mean, x, {0}, false));
  EXPECT_EQ(mean.data<float>()[0], 0.1f);
}

TEST(Reduction, SoftmaxIgnoresMaskedPositionsToTheBit) {
  Tensor x = randomFloats({3, 50}, 1);
  Tensor masked(DType::F32, {3, 17});
  for (float &value : masked.mutableData<float>())
    value = -std::numeric_limits<float>::max();
  Tensor plain = take(softmax(x, -1));
  Tensor before = take(softmax(take(concat({masked, x}, 1)), -1));
  Tensor after = take(softmax(take(concat({x, masked}, 1)), -1));
  expectSameBits(take(slice(before, {17}, {67}, {1}, {1})), plain);
  expectSameBits(take(slice(after, {0}, {50}, {1}, {1})), plain);
}

TEST(Reduction, SoftmaxAlongAnyAxis) {
  Tensor x = floats({2, 2}, {0, 1, 0, 1});
  expectElements<float>(take(softmax(x, 0)), {2, 2}, {0.5f, 0.5f, 0.5f, 0.5f});
  float low = -std::numeric_limits<float>::max();
  expectElements<float>(take(softmax(floats({1, 2}, {low, low}), 1)), {1, 2}, {0.5f, 0.5f});
}

TEST(Reduction, RmsNorm) {
  Tensor x = floats({1, 4}, {1, -1, 1, -1}), scale = floats({4}, {1, 2, 3, 4});
  expectElements<float>(take(rmsNorm(x, scale, 0, -1)), {1, 4}, {1, -2, 3, -4});
  expectElements<float>(take(rmsNorm(x, Tensor(), 3, -1)), {1, 4}, {0.5f, -0.5f, 0.5f, -0.5f});
  Tensor huge = floats({1, 2}, {23019.0f, 0.0f});
  EXPECT_NEAR(take(rmsNorm(huge, Tensor(), 1e-5, -1)).data<float>()[0], std::sqrt(2.0f), 1e-6);
}

TEST(Reduction, LayerNorm) {
  auto result = take(layerNorm(floats({1, 2}, {1, 3}), floats({2}, {1, 2}), floats({2}, {0, 1}), 0, -1));
  expectElements<float>(result.output, {1, 2}, {-1, 3});
  expectElements<float>(result.mean, {1, 1}, {2});
}

TEST(Reduction, ArgExtreme) {
  expectElements<int64_t>(take(argExtreme(floats({2, 3}, {1, 3, 3, 2, 0, 1}), 1, false, true)), {2}, {1, 0});
}
