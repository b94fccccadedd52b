//===- ElementwiseTest.cpp - functions of single elements ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Elementwise.h"
#include "TestTensors.h"
#include "quantopt/Support/Half.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::compute;

static constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Elementwise, ExponentialIsAccurateEverywhere) {
  std::vector<float> x, y;
  for (float value = -104.0f; value < 89.0f; value += 0.00317f)
    x.push_back(value);
  y.resize(x.size());
  exponentials(x.data(), y.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    double exact = std::exp(double(x[i]));
    double unit =
        exact > std::numeric_limits<float>::max() ? infinity : std::nextafter(float(exact), infinity) - float(exact);
    ASSERT_LE(std::abs(double(y[i]) - exact), 2 * unit) << x[i];
  }
}

TEST(Elementwise, ExponentialAtTheEdges) {
  float x[] = {-infinity, -3.4e38f, -105.0f, 0.0f, 88.7228f, 89.0f, infinity, NAN};
  exponentials(x, x, 8);
  EXPECT_EQ(x[0], 0.0f);
  EXPECT_EQ(x[1], 0.0f);
  EXPECT_EQ(x[2], 0.0f);
  EXPECT_EQ(x[3], 1.0f);
  EXPECT_LT(x[4], infinity);
  EXPECT_EQ(x[5], infinity);
  EXPECT_EQ(x[6], infinity);
  EXPECT_TRUE(std::isnan(x[7]));
}

TEST(Elementwise, AnElementDoesNotDependOnItsPlace) {
  Tensor x = randomFloats({1000}, 1);
  Tensor all = take(unary(Unary::Silu, x));
  for (int64_t i : {0, 1, 15, 16, 17, 998, 999}) {
    Tensor one = take(unary(Unary::Silu, floats({1}, {x.data<float>()[i]})));
    EXPECT_EQ(one.data<float>()[0], all.data<float>()[i]);
  }
}

TEST(Elementwise, Unary) {
  expectElements<float>(take(unary(Unary::Round, floats({4}, {0.5f, 1.5f, -2.5f, 2.4f}))), {4}, {0, 2, -2, 2});
  expectElements<float>(take(unary(Unary::Reciprocal, floats({2}, {2, 4}))), {2}, {0.5f, 0.25f});
  expectElements<int64_t>(take(unary(Unary::Neg, integers({2}, {3, -4}))), {2}, {-3, 4});
  expectElements<uint8_t>(take(unary(Unary::IsNaN, floats({2}, {NAN, 1}))), {2}, {1, 0});
  EXPECT_EQ(errorOf(unary(Unary::Exp, integers({1}, {1}))),
            "this function is defined for floating point only, not for i64");
}

TEST(Elementwise, Broadcasts) {
  Tensor a = floats({2, 1}, {1, 2}), b = floats({3}, {10, 20, 30});
  expectElements<float>(take(binary(Binary::Add, a, b)), {2, 3}, {11, 21, 31, 12, 22, 32});
  expectElements<float>(take(binary(Binary::Sub, b, a)), {2, 3}, {9, 19, 29, 8, 18, 28});
  Tensor c = floats({2, 1, 2}, {1, 2, 3, 4}), d = floats({3, 1}, {0, 100, 200});
  expectElements<float>(take(binary(Binary::Add, c, d)), {2, 3, 2},
                        {1, 2, 101, 102, 201, 202, 3, 4, 103, 104, 203, 204});
  expectElements<float>(take(binary(Binary::Mul, floats({0, 3}, {}), b)), {0, 3}, {});
  EXPECT_EQ(errorOf(binary(Binary::Add, floats({2}, {1, 2}), b)), "shapes 2 and 3 do not broadcast");
  EXPECT_EQ(errorOf(binary(Binary::Add, b, integers({1}, {1}))), "operands of different types, f32 and i64");
}

TEST(Elementwise, IntegersAndLogic) {
  Tensor a = integers({4}, {7, -7, 7, -7}), b = integers({4}, {3, 3, -3, -3});
  expectElements<int64_t>(take(binary(Binary::Div, a, b)), {4}, {2, -2, -2, 2});
  expectElements<int64_t>(take(binary(Binary::Mod, a, b)), {4}, {1, 2, -2, -1});
  expectElements<int64_t>(take(binary(Binary::Fmod, a, b)), {4}, {1, -1, 1, -1});
  expectElements<uint8_t>(take(binary(Binary::LessOrEqual, a, b)), {4}, {0, 1, 0, 1});
  Tensor small = Tensor::from<uint8_t>(DType::U8, {2}, {200, 100});
  expectElements<uint8_t>(take(binary(Binary::Add, small, small)), {2}, {144, 200});
}

TEST(Elementwise, SixteenBitFloatsRoundOnce) {
  Tensor a = Tensor::from<uint16_t>(DType::F16, {1}, {floatToHalf(1.0f)});
  Tensor b = Tensor::from<uint16_t>(DType::F16, {1}, {floatToHalf(0.0004883f)});
  Tensor sum = take(binary(Binary::Add, a, b));
  EXPECT_EQ(sum.dtype(), DType::F16);
  EXPECT_EQ(halfToFloat(sum.data<uint16_t>()[0]), halfToFloat(floatToHalf(1.0004883f)));
}

TEST(Elementwise, MaximumPropagatesNaN) {
  Tensor a = floats({3}, {NAN, 1, 2}), b = floats({3}, {1, NAN, 3});
  Tensor top = take(binary(Binary::Max, a, b));
  EXPECT_TRUE(std::isnan(top.data<float>()[0]));
  EXPECT_TRUE(std::isnan(top.data<float>()[1]));
  EXPECT_EQ(top.data<float>()[2], 3.0f);
}

TEST(Elementwise, Where) {
  Tensor condition = Tensor::from<uint8_t>(DType::Bool, {2, 1}, {1, 0});
  expectElements<float>(take(where(condition, floats({2}, {1, 2}), floats({}, {9}))), {2, 2}, {1, 2, 9, 9});
}
