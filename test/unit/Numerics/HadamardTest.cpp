//===- HadamardTest.cpp - orders, orthogonality, orientation and bits ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Hadamard.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace quantopt::numerics;

template <typename T> static std::vector<T> randomNumbers(int64_t count) {
  std::mt19937 random(count);
  std::normal_distribution<double> distribution;
  std::vector<T> numbers(count);
  for (T &number : numbers)
    number = T(distribution(random));
  return numbers;
}

/// v·M or v·Mᵀ for one row, in f64.
static std::vector<double> multiplyDense(const std::vector<double> &v, const std::vector<double> &matrix,
                                         bool transposed) {
  int64_t n = v.size();
  std::vector<double> result(n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      result[j] += v[i] * (transposed ? matrix[j * n + i] : matrix[i * n + j]);
  return result;
}

/// diag(signs)·scale·(slow ⊗ fast) by definition.
static std::vector<double> denseHadamard(int64_t n, uint64_t seed) {
  HadamardFactors factors = llvm::cantFail(hadamardFactors(n));
  int64_t a = factors.a, b = factors.b;
  std::vector<double> matrix(n * n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      matrix[i * n + j] =
          randomSign(seed, i) * factors.scale * factors.slow[i / b * a + j / b] * factors.fast[i % b * b + j % b];
  return matrix;
}

template <typename T> static double greatestDifference(const std::vector<T> &x, const std::vector<double> &y) {
  double greatest = 0;
  for (size_t i = 0; i < x.size(); ++i)
    greatest = std::max(greatest, std::abs(double(x[i]) - y[i]));
  return greatest;
}

/// Sizes in language models, and the expected order of the dense factor.
static const std::pair<int64_t, int64_t> modelSizes[] = {
    {576, 36},    {1536, 12},  {11008, 172}, {14336, 28}, {5632, 44},   {4864, 76}, {8960, 140}, {18944, 148},
    {13824, 108}, {5120, 20},  {960, 60},    {2560, 20},  {896, 28},    {3584, 28}, {3072, 12},  {288, 36},
    {768, 12},    {1376, 172}, {48, 12},     {53248, 52}, {29568, 924}, {4096, 1},  {16384, 1},  {128, 1},
    {24, 12},     {40, 20},    {2, 1},       {1, 1},      {1472, 92},   {464, 116}};

TEST(Hadamard, DenseFactorIsTheSmallest) {
  for (auto [n, a] : modelSizes) {
    HadamardStructure structure = llvm::cantFail(hadamardStructure(n));
    EXPECT_EQ(structure.a, a) << n;
    EXPECT_EQ(structure.b, n / a) << n;
    EXPECT_FALSE(structure.isHartley) << n;
  }
}

TEST(Hadamard, ConstructedMatricesAreOrthogonal) {
  for (int64_t order = 1; order <= 256; ++order) {
    bool missing = order % 4 ? order > 2 : llvm::is_contained({156, 188, 236}, order);
    ASSERT_EQ(hadamardExists(order), !missing) << order;
    std::vector<int8_t> matrix = constructHadamard(order);
    ASSERT_EQ(int64_t(matrix.size()), missing ? 0 : order * order) << order;
    if (missing)
      continue;
    for (int64_t i = 0; i < order; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        int64_t product = 0;
        for (int64_t k = 0; k < order; ++k)
          product += matrix[i * order + k] * matrix[j * order + k];
        ASSERT_EQ(product, i == j ? order : 0) << order;
      }
    EXPECT_TRUE(llvm::all_of(matrix, [](int8_t entry) { return entry == 1 || entry == -1; }));
  }
}

TEST(Hadamard, PaleyMatricesAreThoseOfTheReference) {
  // Rows of the accuracy reference's matrices of orders 12 and 36.
  auto row = [](int64_t order, int64_t i) {
    std::vector<int8_t> matrix = constructHadamard(order);
    std::string text;
    for (int64_t j = 0; j < order; ++j)
      text += matrix[i * order + j] > 0 ? '+' : '-';
    return text;
  };
  EXPECT_EQ(row(12, 0), "++++++++++++");
  EXPECT_EQ(row(12, 1), "-+-+---+++-+");
  EXPECT_EQ(row(12, 2), "-++-+---+++-");
  EXPECT_EQ(row(12, 11), "--+---+++-++");
  EXPECT_EQ(row(36, 0), "+-++++++++++++++++++++++++++++++++++");
  EXPECT_EQ(row(36, 1), "--+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-");
  EXPECT_EQ(row(36, 2), "+++-++++--++------++++------++--++++");
  EXPECT_EQ(row(36, 35), "+-+-+--++--+-+-++-+--+-+-++--++-+---");
}

TEST(Hadamard, HartleyIsTheFallback) {
  for (auto [n, a] :
       std::initializer_list<std::pair<int64_t, int64_t>>{{9, 9}, {15, 15}, {14, 7}, {6, 3}, {156, 39}, {3, 3}}) {
    HadamardFactors factors = llvm::cantFail(hadamardFactors(n));
    EXPECT_TRUE(factors.isHartley) << n;
    ASSERT_EQ(factors.a, a) << n;
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < a; ++j) {
        double angle = 2 * M_PI * double(i * j % a) / double(a);
        ASSERT_NEAR(factors.slow[i * a + j], std::cos(angle) + std::sin(angle), 1e-15) << n;
      }
  }
}

TEST(Hadamard, ImpossibleSizesAreErrors) {
  EXPECT_EQ(llvm::toString(hadamardFactors(0).takeError()), "a Hadamard transform needs a positive size, got 0");
  EXPECT_EQ(
      llvm::toString(makeHadamard(2 * 4099, 0).takeError()),
      "no fast orthogonal transform of size 8198: its dense factor would be 4099, more than 4096; transform blocks of "
      "a smaller size");
}

TEST(Hadamard, EveryFormEqualsTheDenseMatrix) {
  for (int64_t n : {1, 2, 4, 8, 16, 32, 64, 512, 576, 1536, 48, 288, 24, 12, 9, 14, 15, 144, 960, 896, 1376, 1472})
    for (uint64_t seed : {0, 1}) {
      std::unique_ptr<LinearMap> map = llvm::cantFail(makeHadamard(n, seed));
      std::vector<double> dense = denseHadamard(n, seed), row = randomNumbers<double>(n);
      std::vector<float> single(row.begin(), row.end());
      std::vector<double> exact(single.begin(), single.end());
      for (MapForm form : {MapForm::Plain, MapForm::Transposed, MapForm::Inverse, MapForm::InverseTransposed}) {
        bool transposed = form == MapForm::Transposed || form == MapForm::Inverse;
        std::vector<double> result = row;
        map->transform(result.data(), 1, form);
        EXPECT_LT(greatestDifference(result, multiplyDense(row, dense, transposed)), 2e-14) << n;
        std::vector<float> singleResult = single;
        map->transform(singleResult.data(), 1, form);
        EXPECT_LT(greatestDifference(singleResult, multiplyDense(exact, dense, transposed)), 1e-5) << n;
      }
      EXPECT_TRUE(map->isOrthogonal());
    }
}

TEST(Hadamard, EveryModelSizeInverts) {
  for (auto [n, a] : modelSizes) {
    std::unique_ptr<LinearMap> map = llvm::cantFail(makeHadamard(n, 42));
    std::vector<double> row = randomNumbers<double>(n), result = row;
    map->apply(result.data(), 1);
    double norm = 0, mapped = 0;
    for (int64_t i = 0; i < n; ++i) {
      norm += row[i] * row[i];
      mapped += result[i] * result[i];
    }
    EXPECT_NEAR(mapped / norm, 1, 1e-13) << n;
    EXPECT_GT(greatestDifference(result, row), 0.1 * (n > 1)) << n;
    map->applyInverse(result.data(), 1);
    EXPECT_LT(greatestDifference(result, row), 1e-13) << n;
  }
}

TEST(Hadamard, FactorsDescribeTheTransform) {
  // slowᵀ·V·fast·scale is v·H; sizes whose power of two is kept and whose is split.
  for (auto [n, b] :
       std::initializer_list<std::pair<int64_t, int64_t>>{{576, 16}, {1536, 128}, {1024, 256}, {14336, 256}}) {
    HadamardFactors factors = llvm::cantFail(hadamardFactors(n));
    ASSERT_EQ(factors.b, b);
    int64_t a = factors.a;
    std::vector<double> row = randomNumbers<double>(n), half(n), expected(n);
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < b; ++j)
        for (int64_t k = 0; k < b; ++k)
          half[i * b + j] += row[i * b + k] * factors.fast[k * b + j];
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < b; ++j)
        for (int64_t k = 0; k < a; ++k)
          expected[i * b + j] += factors.scale * factors.slow[k * a + i] * half[k * b + j];
    llvm::cantFail(makeHadamard(n, 0))->apply(row.data(), 1);
    EXPECT_LT(greatestDifference(row, expected), 2e-14) << n;
  }
}

