//===- AttentionCases.cpp - attention over a cache, and what fills it ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Cases.h"
#include "quantopt/Numerics/KvLayout.h"
#include "quantopt/Support/Half.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace quantopt;
using namespace quantopt::benchmark;

namespace {
/// `batch` sequences with `past` tokens in a contiguous cache and `tokens` new ones.
struct Attention {
  int64_t batch, tokens, past, heads, kvHeads, headDim, bits;
  std::string arch;

  int64_t context() const { return past + tokens; }
  int64_t rows() const { return batch * tokens; }
  numerics::KvLayout layout() const {
    numerics::KvLayout layout;
    layout.bits = bits;
    layout.headDim = layout.groupSize = headDim;
    layout.pageTokens = int64_t(llvm::alignTo(context(), 16));
    return layout;
  }
  std::string queryType(const char *element) const {
    return llvm::formatv("tensor<?x{0}x{1}>", heads * headDim, element);
  }
  std::string cacheType() const { return llvm::formatv("tensor<?x{0}x{1}xui8>", kvHeads, layout().blockBytes()); }
  std::string cacheAttr() const {
    return llvm::formatv("#tile.cache<bits = {0}, head_dim = {1}, group = {1}, page = {2}, clip = 0.95 : f64>", bits,
                         headDim, layout().pageTokens);
  }
};
} // namespace

static Tensor randomHalves(int64_t rows, int64_t columns, std::mt19937 &random) {
  std::normal_distribution<float> normal;
  Tensor halves(DType::F16, {rows, columns});
  for (uint16_t &x : halves.mutableData<uint16_t>())
    x = floatToHalf(normal(random));
  return halves;
}

static Tensor stateOf(const Attention &attention) {
  Tensor state(DType::I32, {attention.batch, 4});
  for (int64_t b = 0; b < attention.batch; ++b) {
    const int32_t row[] = {int32_t(attention.past), 0, int32_t(attention.tokens), 0};
    std::memcpy(state.mutableRaw() + sizeof(row) * b, row, sizeof(row));
  }
  return state;
}

/// One block of random rows, in every place.
static Tensor fillCache(const Attention &attention, std::mt19937 &random) {
  std::normal_distribution<double> normal;
  numerics::KvLayout layout = attention.layout();
  std::vector<uint8_t> block(layout.blockBytes());
  std::vector<double> row(layout.headDim);
  for (int64_t token = 0; token < layout.pageTokens; ++token) {
    for (double &x : row)
      x = normal(random);
    layout.writeRow(row.data(), token, block.data());
  }
  Tensor cache(DType::U8, {attention.batch, attention.kvHeads, layout.blockBytes()});
  for (int64_t i = 0; i < attention.batch * attention.kvHeads; ++i)
    std::memcpy(cache.mutableRaw() + i * block.size(), block.data(), block.size());
  return cache;
}

static KernelCase makeCase(const Attention &attention, const std::string &name) {
  KernelCase test;
  test.name =
      llvm::formatv("{0}_kv{1} {2}x{3} of {4}, {5}/{6} heads of {7}", name, attention.bits, attention.batch,
                    attention.tokens, attention.context(), attention.heads, attention.kvHeads, attention.headDim);
  test.rows = attention.rows();
  return test;
}

/// The tokens of a prompt, or one more for each sequence.
static KernelCase attend(const Attention &attention, int64_t splits) {
  bool isDecode = splits > 0;
  KernelCase test = makeCase(attention, isDecode ? "attention_decode" : "attention");
  std::string result = attention.queryType("f32");
  if (isDecode)
    result = llvm::formatv("tensor<?x{0}xf32>", attention.heads * splits * (attention.headDim + 2));
  test.text = llvm::formatv("func.func @f(%q: {0}, %s: tensor<?x4xi32>, %k: {1}, %v: {1}) -> {2} {{\n"
                            "  %o = tile.{3} %q, %s, %k, %v {{scale = {4:f10} : f64, cache = {5},\n"
                            "    config = #tile.attention<arch = {6}, warps = 4, splits = {7}>}\n"
                            "    : ({0}, tensor<?x4xi32>, {1}, {1}) -> {2}\n  return %o : {2}\n}\n",
                            attention.queryType("f16"), attention.cacheType(), result,
                            isDecode ? "attention_decode" : "attention", 1 / std::sqrt(double(attention.headDim)),
                            attention.cacheAttr(), attention.arch, std::max<int64_t>(splits, 1));
  test.operands = [attention] {
    std::mt19937 random(7);
    Tensor queries = randomHalves(attention.rows(), attention.heads * attention.headDim, random);
    return std::vector<Tensor>{queries, stateOf(attention), fillCache(attention, random), fillCache(attention, random)};
  };
  test.attention = AttentionSizes{attention.batch, attention.tokens,  attention.context(),
                                  attention.heads, attention.kvHeads, attention.headDim};
  // A query of a prompt sees half of it on average.
  double seen = double(attention.past) + double(attention.tokens + 1) / 2;
  test.bytes = double(2 * attention.batch * attention.context() * attention.kvHeads * attention.layout().tokenBytes()) +
               double(attention.rows() * attention.heads * attention.headDim * (2 + 4));
  test.operations = 4 * double(attention.rows() * attention.heads * attention.headDim) * seen;
  return test;
}

