//===- NarrowFloatTest.cpp - tests of floating point in a byte or less -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/NarrowFloat.h"
#include "quantopt/Support/Conversion.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace quantopt;

static constexpr DType types[] = {DType::F8E4M3FN,   DType::F8E4M3FNUZ, DType::F8E5M2,
                                  DType::F8E5M2FNUZ, DType::F8E8M0FNU,  DType::F4E2M1FN};
static constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(NarrowFloatTest, EveryCodeIsItsNumber) {
  for (DType type : types)
    for (int bits = 0; bits < 1 << bitsInFile(type); ++bits) {
      double value = decodeNarrow(type, bits);
      if (std::isnan(value))
        EXPECT_TRUE(std::isnan(decodeNarrow(type, encodeNarrow(type, value)))) << toString(type).str() << bits;
      else
        EXPECT_EQ(encodeNarrow(type, value, {false, PowerRounding::Nearest}), bits) << toString(type).str();
    }
}

TEST(NarrowFloatTest, RoundsToNearestEven) {
  // Between neighbouring positive numbers, the middle goes to the even code.
  for (DType type : types) {
    if (type == DType::F8E8M0FNU)
      continue;
    for (int bits = 0; bits + 1 < 1 << (bitsInFile(type) - 1); ++bits) {
      double low = decodeNarrow(type, bits), high = decodeNarrow(type, bits + 1);
      if (!std::isfinite(low) || !std::isfinite(high))
        continue;
      double middle = (low + high) / 2;
      EXPECT_EQ(encodeNarrow(type, middle), bits + bits % 2) << toString(type).str() << bits;
      EXPECT_EQ(encodeNarrow(type, std::nextafter(middle, low)), bits) << toString(type).str() << bits;
      EXPECT_EQ(encodeNarrow(type, std::nextafter(middle, high)), bits + 1) << toString(type).str() << bits;
    }
  }
}

TEST(NarrowFloatTest, SaturatesOnlyWhereAsked) {
  EXPECT_EQ(decodeNarrow(DType::F8E4M3FN, encodeNarrow(DType::F8E4M3FN, 1e9)), 448);
  EXPECT_EQ(decodeNarrow(DType::F8E5M2, encodeNarrow(DType::F8E5M2, -infinity)), -57344);
  EXPECT_EQ(decodeNarrow(DType::F4E2M1FN, encodeNarrow(DType::F4E2M1FN, -7, {false, {}})), -6);
  EXPECT_EQ(decodeNarrow(DType::F8E5M2, encodeNarrow(DType::F8E5M2, 1e9, {false, {}})), infinity);
  EXPECT_TRUE(std::isnan(decodeNarrow(DType::F8E4M3FN, encodeNarrow(DType::F8E4M3FN, 1e9, {false, {}}))));
  EXPECT_EQ(encodeNarrow(DType::F8E4M3FNUZ, -0.0), 0);
}

TEST(NarrowFloatTest, RoundsPowersAsAsked) {
  auto power = [](double value, PowerRounding rounding) {
    return decodeNarrow(DType::F8E8M0FNU, encodeNarrow(DType::F8E8M0FNU, value, {true, rounding}));
  };
  EXPECT_EQ(power(2.5, PowerRounding::Up), 4);
  EXPECT_EQ(power(3.5, PowerRounding::Down), 2);
  EXPECT_EQ(power(3.0, PowerRounding::Nearest), 4);
  EXPECT_EQ(power(2.9, PowerRounding::Nearest), 2);
  EXPECT_EQ(power(1e300, PowerRounding::Up), std::ldexp(1.0, 127));
}

TEST(NarrowFloatTest, ConvertsTensors) {
  Tensor x = Tensor::from<float>(DType::F32, {4}, {0.3f, -1.0f, 5.0f, 100.0f});
  Tensor back = convert(convert(x, DType::F4E2M1FN), DType::F32);
  EXPECT_EQ(back.data<float>().vec(), (std::vector<float>{0.5f, -1.0f, 4.0f, 6.0f}));
}
