//===- AttentionCase.cpp - attention over a cache: text, operands, reference -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionCase.h"
#include "Comparison.h"
#include "quantopt/Support/Half.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace quantopt;
using namespace quantopt::kerneltest;

static constexpr double unit = 0x1p-24, halfUnit = 0x1p-11, log2OfE = 1.4426950408889634;

std::string AttentionCase::describe() const {
  std::string text =
      llvm::formatv("{0} {1} new, {2}/{3} heads of {4}, kv{5} groups of {6}{7}{8}, page {9}, window {10}, "
                    "cap {11}, {12}, {13} warps, {14} splits;",
                    arch, newTokens, heads, kvHeads, headDim, bits, group, isSymmetric ? " sym" : "",
                    hasHalfScales ? "" : " f32", page, window, softcap, result, warps, splits);
  for (const SequenceCase &sequence : sequences)
    text += llvm::formatv(" {0}-{1}", sequence.start, sequence.past);
  return text;
}

int64_t AttentionCase::context() const {
  int64_t longest = 0;
  for (const SequenceCase &sequence : sequences)
    longest = std::max<int64_t>(longest, sequence.past + newTokens);
  return longest;
}

numerics::KvLayout AttentionCase::layout() const {
  numerics::KvLayout layout;
  layout.bits = bits;
  layout.headDim = headDim;
  layout.groupSize = group;
  layout.pageTokens = page ? page : int64_t(llvm::alignTo(context(), 16));
  layout.isSymmetric = isSymmetric;
  layout.hasHalfScales = hasHalfScales;
  return layout;
}

double AttentionCase::scale() const { return 1 / std::sqrt(double(headDim)); }

static int64_t pagesPerSequence(const AttentionCase &attention) {
  return int64_t(llvm::divideCeil(attention.context(), attention.layout().pageTokens)) + 1;
}

std::string AttentionCase::text(bool isDecode) const {
  numerics::KvLayout cache = layout();
  std::string cacheType = llvm::formatv("tensor<?x{0}x{1}xui8>", kvHeads, cache.blockBytes());
  std::string pages = page ? llvm::formatv("tensor<?x{0}xi32>, ", pagesPerSequence(*this)).str() : "";
  std::string resultType = llvm::formatv(
      "tensor<?x{0}x{1}>", isDecode ? heads * splits * (headDim + 2) : heads * headDim, isDecode ? "f32" : result);
  std::string types =
      llvm::formatv("tensor<?x{0}xf16>, tensor<?x4xi32>, {1}{2}, {2}", heads * headDim, pages, cacheType);
  return llvm::formatv(
      "func.func @f(%q: tensor<?x{0}xf16>, %s: tensor<?x4xi32>, {1}%k: {2}, %v: {2}) {{\n"
      "  %o = tile.{3} %q, %s{4}, %k, %v {{scale = {5:f10} : f64, window = {6} : i64, softcap = {7:f3} : f64,\n"
      "    cache = #tile.cache<bits = {8}, head_dim = {9}, group = {10}, page = {11}, clip = 0.95 : f64{12}{13}>,\n"
      "    config = #tile.attention<arch = {14}, warps = {15}, splits = {16}>}\n    : ({17}) -> {18}\n  return\n}\n",
      heads * headDim, page ? "%p: " + pages : "", cacheType, isDecode ? "attention_decode" : "attention",
      page ? " pages %p" : "", scale(), window, softcap, bits, headDim, group, cache.pageTokens,
      isSymmetric ? ", scheme = sym" : "", hasHalfScales ? "" : ", scale = f32", arch, warps, isDecode ? splits : 1,
      types, resultType);
}

