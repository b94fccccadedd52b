//===- RtnQuantizerTest.cpp - weight quantizers ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Quantizer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>
#include <vector>

using namespace quantopt::numerics;

using Ints = std::vector<int>;

/// Three rows of twenty, the second with an outlier.
static const std::vector<float> numbers = {
    -0x1.395f2ep-4f,  -0x1.87602p-6f,  -0x1.90cd2ap-5f,  -0x1.4b4cbcp-5f, 0x1.b28b48p-5f,  -0x1.4ac426p-5f,
    -0x1.aa44bcp-10f, 0x1.6a3fp-5f,    -0x1.de15e2p-6f,  -0x1.6e0664p-8f, 0x1.69f80ap-8f,  0x1.a2001p-9f,
    -0x1.f5c86ap-5f,  0x1.f2fe1cp-9f,  0x1.16497cp-4f,   -0x1.3cdafp-4f,  0x1.6000cep-5f,  0x1.87196ap-8f,
    -0x1.06bf0cp-5f,  0x1.99af7p-4f,   0x1.3838bap-5f,   -0x1.eb3a8ep-5f, 0x1.e8597cp-9f,  0x1.d86c92p-6f,
    0x1.333334p-2f,   0x1.17b854p-5f,  -0x1.b3ed8cp-9f,  0x1.114dfap-5f,  0x1.269c04p-4f,  -0x1.14c052p-5f,
    0x1.4cd282p-7f,   -0x1.7b8aa4p-6f, 0x1.a1087cp-8f,   -0x1.e6465ep-5f, -0x1.da905ap-6f, -0x1.41728ep-7f,
    0x1.702238p-5f,   0x1.d5153cp-5f,  -0x1.0f0efap-4f,  -0x1.457c4ap-5f, 0x1.08f8bep-5f,  -0x1.980c2ep-4f,
    -0x1.7b6dc2p-6f,  -0x1.3eca3p-8f,  0x1.016fcap-4f,   0x1.1a613ep-5f,  -0x1.0c0dap-6f,  -0x1.2deff8p-6f,
    -0x1.99eb8ep-7f,  0x1.3804d2p-4f,  -0x1.5ea356p-6f,  -0x1.f18ccap-7f, 0x1.20d74ap-6f,  -0x1.8bbd98p-8f,
    -0x1.433bp-7f,    -0x1.c85268p-5f, -0x1.2e0744p-11f, -0x1.6b61bap-6f, 0x1.dda55cp-5f,  0x1.0b814cp-5f};

namespace {
struct Quantized {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  Ints ints() const { return Ints(codes.begin(), codes.end()); }
};
} // namespace

static Quantized quantize(const WeightQuantizerOptions &options, llvm::ArrayRef<float> weights, int64_t rows) {
  std::unique_ptr<WeightQuantizer> quantizer = llvm::cantFail(makeRtnQuantizer(options));
  int64_t cols = weights.size() / rows;
  Quantized result;
  result.codes.resize(weights.size());
  result.scales.resize(rows * quantizer->groupsPerRow(cols));
  llvm::cantFail(quantizer->quantizeRows(weights, rows, cols, result.codes.data(), result.scales.data()));
  return result;
}

static std::vector<float> normalNumbers(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, 0.04f);
  std::vector<float> result(count);
  for (float &number : result)
    number = distribution(random);
  return result;
}

// The expected values are numpy's, from the formulas of the accuracy reference in float32.

TEST(RtnQuantizer, EqualsTheReference) {
  Quantized result = quantize({}, numbers, 3);
  EXPECT_EQ(result.scales, (std::vector<float>{0x1.b81e7cp-7f, 0x1.548d9cp-5f, 0x1.87b9c6p-7f}));
  EXPECT_EQ(result.ints(), (Ints{-6, -2, -4, -3, 4, -3, 0,  3,  -2, 0,  0,  0,  -5, 0,  5,  -6, 3, 0,  -2, 7,
                                 1,  -1, 0,  1,  7, 1,  0,  1,  2,  -1, 0,  -1, 0,  -1, -1, 0,  1, 1,  -2, -1,
                                 3,  -8, -2, 0,  5, 3,  -1, -2, -1, 6,  -2, -1, 1,  -1, -1, -5, 0, -2, 5,  3}));
}

TEST(RtnQuantizer, GroupsMayBeRagged) {
  WeightQuantizerOptions options;
  options.groupSize = 8;
  Quantized result = quantize(options, llvm::ArrayRef(numbers).take_front(20), 1);
  EXPECT_EQ(result.scales, (std::vector<float>{0x1.57d04ap-7f, 0x1.3eaa74p-7f, 0x1.d43636p-7f}));
  EXPECT_EQ(result.ints(), (Ints{-7, -2, -5, -4, 5, -4, 0, 4, -3, -1, 1, 0, -6, 0, 7, -8, 3, 0, -2, 7}));
}

/// Σ|q·s - w|^norm relative to absmax, and the codes, by definition in f64.
static double errorOf(llvm::ArrayRef<float> row, float absmax, float scale, int bits, double norm) {
  double sum = 0, greatest = (1 << (bits - 1)) - 1;
  for (float weight : row) {
    double code = std::min(std::max(std::nearbyint(double(weight) / scale), -greatest - 1), greatest);
    sum += std::pow(std::abs(code * scale - weight) / absmax, norm);
  }
  return sum;
}

