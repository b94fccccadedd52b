//===- ProcessorTest.cpp - the same bits from every processor's version ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#if defined(__x86_64__) && defined(__clang__)
#include "../../../lib/Numerics/ClipSearch.h"
#include "../../../lib/Numerics/HadamardKernel.h"
#include "quantopt/Numerics/Hadamard.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <vector>

using namespace quantopt::numerics;

// The versions that QUANTOPT_MULTIVERSION makes, by the names the compiler gives them.
#define VERSIONS(result, name, symbol, ...)                                                                            \
  result name##Wide(__VA_ARGS__) __asm__(symbol ".avx512f.0");                                                         \
  result name##Middle(__VA_ARGS__) __asm__(symbol ".arch_x86-64-v3.1");                                                \
  result name##Plain(__VA_ARGS__) __asm__(symbol ".default.2");

VERSIONS(double, clipping, "_ZN8quantopt8numerics13clippingErrorEPKflfffd", const float *, int64_t, float, float, float,
         double)
VERSIONS(void, single, "_ZN8quantopt8numerics17runHadamardKernelERKNS0_14HadamardKernelIfEEPflS5_",
         const HadamardKernel<float> &, float *, int64_t, float *)
VERSIONS(void, twofold, "_ZN8quantopt8numerics17runHadamardKernelERKNS0_14HadamardKernelIdEEPdlS5_",
         const HadamardKernel<double> &, double *, int64_t, double *)

static bool hasWide() { return __builtin_cpu_supports("avx512f"); }
static bool hasMiddle() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static std::vector<float> waves(int64_t count) {
  std::vector<float> numbers(count);
  for (int64_t i = 0; i < count; ++i)
    numbers[i] = 7 * std::sin(float(i) * 12.9898f);
  return numbers;
}

TEST(Processor, ClippingErrorsHaveTheSameBits) {
  std::vector<float> units = waves(1040);
  for (float ratio : {1.0f, 0.73f, 0.21f})
    for (float norm : {1.0f, 2.0f, 2.4f, 4.0f}) {
      double expected = clippingPlain(units.data(), 1040, ratio, 7, norm, HUGE_VAL);
      if (hasMiddle())
        EXPECT_EQ(clippingMiddle(units.data(), 1040, ratio, 7, norm, HUGE_VAL), expected);
      if (hasWide())
        EXPECT_EQ(clippingWide(units.data(), 1040, ratio, 7, norm, HUGE_VAL), expected);
    }
}

template <typename T> using Version = void (*)(const HadamardKernel<T> &, T *, int64_t, T *);

template <typename T> static void compareTransforms(Version<T> plain, Version<T> middle, Version<T> wide) {
  for (int64_t n : {4, 32, 64, 4096, 576, 1536, 48, 9, 15 * 64, 39 * 4}) {
    HadamardStructure structure = llvm::cantFail(hadamardStructure(n));
    HadamardFactors factors = llvm::cantFail(hadamardFactors(structure.a));
    std::vector<T> slow(factors.slow.begin(), factors.slow.end()), signs(n, -1), scratch(n);
    HadamardKernel<T> kernel{structure.a,      structure.b, slow.data(), !structure.isHartley,
                             T(factors.scale), nullptr,     signs.data()};
    std::vector<float> numbers = waves(3 * n);
    std::vector<T> expected(numbers.begin(), numbers.end()), result = expected, wideResult = expected;
    plain(kernel, expected.data(), 3, scratch.data());
    if (hasMiddle()) {
      middle(kernel, result.data(), 3, scratch.data());
      EXPECT_EQ(std::memcmp(result.data(), expected.data(), 3 * n * sizeof(T)), 0) << n;
    }
    if (hasWide()) {
      wide(kernel, wideResult.data(), 3, scratch.data());
      EXPECT_EQ(std::memcmp(wideResult.data(), expected.data(), 3 * n * sizeof(T)), 0) << n;
    }
  }
}

TEST(Processor, TransformsHaveTheSameBits) {
  compareTransforms<float>(singlePlain, singleMiddle, singleWide);
  compareTransforms<double>(twofoldPlain, twofoldMiddle, twofoldWide);
}

/// The power in clippingError against the C library's in f64.
TEST(Processor, PowersHaveARelativeErrorBelowOneMillionth) {
  for (float norm : {1.0f, 1.5f, 2.0f, 2.4f, 4.0f})
    for (int exponent = -18; exponent < 2; ++exponent)
      for (int i = 0; i < 64; ++i) {
        // One number away from code 0 at ratio 1; from 0.5 on it is clamped to code 0 by a greatest code of 0.
        float units[16] = {};
        units[0] = std::ldexp(1 + float(i) / 64, exponent);
        double expected = std::pow(double(units[0]), double(norm));
        double rest = 15 * std::pow(0x1p-30, double(norm));
        double error = clippingError(units, 16, 1, 0, norm, HUGE_VAL);
        ASSERT_NEAR((error - rest) / expected, 1, 1e-6) << units[0] << " " << norm;
      }
}
#endif