TEST(Hadamard, BitsDoNotDependOnTheNumberOfRows) {
  for (int64_t n : {576, 1536, 64, 48, 15}) {
    std::unique_ptr<LinearMap> map = llvm::cantFail(makeHadamard(n, 3));
    std::vector<float> rows = randomNumbers<float>(7 * n), together = rows;
    map->apply(together.data(), 7);
    for (int64_t row = 0; row < 7; ++row)
      map->apply(rows.data() + row * n, 1);
    EXPECT_EQ(std::memcmp(rows.data(), together.data(), rows.size() * sizeof(float)), 0) << n;
  }
}

TEST(Hadamard, SignsAreOutputsOfSplitMix64) {
  // The first outputs for seed 1234567 as published with the generator:
  // 6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821.
  EXPECT_EQ(randomSign(1234567, 0), 1);
  EXPECT_EQ(randomSign(1234567, 1), 1);
  EXPECT_EQ(randomSign(1234567, 2), -1);
  EXPECT_EQ(randomSign(1234567, 3), 1);
  EXPECT_EQ(randomSign(1234567, 4), -1);
  int sum = 0;
  for (uint64_t i = 0; i < 4096; ++i) {
    EXPECT_EQ(randomSign(0, i), 1);
    sum += randomSign(5, i);
  }
  EXPECT_LT(std::abs(sum), 300);
}
