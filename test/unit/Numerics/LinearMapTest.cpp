//===- LinearMapTest.cpp - diagonal, dense and composed maps ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/LinearMap.h"
#include "quantopt/Numerics/Hadamard.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>

using namespace quantopt::numerics;

static const MapForm allForms[] = {MapForm::Plain, MapForm::Transposed, MapForm::Inverse, MapForm::InverseTransposed};

static std::vector<double> multiply(const std::vector<double> &x, const std::vector<double> &y, int64_t n) {
  std::vector<double> product(n * n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < n; ++k)
      for (int64_t j = 0; j < n; ++j)
        product[i * n + j] += x[i * n + k] * y[k * n + j];
  return product;
}

static std::vector<double> transpose(const std::vector<double> &x, int64_t n) {
  std::vector<double> result(n * n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      result[j * n + i] = x[i * n + j];
  return result;
}

static double greatestDifference(const std::vector<double> &x, const std::vector<double> &y) {
  EXPECT_EQ(x.size(), y.size());
  double greatest = 0;
  for (size_t i = 0; i < x.size(); ++i)
    greatest = std::max(greatest, std::abs(x[i] - y[i]));
  return greatest;
}

static std::vector<double> denseForm(const LinearMap &map, MapForm form) {
  int64_t n = map.size();
  std::vector<double> matrix(n * n);
  for (int64_t i = 0; i < n; ++i)
    matrix[i * n + i] = 1;
  map.transform(matrix.data(), n, form);
  return matrix;
}

/// The four forms are those of one matrix, whose plain form is `expected`.
static void checkForms(const LinearMap &map, const std::vector<double> &expected) {
  int64_t n = map.size();
  std::vector<double> identity(n * n);
  for (int64_t i = 0; i < n; ++i)
    identity[i * n + i] = 1;
  EXPECT_LT(greatestDifference(map.dense(), expected), 1e-14);
  EXPECT_LT(greatestDifference(denseForm(map, MapForm::Transposed), transpose(expected, n)), 1e-14);
  std::vector<double> inverse = denseForm(map, MapForm::Inverse);
  EXPECT_LT(greatestDifference(multiply(expected, inverse, n), identity), 1e-13);
  EXPECT_LT(greatestDifference(denseForm(map, MapForm::InverseTransposed), transpose(inverse, n)), 1e-14);
  // f32 rows go the same way.
  for (MapForm form : allForms) {
    std::vector<float> rows(n * n);
    for (int64_t i = 0; i < n; ++i)
      rows[i * n + i] = 1;
    map.transform(rows.data(), n, form);
    EXPECT_LT(greatestDifference(std::vector<double>(rows.begin(), rows.end()), denseForm(map, form)), 1e-5);
  }
}

static std::vector<double> rotation(double angle) {
  return {std::cos(angle), std::sin(angle), -std::sin(angle), std::cos(angle)};
}

TEST(LinearMap, Diagonal) {
  std::unique_ptr<LinearMap> map = makeDiagonal({2, -0.5, 4});
  EXPECT_FALSE(map->isOrthogonal());
  EXPECT_TRUE(makeDiagonal({1, -1})->isOrthogonal());
  checkForms(*map, {2, 0, 0, 0, -0.5, 0, 0, 0, 4});
}

TEST(LinearMap, RowVectorsMultiplyFromTheLeft) {
  std::unique_ptr<LinearMap> map = makeOrthogonal(2, rotation(0.3));
  EXPECT_TRUE(map->isOrthogonal());
  checkForms(*map, rotation(0.3));
  double row[] = {1, 0};
  map->apply(row, 1);
  EXPECT_DOUBLE_EQ(row[0], std::cos(0.3));
  EXPECT_DOUBLE_EQ(row[1], std::sin(0.3));
}

TEST(LinearMap, KroneckerWithIdentities) {
  std::vector<double> inner = rotation(0.7), expected(144);
  // I_3 ⊗ R ⊗ I_2: index = (p·2 + i)·2 + q.
  for (int64_t p = 0; p < 3; ++p)
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t j = 0; j < 2; ++j)
        for (int64_t q = 0; q < 2; ++q)
          expected[((p * 2 + i) * 2 + q) * 12 + (p * 2 + j) * 2 + q] = inner[i * 2 + j];
  std::unique_ptr<LinearMap> map = makeKronecker(3, makeOrthogonal(2, inner), 2);
  ASSERT_EQ(map->size(), 12);
  checkForms(*map, expected);
}

TEST(LinearMap, ChainAppliesTheFirstFirst) {
  std::shared_ptr<LinearMap> scale = makeDiagonal({2, 3, 5, 7}),
                             turn = makeKronecker(2, makeOrthogonal(2, rotation(1)), 1);
  std::shared_ptr<LinearMap> hadamard = llvm::cantFail(makeHadamard(4, 9));
  std::unique_ptr<LinearMap> map = makeChain({scale, turn, hadamard});
  EXPECT_FALSE(map->isOrthogonal());
  checkForms(*map, multiply(multiply(scale->dense(), turn->dense(), 4), hadamard->dense(), 4));
}

TEST(LinearMap, AxisFibresHaveTheBitsOfRows) {
  std::unique_ptr<LinearMap> map = llvm::cantFail(makeHadamard(48, 5));
  int64_t outer = 2, n = 48, inner = 37;
  std::vector<float> data(outer * n * inner);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = std::sin(float(i) * 1.7f);
  std::vector<float> original = data;
  map->transformAxis(data.data(), outer, inner, MapForm::Transposed);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t j = 0; j < inner; ++j) {
      std::vector<float> fibre(n);
      for (int64_t i = 0; i < n; ++i)
        fibre[i] = original[(o * n + i) * inner + j];
      map->applyTransposed(fibre.data(), 1);
      for (int64_t i = 0; i < n; ++i)
        ASSERT_EQ(fibre[i], data[(o * n + i) * inner + j]);
    }
}
