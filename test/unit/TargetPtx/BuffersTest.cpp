//===- BuffersTest.cpp - places of activations ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Buffers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"
#include <random>

using namespace quantopt;
using Requests = llvm::SmallVector<BufferRequest>;

namespace {
/// What lives at an op in bytes per row, at most over all ops: no arena is smaller.
int64_t leastRowBytes(llvm::ArrayRef<BufferRequest> requests, const BufferPlan &plan) {
  int64_t last = 0, most = 0;
  for (const BufferRequest &request : requests)
    last = std::max(last, request.end);
  for (int64_t op = 0; op <= last; ++op) {
    int64_t sum = 0;
    for (auto [i, request] : llvm::enumerate(requests))
      if (request.begin + plan.isInPlace[i] <= op && op <= request.end)
        sum += llvm::alignTo(request.rowBytes, 16);
    most = std::max(most, sum);
  }
  return most;
}

/// What holds for every plan.
void check(llvm::ArrayRef<BufferRequest> requests, const BufferPlan &plan) {
  ASSERT_EQ(plan.offsets.size(), requests.size());
  int64_t naive = 0;
  for (auto [i, request] : llvm::enumerate(requests)) {
    naive += llvm::alignTo(request.rowBytes, 16);
    EXPECT_EQ(plan.offsets[i] % 16, 0);
    EXPECT_GE(plan.offsets[i], 0);
    EXPECT_LE(plan.offsets[i] + request.rowBytes, plan.rowBytes);
    if (plan.isInPlace[i]) {
      ASSERT_TRUE(request.residual);
      EXPECT_EQ(plan.offsets[i], plan.offsets[*request.residual]);
      EXPECT_EQ(requests[*request.residual].end, request.begin) << "the residual is read later";
      EXPECT_EQ(requests[*request.residual].rowBytes, request.rowBytes);
    }
    for (size_t j = 0; j < i; ++j) {
      const BufferRequest &other = requests[j];
      bool isTakenOver = plan.isInPlace[i] && request.residual == j;
      if (isTakenOver || request.begin > other.end || other.begin > request.end)
        continue;
      bool isApart =
          plan.offsets[i] + request.rowBytes <= plan.offsets[j] || plan.offsets[j] + other.rowBytes <= plan.offsets[i];
      EXPECT_TRUE(isApart) << i << " and " << j << " overlap while both live";
    }
  }
  EXPECT_LE(plan.rowBytes, naive);
  EXPECT_GE(plan.rowBytes, leastRowBytes(requests, plan));
}
} // namespace

TEST(Buffers, ShareThePlaceOfWhatIsDead) {
  // A chain a -> b -> c -> d: two places suffice.
  Requests chain = {{64, 0, 1, {}}, {64, 1, 2, {}}, {64, 2, 3, {}}, {64, 3, 4, {}}};
  BufferPlan plan = planBuffers(chain);
  check(chain, plan);
  EXPECT_EQ(plan.rowBytes, 128);
  EXPECT_EQ(plan.offsets[0], plan.offsets[2]);
}

TEST(Buffers, AResultTakesThePlaceOfAResidualThatDies) {
  Requests requests = {{2304, 0, 2, {}}, {288, 1, 2, {}}, {2304, 2, 3, 0}};
  BufferPlan plan = planBuffers(requests);
  check(requests, plan);
  EXPECT_TRUE(plan.isInPlace[2]);
  EXPECT_EQ(plan.rowBytes, 2304 + 288);
  // Something reads the residual later, or its rows are of another length.
  requests[0].end = 3;
  plan = planBuffers(requests);
  check(requests, plan);
  EXPECT_FALSE(plan.isInPlace[2]);
  requests[0] = {1152, 0, 2, {}};
  plan = planBuffers(requests);
  check(requests, plan);
  EXPECT_FALSE(plan.isInPlace[2]);
}

TEST(Buffers, ALongLifeIsThatOfAllInThePlace) {
  // The stream of a decoder: what others write meanwhile stays out of its place, also after two additions.
  Requests requests = {{64, 0, 2, {}}, {64, 1, 2, {}}, {64, 2, 4, 0}, {64, 3, 4, {}}, {64, 4, 6, 2}, {64, 5, 6, {}}};
  BufferPlan plan = planBuffers(requests);
  check(requests, plan);
  EXPECT_EQ(plan.rowBytes, 128);
}

TEST(Buffers, RowsAreFilledUpTo16Bytes) {
  Requests requests = {{4, 0, 1, {}}, {20, 0, 1, {}}, {1, 0, 1, {}}};
  BufferPlan plan = planBuffers(requests);
  check(requests, plan);
  EXPECT_EQ(plan.rowBytes, 32 + 16 + 16);
}

TEST(Buffers, NothingTakesNoPlace) { EXPECT_EQ(planBuffers({}).rowBytes, 0); }

TEST(Buffers, RandomGraphs) {
  std::mt19937 random(7);
  auto draw = [&](int64_t most) { return int64_t(random() % (most + 1)); };
  for (int graph = 0; graph < 200; ++graph) {
    Requests requests;
    for (int64_t op = 0, count = 2 + draw(40); op < count; ++op) {
      BufferRequest request{1 + draw(300), op, op + draw(6), {}};
      if (op && draw(1)) {
        size_t residual = draw(op - 1);
        // No two results may take one place.
        bool isFree = llvm::none_of(requests, [&](const BufferRequest &r) { return r.residual == residual; });
        if (isFree) {
          request.residual = residual;
          request.rowBytes = draw(3) ? requests[residual].rowBytes : request.rowBytes;
          requests[residual].end = std::max(requests[residual].end, op);
        }
      }
      requests.push_back(request);
    }
    check(requests, planBuffers(requests));
  }
}
