//===- ConversionTest.cpp - tensors between element types ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Conversion.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace quantopt;

static const DType allTypes[] = {DType::F64, DType::F32, DType::F16,  DType::BF16, DType::I64,
                                 DType::I32, DType::I16, DType::I8,   DType::U64,  DType::U32,
                                 DType::U16, DType::U8,  DType::Bool, DType::I4,   DType::U4};

TEST(Conversion, SmallNumbersSurviveEveryPair) {
  Tensor numbers = Tensor::from<int64_t>(DType::I64, {2, 4}, {0, 1, 2, 3, 4, 5, 6, 7});
  Tensor bits = Tensor::from<int64_t>(DType::I64, {2, 4}, {0, 1, 1, 0, 1, 0, 0, 1});
  for (DType from : allTypes)
    for (DType to : allTypes) {
      const Tensor &expected = from == DType::Bool || to == DType::Bool ? bits : numbers;
      Tensor back = convert(convert(convert(expected, from), to), DType::I64);
      EXPECT_EQ(back.data<int64_t>(), expected.data<int64_t>()) << toString(from).str() << " " << toString(to).str();
      EXPECT_EQ(back.shape(), expected.shape());
    }
}

TEST(Conversion, FloatsTruncateAndSaturate) {
  Tensor source = Tensor::from<float>(DType::F32, {6}, {-1e10f, -1.9f, 1.9f, 300.0f, 1e30f, NAN});
  auto check = [&](DType type, std::vector<int64_t> expected) {
    Tensor result = convert(convert(source, type), DType::I64);
    EXPECT_EQ(result.data<int64_t>(), llvm::ArrayRef(expected)) << toString(type).str();
  };
  check(DType::I8, {-128, -1, 1, 127, 127, 0});
  check(DType::U8, {0, 0, 1, 255, 255, 0});
  check(DType::I4, {-8, -1, 1, 7, 7, 0});
  check(DType::U4, {0, 0, 1, 15, 15, 0});
  check(DType::I32, {INT32_MIN, -1, 1, 300, INT32_MAX, 0});
  check(DType::I64, {-10000000000, -1, 1, 300, INT64_MAX, 0});
  check(DType::Bool, {1, 1, 1, 1, 1, 1});
}

TEST(Conversion, IntegersKeepTheirLowBits) {
  Tensor source = Tensor::from<int32_t>(DType::I32, {4}, {-1, 200, 257, 9});
  EXPECT_EQ(convert(source, DType::I8).data<int8_t>(), llvm::ArrayRef<int8_t>({-1, -56, 1, 9}));
  EXPECT_EQ(convert(source, DType::U8).data<uint8_t>(), llvm::ArrayRef<uint8_t>({255, 200, 1, 9}));
  EXPECT_EQ(convert(source, DType::I4).data<int8_t>(), llvm::ArrayRef<int8_t>({-1, -8, 1, -7}));
  EXPECT_EQ(convert(source, DType::U4).data<uint8_t>(), llvm::ArrayRef<uint8_t>({15, 8, 1, 9}));
}

TEST(Conversion, WideIntegersRoundOnce) {
  // 2^62 + 2^38 + 1 lies just above the middle between two floats; f64 would drop the 1 and make it a tie.
  int64_t value = (int64_t(1) << 62) + (int64_t(1) << 38) + 1;
  Tensor source = Tensor::from<int64_t>(DType::I64, {2}, {value, -value});
  Tensor narrow = convert(source, DType::F32);
  llvm::ArrayRef<float> floats = narrow.data<float>();
  EXPECT_EQ(floats[0], float(value));
  EXPECT_EQ(floats[1], float(-value));
  EXPECT_GT(floats[0], 0x1p62f);
  Tensor unsignedSource = Tensor::from<uint64_t>(DType::U64, {1}, {(uint64_t(1) << 63) + (uint64_t(1) << 39) + 1});
  EXPECT_EQ(convert(unsignedSource, DType::F32).data<float>()[0], 0x1.000002p63f);
}

TEST(Conversion, LongTensorsAreConvertedWhole) {
  Tensor source(DType::BF16, {3, 1001});
  for (int64_t i = 0; i < source.numElements(); ++i)
    source.mutableData<uint16_t>()[i] = uint16_t(0x3f80 + i % 100);
  Tensor single = convert(source, DType::F32);
  EXPECT_EQ(convert(single, DType::BF16).data<uint16_t>(), source.data<uint16_t>());
  Tensor twofold = convert(source, DType::F64);
  for (int64_t i = 0; i < source.numElements(); ++i)
    ASSERT_EQ(twofold.data<double>()[i], single.data<float>()[i]);
}

TEST(Conversion, SameTypeSharesTheBuffer) {
  Tensor source = Tensor::zeros(DType::I8, {5});
  EXPECT_EQ(convert(source, DType::I8).raw(), source.raw());
}
