//===- RopeAppendTest.cpp - RoPE, transform and codes in a cache -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "RopeAppendCase.h"
#include "RowCase.h"
#include "quantopt/Support/Half.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::kerneltest;

namespace {
/// A head of a token after RoPE and transform, and how far each of its elements may be off.
struct ExpectedHead {
  std::vector<double> values, bounds;
};

/// Compares one launch with exact arithmetic.
class Expectation {
public:
  Expectation(const RopeAppendCase &rope, const Kernel &kernel, const std::vector<Tensor> &operands,
              const KernelRun &run)
      : rope(rope), layout(rope.layout()), plan(llvm::cantFail(tile::getRowPlan(kernel.op()))), operands(operands),
        run(run), queries(toDoubles(run.results[0])) {
    for (unsigned i = 0; i < 5; ++i)
      inputs.push_back(toDoubles(operands[i]));
  }
  void check();

private:
  ExpectedHead expectHead(unsigned operand, int64_t row, int64_t head, int64_t position);
  void checkQuery(int64_t row, int64_t head, const ExpectedHead &expected);
  void checkStored(unsigned operand, const ExpectedHead &expected, int64_t page, int64_t token, int64_t head);
  void checkGroup(const uint8_t *codes, double scale, double zero, llvm::ArrayRef<double> values,
                  llvm::ArrayRef<double> bounds);

  const RopeAppendCase &rope;
  numerics::KvLayout layout;
  tile::RowPlan plan;
  const std::vector<Tensor> &operands;
  const KernelRun &run;
  std::vector<double> queries;
  std::vector<std::vector<double>> inputs;
  int64_t codes = 0, nearTies = 0, differences = 0;
};
} // namespace

/// A turned element is a product and a fused multiply-add: off by 2u·(|x·cos| + |x'·sin|). Then comes the transform,
/// see expectQuantized(), whose factor is rounded as is the product with it.
ExpectedHead Expectation::expectHead(unsigned operand, int64_t row, int64_t head, int64_t position) {
  int64_t d = rope.headDim, half = rope.rotary / 2, heads = operand == 0 ? rope.heads : rope.kvHeads;
  const double *x = inputs[operand].data() + (row * heads + head) * d;
  std::vector<double> values(x, x + d), magnitudes;
  if (operand == 2) // a value
    return {values, std::vector<double>(d, 0)};
  magnitudes.resize(d);
  for (int64_t i = 0; i < d; ++i) {
    magnitudes[i] = std::fabs(values[i]);
    if (i >= 2 * half)
      continue;
    double cosine = inputs[3][position * half + i % half], sine = inputs[4][position * half + i % half];
    double partner = i < half ? -x[i + half] : x[i - half];
    values[i] = x[i] * cosine + partner * sine;
    magnitudes[i] = std::fabs(x[i] * cosine) + std::fabs(partner * sine);
  }
  ExpectedHead expected{transformReference(plan, values), boundTransform(plan, magnitudes, 2 * unit)};
  if (plan.transform)
    for (auto [value, bound] : llvm::zip(expected.values, expected.bounds))
      bound += 3 * unit * std::fabs(value);
  return expected;
}

void Expectation::checkQuery(int64_t row, int64_t head, const ExpectedHead &expected) {
  for (int64_t i = 0; i < rope.headDim; ++i) {
    double value = expected.values[i], bound = expected.bounds[i];
    ASSERT_NEAR(queries[(row * rope.heads + head) * rope.headDim + i], value,
                bound + roundingBound(DType::F16, std::fabs(value) + bound))
        << "query of row " << row << ", head " << head << ", element " << i;
  }
}

static double distanceToTie(double x) { return std::fabs(x - std::floor(x) - 0.5); }