std::string AttentionCase::combineText() const {
  std::string parts = llvm::formatv("tensor<?x{0}xf32>", heads * splits * (headDim + 2));
  return llvm::formatv(
      "func.func @f(%p: {0}) {{\n  %o = tile.attention_combine %p {{splits = {1} : i64,\n"
      "    config = #tile.rows<arch = {2}, threads = 128>} : ({0}) -> tensor<?x{3}x{4}>\n  return\n}\n",
      parts, splits, arch, heads * headDim, result);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

AttentionData::AttentionData(const AttentionCase &attention, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor queries(DType::F16, {attention.rows(), attention.heads * attention.headDim});
  for (uint16_t &x : queries.mutableData<uint16_t>())
    x = floatToHalf(2 * normal(random));
  int64_t batch = int64_t(attention.sequences.size());
  Tensor state(DType::I32, {batch, 4});
  for (auto [b, sequence] : llvm::enumerate(attention.sequences))
    llvm::copy(std::array<int32_t, 4>{sequence.past, sequence.start, int32_t(attention.newTokens), 0},
               state.mutableData<int32_t>().data() + 4 * b);
  operands = {queries, state};
  fillCaches(attention, seed);
  expected.resize(attention.rows() * attention.heads * attention.headDim);
  bounds.resize(expected.size());
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t token = 0; token < attention.newTokens; ++token)
      for (int64_t head = 0; head < attention.heads; ++head)
        attend(attention, b, token, head);
}

/// What no sequence has written is NaN, and pages that none has do not exist.
void AttentionData::fillCaches(const AttentionCase &attention, unsigned seed) {
  std::mt19937 random(seed + 1);
  std::normal_distribution<double> normal;
  numerics::KvLayout layout = attention.layout();
  int64_t batch = int64_t(attention.sequences.size()), columns = attention.page ? pagesPerSequence(attention) : 1;
  std::vector<int32_t> numbers(batch * columns);
  for (auto [i, number] : llvm::enumerate(numbers))
    number = int32_t(i);
  if (attention.page)
    std::shuffle(numbers.begin(), numbers.end(), random);
  Tensor pages(DType::I32, {batch, columns});
  Tensor caches[2];
  for (Tensor &cache : caches) {
    cache = Tensor(DType::U8, {batch * columns, attention.kvHeads, layout.blockBytes()});
    for (uint8_t &byte : cache.mutableData<uint8_t>())
      byte = 0xff;
  }
  for (int64_t b = 0; b < batch; ++b) {
    int64_t tokens = attention.sequences[b].past + attention.newTokens;
    for (int64_t column = 0; column < columns; ++column) {
      bool isUsed = column * layout.pageTokens < tokens;
      pages.mutableData<int32_t>()[b * columns + column] = isUsed ? numbers[b * columns + column] : 0x3fffffff;
    }
    for (int64_t head = 0; head < attention.kvHeads; ++head)
      for (bool isKey : {true, false}) {
        std::vector<double> &elements = (isKey ? keys : values).emplace_back(tokens * layout.headDim);
        uint8_t *bytes = caches[isKey ? 0 : 1].mutableData<uint8_t>().data();
        for (int64_t token = 0; token < tokens; ++token) {
          double size = std::exp2(int(random() % 8) - 4.0);
          std::vector<double> row(layout.headDim);
          for (double &x : row)
            x = (isKey ? 0.7 : size) * (normal(random) + 0.3);
          int64_t page = numbers[b * columns + token / layout.pageTokens];
          uint8_t *block = bytes + layout.blockOffset(page, head, attention.kvHeads);
          layout.writeRow(row.data(), token % layout.pageTokens, block);
          layout.readRow(block, token % layout.pageTokens, elements.data() + token * layout.headDim);
        }
      }
  }
  if (attention.page)
    operands.push_back(pages);
  operands.push_back(caches[0]);
  operands.push_back(caches[1]);
}

