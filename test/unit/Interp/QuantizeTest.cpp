//===- QuantizeTest.cpp - codes, scales and products of codes -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Quantize.h"
#include "TestTensors.h"
#include "quantopt/Support/Conversion.h"

using namespace quantopt;
using namespace quantopt::compute;

TEST(Quantize, PerTensorAxisAndBlock) {
  Tensor x = floats({2, 3}, {0.5f, 1.5f, -100, 2.5f, 10, -3});
  expectElements<int8_t>(take(quantizeLinear(x, floats({}, {1}), Tensor(), {}, DType::I4)), {2, 3},
                         {0, 2, -8, 2, 7, -3});
  expectElements<int8_t>(take(quantizeLinear(x, floats({2}, {0.5f, 2}), Tensor(), {0, 0}, DType::I8)), {2, 3},
                         {1, 3, -128, 1, 5, -2});
  Tensor scales = floats({2, 2}, {0.5f, 10, 1, 3});
  expectElements<int8_t>(take(quantizeLinear(x, scales, Tensor(), {-1, 2}, DType::I4)), {2, 3}, {1, 3, -8, 2, 7, -1});
  EXPECT_EQ(errorOf(quantizeLinear(x, floats({2, 1}, {1, 1}), Tensor(), {1, 2}, DType::I4)),
            "expected scales of shape 2x2 for blocks of 2, not 2x1");
}

TEST(Quantize, ZeroPoints) {
  Tensor x = floats({4}, {-1, 0, 0.5f, 9}), scale = floats({}, {0.5f});
  Tensor zero = Tensor::from<uint8_t>(DType::U4, {}, {3});
  Tensor codes = take(quantizeLinear(x, scale, zero, {}, DType::U4));
  expectElements<uint8_t>(codes, {4}, {1, 3, 4, 15});
  expectElements<float>(take(dequantizeLinear(codes, scale, zero, {}, DType::F32)), {4}, {-1, 0, 0.5f, 6});
}

TEST(Quantize, RaggedBlocksAlongTheFirstAxis) {
  Tensor codes = Tensor::from<int8_t>(DType::I4, {3, 2}, {1, 2, 3, 4, 5, 6});
  Tensor scales = floats({2, 2}, {1, 10, 2, 20});
  expectElements<float>(take(dequantizeLinear(codes, scales, Tensor(), {0, 2}, DType::F32)), {3, 2},
                        {1, 20, 3, 40, 10, 120});
}

TEST(Quantize, DynamicCodesDoNotDependOnOtherRows) {
  Tensor x = randomFloats({40, 576}, 1);
  DynamicCodes all = quantizeDynamic(x, 4, 128, 0.9, DType::I4);
  EXPECT_EQ(all.scale.shape().vec(), (std::vector<int64_t>{40, 5}));
  Tensor last(DType::F32, {1, 576});
  std::copy_n(x.data<float>().data() + 39 * 576, 576, last.mutableData<float>().data());
  DynamicCodes one = quantizeDynamic(last, 4, 128, 0.9, DType::I4);
  EXPECT_TRUE(std::equal(one.codes.data<int8_t>().begin(), one.codes.data<int8_t>().end(),
                         all.codes.data<int8_t>().begin() + 39 * 576));
  DynamicCodes cache = quantizeDynamic(x, 4, 0, 0.95, DType::U4);
  EXPECT_EQ(cache.zero.shape().vec(), (std::vector<int64_t>{40, 1}));
}

TEST(Quantize, CodesAreMadeWithHalfScalesAsRounded) {
  Tensor x = floats({1, 4}, {0.1f, -0.7f, 2.05f, 0.2f});
  DynamicCodes half = quantizeDynamic(x, 4, 0, 1, DType::U4, /*hasHalfScales=*/true);
  float scale = half.scale.data<float>()[0]; // 2.75/15 = 0.18333334, between the f16 values 0.18325 and 0.18338
  EXPECT_EQ(scale, 1502.0f / 8192);
  EXPECT_EQ(convert(convert(half.scale, DType::F16), DType::F32).data<float>()[0], scale);
  expectElements<uint8_t>(half.codes, {1, 4}, {5, 0, 15, 5});
  DynamicCodes tiny = quantizeDynamic(floats({1, 2}, {0, 1e-9f}), 4, 0, 1, DType::I4, /*hasHalfScales=*/true);
  EXPECT_EQ(tiny.scale.data<float>()[0], 0x1p-24f);
}

static Tensor codes(llvm::ArrayRef<int64_t> shape, int seed, DType type, int range) {
  Tensor result(type, shape);
  for (int64_t i = 0; i < result.numElements(); ++i)
    result.mutableData<int8_t>()[i] = int8_t((i * seed + i / 7) % (2 * range) - range);
  return result;
}

/// The definition: exact integer sums, scaled in f32 in the order of the operation.
static void expectDefinition(DType type, int range, int64_t depth, int64_t groupSize, int64_t xGroups,
                             int64_t wGroups) {
  Tensor x = codes({3, depth}, 5, type, range), w = codes({4, depth}, 11, type, range);
  Tensor xs = randomFloats({3, xGroups}, 2), ws = randomFloats({4, wGroups}, 3), y(DType::F32, {3, 4});
  ASSERT_FALSE(bool(quantizedLinearInto(x, xs, groupSize, w, ws, groupSize, y, 0)));
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 4; ++j) {
      int64_t groups = std::max(xGroups, wGroups);
      float expected = 0;
      for (int64_t g = 0; g < groups; ++g) {
        int64_t first = groups == 1 ? 0 : g * groupSize, end = groups == 1 ? depth : std::min(depth, first + groupSize);
        int64_t sum = 0;
        for (int64_t k = first; k < end; ++k)
          sum += x.data<int8_t>()[i * depth + k] * w.data<int8_t>()[j * depth + k];
        float term = (float(sum) * xs.data<float>()[i * xGroups + (xGroups == 1 ? 0 : g)]) *
                     ws.data<float>()[j * wGroups + (wGroups == 1 ? 0 : g)];
        expected = g ? expected + term : term;
      }
      ASSERT_EQ(y.data<float>()[i * 4 + j], expected) << i << " " << j;
    }
}

TEST(QuantizedLinear, FollowsItsDefinition) {
  expectDefinition(DType::I4, 8, 576, 0, 1, 1);
  expectDefinition(DType::I4, 8, 576, 128, 5, 5);
  expectDefinition(DType::I4, 8, 576, 128, 1, 5);
  expectDefinition(DType::I4, 8, 576, 128, 5, 1);
  expectDefinition(DType::I8, 127, 4096, 0, 1, 1); // sums beyond 2^24
}