/// The scale is clip·(high - low)/codes (symmetric: clip·absmax/code): both ends as far off as an element, and 6
/// roundings. As an f16 it is one that a number within that bound rounds to. What comes after is made with the scale
/// that was stored: quotients have the error of the element, and of a reciprocal (2u) and a product.
void Expectation::checkGroup(const uint8_t *actual, double scale, double zero, llvm::ArrayRef<double> values,
                             llvm::ArrayRef<double> bounds) {
  double low = 0, high = 0, bound = 0, greatestCode = (1 << layout.bits) - 1;
  for (auto [value, error] : llvm::zip(values, bounds)) {
    low = std::min(low, value);
    high = std::max(high, value);
    bound = std::max(bound, error);
  }
  double range = layout.isSymmetric ? std::max(high, -low) : high - low;
  double steps = layout.isSymmetric ? (1 << (layout.bits - 1)) - 1 : greatestCode;
  double right = std::max(double(layout.clip) * range / steps, double(1e-8f));
  double scaleBound = 2 * bound * layout.clip / steps + 6 * unit * right;
  if (layout.hasHalfScales) {
    auto rounded = [](double x) { return halfToFloat(doubleToHalf(std::min(std::max(x, 0x1p-24), 65504.0))); };
    ASSERT_GE(scale, rounded(right - scaleBound));
    ASSERT_LE(scale, rounded(right + scaleBound));
  } else {
    ASSERT_NEAR(scale, right, scaleBound);
  }

  auto expectCode = [&](double quotient, double error, double offset, double code, const char *what) {
    double expected = std::min(std::max(std::nearbyint(quotient) + offset, 0.0), greatestCode);
    bool isNearTie = distanceToTie(quotient) <= error + std::fabs(quotient) * 5 * unit;
    nearTies += isNearTie;
    ++codes;
    EXPECT_LE(std::fabs(code - expected), isNearTie ? 1 : 0) << what << " of " << quotient << " is " << code;
  };
  if (layout.isSymmetric)
    EXPECT_EQ(zero, 1 << (layout.bits - 1));
  else
    expectCode(-low * layout.clip / scale, (bound + 2 * unit * -low) / scale, 0, zero, "zero");
  for (size_t i = 0; i < values.size(); ++i)
    expectCode(values[i] / scale, bounds[i] / scale, zero, actual[i], "code");
}

void Expectation::checkStored(unsigned operand, const ExpectedHead &expected, int64_t page, int64_t token,
                              int64_t head) {
  int64_t d = rope.headDim, offset = layout.blockOffset(page, head, rope.kvHeads);
  const auto *cache = reinterpret_cast<const uint8_t *>(run.results[operand].raw());
  if (!layout.isQuantized()) {
    std::vector<double> values(d);
    layout.readRow(cache + offset, token, values.data());
    for (int64_t i = 0; i < d; ++i)
      ASSERT_NEAR(values[i], expected.values[i],
                  expected.bounds[i] + roundingBound(DType::F16, std::fabs(expected.values[i]) + expected.bounds[i]));
    return;
  }
  std::vector<uint8_t> stored(d);
  std::vector<float> scales(layout.groups()), zeros(layout.groups());
  layout.readCodes(cache + offset, token, stored.data(), scales.data(), zeros.data());
  for (int64_t group = 0; group < layout.groups(); ++group) {
    int64_t first = group * layout.groupSize;
    checkGroup(stored.data() + first, scales[group], zeros[group],
               llvm::ArrayRef(expected.values).slice(first, layout.groupSize),
               llvm::ArrayRef(expected.bounds).slice(first, layout.groupSize));
  }
  // KvLayout itself says the same, but for what is near a tie.
  std::vector<uint8_t> block(layout.blockBytes()), codesOfLayout(d);
  std::vector<float> scalesOfLayout(layout.groups()), zerosOfLayout(layout.groups());
  layout.writeRow(expected.values.data(), token, block.data());
  layout.readCodes(block.data(), token, codesOfLayout.data(), scalesOfLayout.data(), zerosOfLayout.data());
  for (int64_t group = 0; group < layout.groups(); ++group) {
    // Next to a tie of f16 scales may be neighbours; then codes are others.
    EXPECT_NEAR(scales[group], scalesOfLayout[group], scales[group] * (layout.hasHalfScales ? 0x1p-10 : 0x1p-20));
    if (scales[group] != scalesOfLayout[group] || zeros[group] != zerosOfLayout[group])
      continue;
    for (int64_t i = group * layout.groupSize; i < (group + 1) * layout.groupSize; ++i)
      differences += stored[i] != codesOfLayout[i];
  }
}

