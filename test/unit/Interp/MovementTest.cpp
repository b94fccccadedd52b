//===- MovementTest.cpp - tensors rearranged, cut and joined ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Movement.h"
#include "TestTensors.h"
#include <limits>

using namespace quantopt;
using namespace quantopt::compute;

static const Tensor matrix = integers({2, 3}, {1, 2, 3, 4, 5, 6});

TEST(Movement, Transpose) {
  expectElements<int64_t>(take(transpose(matrix, {1, 0})), {3, 2}, {1, 4, 2, 5, 3, 6});
  Tensor cube = integers({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  expectElements<int64_t>(take(transpose(cube, {2, 0, 1})), {2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7});
  EXPECT_EQ(errorOf(transpose(matrix, {0, 0})), "not a permutation");
}

TEST(Movement, Slice) {
  int64_t maximum = std::numeric_limits<int64_t>::max(), minimum = std::numeric_limits<int64_t>::min();
  expectElements<int64_t>(take(slice(matrix, {1}, {maximum}, {1}, {1})), {2, 2}, {2, 3, 5, 6});
  expectElements<int64_t>(take(slice(matrix, {-1}, {minimum}, {1}, {-2})), {2, 2}, {3, 1, 6, 4});
  expectElements<int64_t>(take(slice(matrix, {-1, 0}, {2, 1}, {0, -1}, {1, 1})), {1, 1}, {4});
  expectElements<int64_t>(take(slice(matrix, {5}, {9}, {1}, {1})), {2, 0}, {});
  expectElements<int64_t>(take(slice(matrix, {0}, {-1}, {1}, {1})), {2, 2}, {1, 2, 4, 5});
}

TEST(Movement, ConcatAndSplit) {
  Tensor empty = integers({2, 0}, {});
  expectElements<int64_t>(take(concat({matrix, empty, matrix}, -1)), {2, 6}, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6});
  auto pieces = take(split(matrix, {1, 2}, 1));
  expectElements<int64_t>(pieces[0], {2, 1}, {1, 4});
  expectElements<int64_t>(pieces[1], {2, 2}, {2, 3, 5, 6});
  EXPECT_EQ(errorOf(concat({matrix, integers({1, 2}, {1, 2})}, 0)),
            "cannot concatenate 2x3 of i64 and 1x2 of i64 along dimension 0");
}

TEST(Movement, Gathers) {
  expectElements<int64_t>(take(gather(matrix, integers({2}, {-1, 0}), 1)), {2, 2}, {3, 1, 6, 4});
  expectElements<int64_t>(take(gather(matrix, integers({}, {1}), 0)), {3}, {4, 5, 6});
  expectElements<int64_t>(take(gatherElements(matrix, integers({1, 2}, {1, 0}), 0)), {1, 2}, {4, 2});
  expectElements<int64_t>(take(gatherND(matrix, integers({2, 2}, {0, 1, 1, -1}), 0)), {2}, {2, 6});
  expectElements<int64_t>(take(gatherND(matrix, integers({2, 1}, {2, 0}), 1)), {2}, {3, 4});
  EXPECT_EQ(errorOf(gather(matrix, integers({1}, {3}), 1)), "index 3 is outside a dimension of 3");
}

TEST(Movement, Scatter) {
  Tensor updates = integers({1, 3}, {10, 20, 30});
  expectElements<int64_t>(take(scatterND(matrix, integers({1, 1}, {1}), updates, ScatterReduction::Add)), {2, 3},
                          {1, 2, 3, 14, 25, 36});
  expectElements<int64_t>(
      take(scatterElements(matrix, integers({1, 1}, {-1}), integers({1, 1}, {9}), 1, ScatterReduction::None)), {2, 3},
      {1, 2, 9, 4, 5, 6});
}

TEST(Movement, Constructors) {
  expectElements<int64_t>(take(expand(integers({2, 1}, {1, 2}), {1, 3})), {2, 3}, {1, 1, 1, 2, 2, 2});
  expectElements<int64_t>(take(tile(integers({1, 2}, {1, 2}), {2, 2})), {2, 4}, {1, 2, 1, 2, 1, 2, 1, 2});
  expectElements<int64_t>(take(pad(matrix, {0, 1}, {0, -1}, integers({}, {7}))), {2, 3}, {7, 1, 2, 7, 4, 5});
  expectElements<int64_t>(take(triangle(matrix, 0, true)), {2, 3}, {1, 2, 3, 0, 5, 6});
  expectElements<int64_t>(take(triangle(matrix, 0, false)), {2, 3}, {1, 0, 0, 4, 5, 0});
  expectElements<int64_t>(take(range(integers({}, {5}), integers({}, {0}), integers({}, {-2}))), {3}, {5, 3, 1});
  expectElements<int64_t>(take(cumulativeSum(matrix, 1, true, false)), {2, 3}, {0, 1, 3, 0, 4, 9});
  expectElements<int64_t>(take(cumulativeSum(matrix, 0, false, true)), {2, 3}, {5, 7, 9, 4, 5, 6});
  expectElements<int64_t>(compute::fill({2, 0}, integers({1}, {3})), {2, 0}, {});
}