void AttentionData::attend(const AttentionCase &attention, int64_t sequence, int64_t token, int64_t head) {
  int64_t d = attention.headDim, row = sequence * attention.newTokens + token;
  const SequenceCase &state = attention.sequences[sequence];
  int64_t last = state.past + token, first = state.start;
  if (attention.window)
    first = std::max(first, last - attention.window + 1);
  if (first > last)
    return;
  llvm::ArrayRef<uint16_t> query = operands[0].data<uint16_t>().slice((row * attention.heads + head) * d, d);
  size_t cached = sequence * attention.kvHeads + head / (attention.heads / attention.kvHeads);
  const double *key = keys[cached].data(), *value = values[cached].data();
  double groups = attention.bits < 16 ? double(attention.headDim / attention.group) : 0, greatest = -INFINITY;
  std::vector<double> scores, errors;
  for (int64_t t = first; t <= last; ++t) {
    double score = 0, magnitude = 0;
    for (int64_t i = 0; i < d; ++i) {
      double product = halfToFloat(query[i]) * key[t * d + i];
      score += product;
      magnitude += std::fabs(product);
    }
    double error = (2.0 * double(d) / 16 + groups + 4) * unit * magnitude * attention.scale() * log2OfE;
    score *= attention.scale();
    if (attention.softcap > 0) {
      score = attention.softcap * std::tanh(score / attention.softcap);
      error += 0x1p-20 * attention.softcap * log2OfE;
    }
    scores.push_back(score * log2OfE);
    errors.push_back(error);
    greatest = std::max(greatest, scores.back());
  }
  double sum = 0, count = double(last - first + 1),
         steps = std::ceil(count / 16) + 1 + double(attention.splits + attention.warps);
  for (double score : scores)
    sum += std::exp2(score - greatest);
  for (int64_t i = 0; i < d; ++i) {
    double mean = 0, magnitude = 0, greatestValue = 0;
    for (auto [t, score] : llvm::enumerate(scores)) {
      double x = value[(first + int64_t(t)) * d + i], weight = std::exp2(score - greatest) / sum;
      mean += weight * x;
      magnitude += weight * std::fabs(x);
      greatestValue = std::max(greatestValue, std::fabs(x));
    }
    double error = halfUnit * magnitude + count * 0x1p-38 * greatestValue * 256;
    for (auto [t, score] : llvm::enumerate(scores)) {
      double x = value[(first + int64_t(t)) * d + i], weight = std::exp2(score - greatest) / sum;
      double exponent = errors[t] + unit * (std::fabs(score - greatest) + std::fabs(greatest) + 200);
      error += weight * (std::log(2.0) * exponent + steps * 0x1p-21) * (std::fabs(x) + std::fabs(mean));
    }
    error += 2 * steps * unit * magnitude + ((count / 4 + 8) * unit + 0x1p-21) * std::fabs(mean);
    llvm::StringRef result = attention.result;
    double rounding = result == "f32" ? unit : result == "f16" ? 0x1p-11 : 0x1p-8;
    int64_t at = (row * attention.heads + head) * d + i;
    expected[at] = mean;
    bounds[at] = error + 1.01 * rounding * std::fabs(mean) + (result == "f16" ? 0x1p-25 : 0);
  }
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

llvm::Expected<AttentionRun> kerneltest::runAttention(const AttentionCase &attention, llvm::ArrayRef<Tensor> operands,
                                                      bool isDecode, const AttentionTexts &texts) {
  auto kernel = Kernel::build(attention.text(isDecode));
  if (!kernel)
    return kernel.takeError();
  RunSettings settings;
  settings.ptx = texts.kernel;
  auto run = (*kernel)->run(operands, attention.rows(), settings);
  if (!run)
    return run.takeError();
  if (!isDecode)
    return AttentionRun{run->results[0], run->counters};
  auto combine = Kernel::build(attention.combineText());
  if (!combine)
    return combine.takeError();
  settings.ptx = texts.combine;
  auto combined = (*combine)->run(run->results, attention.rows(), settings);
  if (!combined)
    return combined.takeError();
  return AttentionRun{combined->results[0], run->counters};
}

std::string kerneltest::compareAttention(const AttentionData &data, const Tensor &result) {
  Tensor expected = Tensor::from<double>(DType::F64, result.shape(), data.expected);
  return compareWithin(result, expected, [&](int64_t i) { return data.bounds[i]; });
}

void kerneltest::expectAttention(const AttentionCase &attention, bool isDecode) {
  SCOPED_TRACE(attention.describe());
  AttentionData data(attention);
  auto run = runAttention(attention, data.operands, isDecode);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(compareAttention(data, run->result), "");
  EXPECT_EQ(run->counters.sharedConflicts, 0u);
}