void Expectation::check() {
  std::vector<Tensor> untouched = {operands[rope.firstCache()], operands[rope.firstCache() + 1]};
  for (int64_t row = 0; row < rope.rows(); ++row) {
    const auto &state = rope.sequences[row / rope.tokens];
    int64_t index = state[0] + row % rope.tokens, position = std::max<int64_t>(0, index - state[1]);
    position = std::min(position, rope.positions - 1);
    for (int64_t head = 0; head < rope.heads; ++head)
      checkQuery(row, head, expectHead(0, row, head, position));
    std::optional<std::pair<int64_t, int64_t>> place = rope.findPlace(row);
    if (!place)
      continue;
    for (unsigned operand : {1u, 2u})
      for (int64_t head = 0; head < rope.kvHeads; ++head) {
        SCOPED_TRACE("row " + std::to_string(row) + ", head " + std::to_string(head) + " of operand " +
                     std::to_string(operand));
        checkStored(operand, expectHead(operand, row, head, position), place->first, place->second, head);
        if (::testing::Test::HasFailure())
          return;
      }
  }
  EXPECT_LE(nearTies, 4 + codes / 100);
  EXPECT_LE(differences, nearTies);
  // What belongs to other tokens is as it was.
  for (unsigned operand : {1u, 2u}) {
    Tensor before = operands[rope.firstCache() + operand - 1].clone(), after = run.results[operand].clone();
    rope.eraseTokens(before);
    rope.eraseTokens(after);
    EXPECT_EQ(compareExact(after, before), "");
  }
}

static void expectRopeAppend(const RopeAppendCase &rope, ptx::Counters *counters = nullptr) {
  SCOPED_TRACE(rope.text());
  auto kernel = Kernel::build(rope.text());
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::vector<Tensor> operands = rope.operands();
  auto run = (*kernel)->run(operands, rope.rows());
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  Expectation(rope, **kernel, operands, *run).check();
  EXPECT_EQ(run->counters.sharedConflicts, 0u);
  if (counters)
    *counters = run->counters;
}

/// Cases by what differs from SmolLM2's shape: 9 heads of 64 for 3 of the cache, one sequence, contiguous.
static std::vector<RopeAppendCase> makeCases() {
  std::vector<RopeAppendCase> cases(12);
  cases[1].hadamard = "#rot.hadamard<64>";
  cases[1].sequences = {{40, 0}, {7, 5}}; // the second begins within its padding
  cases[1].tokens = 3;
  cases[2].isPaged = true;
  cases[2].sequences = {{15, 3}, {61, 0}, {0, 2}};
  cases[2].tokens = 5;
  cases[2].page = 16;
  cases[2].group = 32;
  cases[2].input = "f16";
  cases[3] = {5, 1, 128, 128, "f16", "#rot.hadamard<128, seed = 3>"};
  cases[3].isSymmetric = true;
  cases[3].group = 128;
  cases[3].bits = 8;
  cases[4] = {4, 4, 96, 96, "f32", "#rot.hadamard<96>"};
  cases[4].group = 48; // does not meet a butterfly
  cases[4].bits = 2;
  cases[4].hasHalfScales = false;
  cases[4].sequences = {{9, 0}, {3, 1}};
  cases[5] = {6, 2, 80, 32, "f32", ""};
  cases[5].group = 80;
  cases[5].bits = 8;
  cases[5].isPaged = true;
  cases[6] = {3, 3, 80, 20, "f16", "#rot.hadamard<80>"}; // a half that vectors do not divide
  cases[6].group = 16;
  cases[6].bits = 3;
  cases[7] = {7, 7, 256, 64, "f32", ""};
  cases[7].group = 64;
  cases[7].isSymmetric = true;
  cases[7].bits = 4;
  cases[8] = {2, 1, 64, 16, "f32", "#rot.hadamard<64>"};
  cases[8].bits = 16;
  cases[8].tokens = 4;
  cases[9] = {3, 1, 144, 144, "f16", "#rot.hadamard<144>"}; // two vectors of a lane
  cases[9].group = 48;
  cases[9].bits = 4;
  cases[10].bits = 2; // the context ends within the step
  cases[10].isSymmetric = true;
  cases[10].sequences = {{62, 0}, {70, 0}};
  cases[10].tokens = 5;
  cases[11] = {1, 1, 16, 16, "f32", ""};
  cases[11].group = 16;
  cases[11].isPaged = true;
  cases[11].page = 16;
  cases[11].sequences = {{60, 0}, {14, 20}}; // a page that is missing
  cases[11].tokens = 6;
  return cases;
}