static KernelCase append(const Attention &attention) {
  KernelCase test = makeCase(attention, "rope_append");
  std::string rows = llvm::formatv("tensor<?x{0}xf16>", attention.kvHeads * attention.headDim);
  int64_t context = attention.layout().pageTokens;
  std::string angles = llvm::formatv("tensor<{0}x{1}xf32>", context, attention.headDim / 2);
  test.text = llvm::formatv(
      "func.func @f(%q: {0}, %k: {1}, %v: {1}, %c: {2}, %s: tensor<?x4xi32>, %kc: {3}, %vc: {3}) {{\n"
      "  %r:3 = tile.rope_append %q, %k, %v, %c, %c, %s, %kc, %vc {{hadamard = #rot.hadamard<{4}>, cache = {5},\n"
      "    config = #tile.rows<arch = {6}, threads = 128>}\n"
      "    : ({0}, {1}, {1}, {2}, {2}, tensor<?x4xi32>, {3}, {3}) -> ({0}, {3}, {3})\n  return\n}\n",
      attention.queryType("f16"), rows, angles, attention.cacheType(), attention.headDim, attention.cacheAttr(),
      attention.arch);
  test.operands = [attention, context] {
    std::mt19937 random(7);
    int64_t columns = attention.kvHeads * attention.headDim, half = attention.headDim / 2;
    Tensor cosines(DType::F32, {context, half});
    for (int64_t i = 0; i < context * half; ++i)
      cosines.mutableData<float>()[i] =
          float(std::cos(double(i / half) * std::pow(1e4, -double(i % half) / double(half))));
    return std::vector<Tensor>{randomHalves(attention.rows(), attention.heads * attention.headDim, random),
                               randomHalves(attention.rows(), columns, random),
                               randomHalves(attention.rows(), columns, random),
                               cosines,
                               cosines,
                               stateOf(attention),
                               fillCache(attention, random),
                               fillCache(attention, random)};
  };
  return test;
}

/// As tile-select splits a context: two blocks for each of the H100's 132 multiprocessors, as far as parts of 128
/// tokens go.
static int64_t splitsFor(const Attention &attention) {
  int64_t wanted = llvm::divideCeil(2 * 132, attention.kvHeads);
  return std::clamp<int64_t>(std::min(wanted, attention.context() / 128), 1, 256);
}

void benchmark::addCheckedAttention(std::vector<KernelCase> &cases, llvm::StringRef arch) {
  for (int64_t bits : {4, 8, 16}) {
    cases.push_back(append({2, 5, 11, 6, 2, 64, bits, arch.str()}));
    cases.push_back(attend({2, 17, 20, 6, 2, 64, bits, arch.str()}, 0));
    cases.push_back(attend({3, 1, 150, 6, 2, 64, bits, arch.str()}, 2));
  }
}

void benchmark::addTimedAttention(std::vector<KernelCase> &cases, llvm::StringRef arch) {
  for (int64_t bits : {4, 16})
    for (int64_t context : {1024, 8192}) {
      // LLaMA 3 8B.
      Attention prompt = {1, context, 0, 32, 8, 128, bits, arch.str()};
      cases.push_back(append(prompt));
      cases.push_back(attend(prompt, 0));
      for (int64_t batch : {1, 8, 64}) {
        Attention step = {batch, 1, context - 1, 32, 8, 128, bits, arch.str()};
        cases.push_back(append(step));
        cases.push_back(attend(step, splitsFor(step)));
      }
    }
}
