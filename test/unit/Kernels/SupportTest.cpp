//===- SupportTest.cpp - comparisons and mutations notice what they should -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "Mutation.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::kerneltest;

static Tensor floats(llvm::ArrayRef<float> values) {
  return Tensor::from<float>(DType::F32, {2, int64_t(values.size()) / 2}, values);
}

TEST(Comparison, FindsTheWorstElement) {
  Tensor expected = floats({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(compareExact(expected, expected.clone()), "");
  EXPECT_EQ(compareExact(floats({1, 2.5, 3, 4, 5, 7}), expected),
            "2 of 6 elements differ, the first at [0, 1]; the worst at [1, 2]: 7, expected 6");
  EXPECT_EQ(compareExact(floats({1, 2}), expected), "it is f32 [2, 1], expected f32 [2, 3]");
}

TEST(Comparison, TellsZerosApartAndNoNaNs) {
  EXPECT_NE(compareExact(floats({0, 1}), floats({-0.0f, 1})), "");
  EXPECT_EQ(compareExact(floats({std::nanf("1"), 1}), floats({std::nanf("2"), 1})), "");
  EXPECT_NE(compareExact(floats({std::nanf("1"), 1}), floats({2, 1})), "");
}

TEST(Comparison, AllowsABound) {
  Tensor expected = Tensor::from<double>(DType::F64, {2, 2}, {1, 2, 3, 4});
  auto bound = [](int64_t i) { return i == 3 ? 0.5 : 0.125; };
  EXPECT_EQ(compareWithin(floats({1.125, 2, 3, 4.5}), expected, bound), "");
  EXPECT_EQ(compareWithin(floats({1.25, 2, 3, 4.5}), expected, bound),
            "1 of 4 elements differ, the first at [0, 0]; the worst at [0, 0]: 1.25, expected 1 ± 0.125");
  EXPECT_NE(compareWithin(floats({std::nanf(""), 2, 3, 4}), expected, bound), "");
}

static constexpr const char *text = "ld.a %r1, [x];\nst.b [y], %r1;\nld.a %r2, [z];\nret;\n";

static std::string mutated(const Mutation &mutation) {
  auto result = mutate(text, mutation);
  return result ? *result : llvm::toString(result.takeError());
}

TEST(Mutation, RewritesOneLine) {
  EXPECT_EQ(mutated({"", "ld\\.a", 2, "", ""}), "ld.a %r1, [x];\nst.b [y], %r1;\nret;\n");
  EXPECT_EQ(mutated({"", "ld\\.a", -2, "%r([0-9])", "%q\\1"}),
            "ld.a %q1, [x];\nst.b [y], %r1;\nld.a %r2, [z];\nret;\n");
  EXPECT_EQ(mutated({"", "st\\.b", 1, "", "below 1"}), "ld.a %r1, [x];\nld.a %r2, [z];\nst.b [y], %r1;\nret;\n");
  EXPECT_EQ(mutated({"", "ld\\.a", 2, "", "above 2"}), "ld.a %r2, [z];\nld.a %r1, [x];\nst.b [y], %r1;\nret;\n");
}

TEST(Mutation, TakesAnInstructionForALine) {
  auto result = mutate("a.b\n\t\t{%r1},\n\t\t{%r2};\nret;\n", {"", "a\\.b", 1, "%r2", "%r3"});
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  EXPECT_EQ(*result, "a.b {%r1}, {%r3};\nret;\n");
}

TEST(Mutation, FailsWhereItDoesNotApplyOnce) {
  EXPECT_EQ(mutated({"m", "ld\\.a", 3, "", ""}), "mutation 'm': the PTX has no such line");
  EXPECT_EQ(mutated({"m", "ld\\.a", 1, "%q", "%r"}), "mutation 'm': the line does not have what is to be replaced");
  EXPECT_EQ(mutated({"m", "st\\.b", 1, "[a-z0-9]+", "?"}),
            "mutation 'm': the line has more than one of what is to be replaced");
  EXPECT_EQ(mutated({"m", "ret", 1, "ret", "ret"}), "mutation 'm': the line would stay as it is");
}