TEST(RopeAppend, EveryArchitecture) {
  for (const char *arch : allArchs)
    for (RopeAppendCase rope : makeCases()) {
      rope.arch = arch;
      expectRopeAppend(rope);
    }
}

TEST(RopeAppend, BrainFloats) {
  RopeAppendCase rope;
  rope.input = "bf16";
  expectRopeAppend(rope);
  rope.arch = "sm_90a";
  expectRopeAppend(rope);
}

TEST(RopeAppend, SmallBlocksAndLargeOnes) {
  for (int64_t threads : {32, 64, 256, 1024}) {
    RopeAppendCase rope;
    rope.threads = threads;
    rope.hadamard = "#rot.hadamard<64>";
    expectRopeAppend(rope);
  }
}

/// Rows of zeros, and of one number alone: scales are at least 2^-24, and every code is the zero.
TEST(RopeAppend, RowsWithoutARange) {
  RopeAppendCase rope;
  rope.isZero = true;
  expectRopeAppend(rope);
  rope.isSymmetric = true;
  rope.hasHalfScales = false;
  expectRopeAppend(rope);
}

/// Whatever a state says, angles are read from their tables, and nothing is written outside of the cache.
TEST(RopeAppend, StatesOutOfRange) {
  for (bool isPaged : {false, true}) {
    RopeAppendCase rope;
    rope.isPaged = isPaged;
    rope.sequences = {{std::numeric_limits<int>::max(), 0}, {-5, 0}, {64, std::numeric_limits<int>::min()}};
    auto kernel = Kernel::build(rope.text());
    ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
    std::vector<Tensor> operands = rope.operands();
    auto run = (*kernel)->run(operands, rope.rows());
    ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
    for (unsigned cache : {1u, 2u})
      EXPECT_EQ(compareExact(run->results[cache], operands[rope.firstCache() + cache - 1]), "");
  }
}

/// 16 heads of 64 fill four blocks of four warps with four heads each. Everything is read once but for the angles,
/// which every warp reads that has a query or a key, as it does the state of the sequence.
TEST(RopeAppend, MovesEveryElementOnce) {
  RopeAppendCase rope{8, 4, 64, 64, "f16", "#rot.hadamard<64>"};
  rope.sequences = {{3, 0}};
  rope.tokens = 4;
  ptx::Counters counters;
  expectRopeAppend(rope, &counters);
  int64_t rows = rope.rows(), elements = rows * 16 * 64, warps = rows * 4;
  int64_t angles = 2 * rows * 3 * 32 * 4, state = warps * (4 + 16);
  EXPECT_EQ(counters.globalLoads.bytes, uint64_t(2 * elements + angles + state));
  EXPECT_EQ(counters.globalStores.bytes, uint64_t(rows * (8 * 64 * 2 + 8 * rope.layout().tokenBytes())));
}
