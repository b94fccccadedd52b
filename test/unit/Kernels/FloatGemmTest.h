//===- FloatGemmTest.h - tests of matrix products of floats ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_FLOATGEMMTEST_H
#define QUANTOPT_TEST_UNIT_KERNELS_FLOATGEMMTEST_H

#include "GemmTest.h"
#include <cmath>

namespace quantopt::kerneltest {

/// Rows, outputs and contraction: rows of floats are multiples of 16 bytes.
inline constexpr std::array<int64_t, 3> floatGemmShapes[] = {{33, 192, 576}, {1, 100, 72},   {65, 99, 200},
                                                             {70, 7, 40},    {5, 200, 1032}, {128, 64, 576}};

/// Random operands in the order of the op's.
inline std::vector<Tensor> randomFloatOperands(const GemmCase &gemm, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Tensor> operands = {roundTo(gemm.input, randomFloats({gemm.rows, gemm.inner}, -2, 2, random))};
  if (gemm.weight == DType::I4) {
    operands.push_back(randomCodes(gemm.weight, {gemm.outputs, gemm.inner}, random));
    Tensor scales = randomFloats({gemm.outputs, std::max<int64_t>(1, gemm.groups)}, 0.01f, 0.1f, random);
    operands.push_back(roundTo(gemm.scale, scales));
  } else {
    operands.push_back(roundTo(gemm.weight, randomFloats({gemm.outputs, gemm.inner}, -1, 1, random)));
  }
  if (gemm.bias)
    operands.push_back(randomFloats({gemm.outputs}, -2, 2, random));
  if (gemm.residual)
    operands.push_back(roundTo(gemm.result, randomFloats({gemm.rows, gemm.outputs}, -4, 4, random)));
  return operands;
}

/// Half the distance between neighbouring values of a type at 1, and below its normal numbers.
inline double unitRoundoff(DType type) { return type == DType::F32 ? 0x1p-24 : type == DType::F16 ? 0x1p-11 : 0x1p-8; }
inline double smallestRoundoff(DType type) { return type == DType::F16 ? 0x1p-25 : 0x1p-134; }

/// Results in f64, and how far a kernel's may be from them.
///
/// Let S = Σ |x[k]·w[k]·s|, u the roundoff of the input's type and v = 2⁻²³, a sum of f32 that may be truncated. A
/// weight times its scale is rounded at most twice, the scale's own conversion among them: 2u·S (kernels with floats as
/// weights round nothing, and products of 11-bit numbers are exact in f32). Sums of K products are off by (K + 8)·v·S
/// at most, whatever their order, with the parts of the contraction, scaling, bias and residual among the 8. Each of
/// the last steps adds v times what it gives, below S + |bias| + |residual|. The type of the result rounds once.
struct FloatReference {
  Tensor values, bounds;
};
inline FloatReference referenceOf(const GemmCase &gemm, const std::vector<Tensor> &operands) {
  std::vector<double> x = toDoubles(operands[0]), w = toDoubles(operands[1]), scales(gemm.outputs, 1.0);
  size_t next = 2;
  bool isPacked = gemm.weight == DType::I4;
  if (isPacked)
    scales = toDoubles(operands[next++]);
  std::vector<double> bias(gemm.outputs), residual(gemm.rows * gemm.outputs);
  if (gemm.bias)
    bias = toDoubles(operands[next++]);
  if (gemm.residual)
    residual = toDoubles(operands[next++]);
  int64_t groups = std::max<int64_t>(1, gemm.groups), groupSize = gemm.inner / groups;
  constexpr double v = 0x1p-23;
  double weightError = isPacked ? 2 * unitRoundoff(gemm.input) : 0;
  FloatReference reference{Tensor(DType::F64, {gemm.rows, gemm.outputs}),
                           Tensor(DType::F64, {gemm.rows, gemm.outputs})};
  for (int64_t m = 0, i = 0; m < gemm.rows; ++m)
    for (int64_t n = 0; n < gemm.outputs; ++n, ++i) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < gemm.inner; ++k) {
        double product =
            x[m * gemm.inner + k] * w[n * gemm.inner + k] * scales[isPacked ? n * groups + k / groupSize : n];
        sum += product;
        magnitude += std::fabs(product);
      }
      double value = sum + bias[n] + residual[i];
      double error =
          (weightError + (gemm.inner + 8) * v) * magnitude + 2 * v * (std::fabs(bias[n]) + std::fabs(residual[i]));
      error += unitRoundoff(gemm.result) * (std::fabs(value) + error) + smallestRoundoff(gemm.result);
      reference.values.mutableData<double>()[i] = value;
      reference.bounds.mutableData<double>()[i] = error;
    }
  return reference;
}

/// Builds the product, runs it on random operands and expects results within the bound and no bank conflicts.
inline void expectFloatGemm(const GemmCase &gemm, unsigned seed = 1) {
  SCOPED_TRACE(gemm.describe());
  auto kernel = Kernel::build(gemm.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::vector<Tensor> operands = randomFloatOperands(gemm, seed);
  auto run = (*kernel)->run(operands, gemm.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  FloatReference reference = referenceOf(gemm, operands);
  auto bound = [&](int64_t i) { return reference.bounds.data<double>()[i]; };
  EXPECT_EQ(compareWithin(run->results[0], reference.values, bound), "");
  EXPECT_EQ(run->counters.sharedConflicts, 0u);
}

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_FLOATGEMMTEST_H