TEST(RtnQuantizer, NoRatioHasALesserError) {
  for (int bits : {2, 3, 4, 8})
    for (double norm : {2.0, 2.4, 4.0}) {
      WeightQuantizerOptions options;
      options.bits = bits;
      options.clipNorm = norm;
      int64_t cols = 301;
      float greatest = float((1 << (bits - 1)) - 1);
      std::vector<float> weights = normalNumbers(6 * cols, bits);
      Quantized result = quantize(options, weights, 6);
      for (int64_t row = 0; row < 6; ++row) {
        auto part = llvm::ArrayRef(weights).slice(row * cols, cols);
        float absmax = 0;
        for (float weight : part)
          absmax = std::max(absmax, std::abs(weight));
        double least = HUGE_VAL;
        bool isCandidate = false;
        for (int step = 0; step < 80; ++step) {
          float scale = (1.0f - float(step) / 100.0f) * absmax / greatest;
          isCandidate |= scale == result.scales[row];
          least = std::min(least, errorOf(part, absmax, scale, bits, norm));
        }
        EXPECT_TRUE(isCandidate);
        // f32 may take one of two ratios of almost equal errors for the other.
        EXPECT_LE(errorOf(part, absmax, result.scales[row], bits, norm), least * (1 + 2e-6)) << bits << " " << norm;
        for (int64_t i = 0; i < cols; ++i) {
          float code = std::nearbyint(part[i] / result.scales[row]);
          ASSERT_EQ(result.codes[row * cols + i], int(std::min(std::max(code, -greatest - 1), greatest)));
        }
      }
    }
}

TEST(RtnQuantizer, WithoutStepsTheScaleCoversAll) {
  WeightQuantizerOptions options;
  options.clipSteps = 0;
  Quantized result = quantize(options, {0.5f, -7.0f, 1.5f, 2.5f}, 1);
  EXPECT_EQ(result.scales, std::vector<float>{1});
  EXPECT_EQ(result.ints(), (Ints{0, -7, 2, 2}));
}

TEST(RtnQuantizer, ExactWeightsStayExact) {
  std::vector<float> weights;
  for (int i = -7; i <= 7; ++i)
    weights.push_back(float(i) * 0.25f);
  Quantized result = quantize({}, weights, 1);
  EXPECT_EQ(result.scales[0], 0.25f);
  for (size_t i = 0; i < weights.size(); ++i)
    EXPECT_EQ(result.codes[i] * result.scales[0], weights[i]);
}

TEST(RtnQuantizer, ZeroRowsHaveZeroCodes) {
  Quantized result = quantize({}, std::vector<float>(40), 2);
  EXPECT_EQ(result.ints(), Ints(40));
  for (float scale : result.scales)
    EXPECT_TRUE(scale > 0 && scale <= 1e-5f / 7);
}

TEST(RtnQuantizer, ScalingWeightsScalesTheResult) {
  std::vector<float> weights = normalNumbers(1000, 3), scaled = weights;
  for (float &weight : scaled)
    weight *= 1024;
  Quantized result = quantize({}, weights, 4), scaledResult = quantize({}, scaled, 4);
  EXPECT_EQ(result.codes, scaledResult.codes);
  for (int row = 0; row < 4; ++row)
    EXPECT_EQ(result.scales[row] * 1024, scaledResult.scales[row]);
}

TEST(RtnQuantizer, RowsDoNotDependOnEachOther) {
  std::vector<float> weights = normalNumbers(5 * 333, 4);
  Quantized together = quantize({}, weights, 5);
  for (int row = 0; row < 5; ++row) {
    Quantized alone = quantize({}, llvm::ArrayRef(weights).slice(row * 333, 333), 1);
    EXPECT_EQ(alone.scales[0], together.scales[row]);
    EXPECT_TRUE(std::equal(alone.codes.begin(), alone.codes.end(), together.codes.begin() + row * 333));
  }
}

TEST(RtnQuantizer, WeightsMustBeFinite) {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> weights = normalNumbers(60, 5);
    weights[45] = bad;
    std::unique_ptr<WeightQuantizer> quantizer = llvm::cantFail(makeRtnQuantizer({}));
    std::vector<int8_t> codes(60);
    std::vector<float> scales(3);
    EXPECT_EQ(llvm::toString(quantizer->quantizeRows(weights, 3, 20, codes.data(), scales.data())),
              "weight row 2 holds a NaN or an infinity; quantization needs finite weights");
  }
}

static std::string failure(llvm::StringRef name, std::initializer_list<std::pair<const char *, const char *>> entries) {
  QuantizerOptions options;
  for (auto [key, value] : entries)
    options[key] = value;
  auto quantizer = QuantizerRegistry::global().create(name, options);
  return quantizer ? "" : llvm::toString(quantizer.takeError());
}

TEST(QuantizerRegistry, CreatesByNameAndValidates) {
  EXPECT_EQ(
      failure("rtn",
              {{"bits", "3"}, {"group_size", "128"}, {"clip_steps", "0"}, {"clip_norm", "2"}, {"symmetric", "true"}}),
      "");
  EXPECT_EQ(failure("gtpq", {}), "unknown quantizer 'gtpq'; there are: rtn");
  EXPECT_EQ(failure("rtn", {{"bits", "9"}}), "quantizer option 'bits' must be an integer from 2 to 8, got '9'");
  EXPECT_EQ(failure("rtn", {{"clip_norm", "x"}}), "quantizer option 'clip_norm' must be a number from 1 to 4, got 'x'");
  EXPECT_EQ(failure("rtn", {{"size", "1"}}),
            "unknown quantizer option 'size'; expected bits, symmetric, group_size, clip_steps or clip_norm");
  EXPECT_EQ(failure("rtn", {{"symmetric", "false"}}),
            "quantizer 'rtn' makes symmetric codes only; set symmetric = true");
}

TEST(QuantizerRegistry, TakesQuantizersOfOthers) {
  QuantizerRegistry registry;
  registry.add("mine", [](const QuantizerOptions &) { return makeRtnQuantizer({}); });
  EXPECT_TRUE(bool(registry.create("mine", {})));
}
