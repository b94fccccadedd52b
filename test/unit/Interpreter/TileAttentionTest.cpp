//===- TileAttentionTest.cpp - attention over a cache against plain loops ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "TestModel.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Numerics/Hadamard.h"
#include "quantopt/Numerics/KvLayout.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using interp::InterpreterOptions;
using interp::Precision;
using numerics::KvLayout;

namespace {

constexpr int64_t positions = 96;

struct AttentionCase {
  KvLayout layout;
  int64_t heads = 6, kvHeads = 3, rotary = 32;
  bool isPaged = true, isTransformed = true;
  int64_t window = 0;
  double softcap = 0;
  std::string type = "f32";

  std::string cache() const {
    return llvm::formatv("#tile.cache<bits = {0}, head_dim = {1}, group = {2}, page = {3}, clip = {4} : f64, "
                         "scheme = {5}, scale = {6}>",
                         layout.bits, layout.headDim, layout.groupSize, layout.pageTokens, double(layout.clip),
                         layout.isSymmetric ? "sym" : "asym", layout.hasHalfScales ? "f16" : "f32");
  }
  std::string describe() const {
    return llvm::formatv("{0} r{1}{2}{3} window {4} cap {5} {6}", cache(), rotary, isPaged ? " paged" : "",
                         isTransformed ? " rotated" : "", window, softcap, type);
  }
  /// rope_append, then attention over all rows, or over one of each sequence in `splits` parts.
  std::string text(int64_t splits) const {
    std::string rows = llvm::formatv("tensor<?x?x{0}x{1}>", heads * layout.headDim, type),
                kv = llvm::formatv("tensor<?x?x{0}x{1}>", kvHeads * layout.headDim, type),
                half = llvm::formatv("tensor<?x?x{0}xf16>", heads * layout.headDim),
                caches = llvm::formatv("tensor<?x{0}x{1}xui8>", kvHeads, layout.blockBytes()),
                table = llvm::formatv("tensor<{0}x{1}xf32>", positions, rotary / 2), pages = isPaged ? " pages %p" : "",
                pagesType = isPaged ? "tensor<?x3xi32>, " : "";
    std::string text = llvm::formatv(
        "func.func @main(%q: {0}, %k: {1}, %v: {1}, %c: {2}, %s: {2}, %b: tensor<?x4xi32>, {3}%kc: {4}, %vc: {4})\n"
        "  -> ({0}, {4}, {4}) {{\n"
        "  %q1, %k1, %v1 = tile.rope_append %q, %k, %v, %c, %s, %b{5}, %kc, %vc {{{6}cache = {7},\n"
        "    config = #tile.rows<arch = sm_80, threads = 128>}\n    : ({0}, {1}, {1}, {2}, {2}, tensor<?x4xi32>, "
        "{8}{4}, {4}) -> ({9}, {4}, {4})\n",
        rows, kv, table, isPaged ? "%p: tensor<?x3xi32>, " : "", caches, pages,
        isTransformed ? llvm::formatv("hadamard = #rot.hadamard<{0}, seed = 5>, ", layout.headDim).str() : "", cache(),
        pagesType, half);
    std::string attributes = llvm::formatv("{{scale = 0.2 : f64, window = {0} : i64, softcap = {1:f3} : f64, cache = "
                                           "{2}, config = #tile.attention<arch = sm_80, warps = 1, splits = {3}>}",
                                           window, softcap, cache(), std::max<int64_t>(splits, 1));
    std::string operands = llvm::formatv("%q1, %b{0}, %k1, %v1 {1}\n    : ({2}, tensor<?x4xi32>, {3}{4}, {4})", pages,
                                         attributes, half, pagesType, caches);
    if (splits == 0)
      return text + llvm::formatv("  %o = tile.attention {0} -> {1}\n  return %o, %k1, %v1 : {1}, {2}, {2}\n}\n",
                                  operands, rows, caches)
                        .str();
    std::string parts = llvm::formatv("tensor<?x?x{0}xf32>", heads * splits * (layout.headDim + 2));
    return text + llvm::formatv("  %t = tile.attention_decode {0} -> {1}\n  %o = tile.attention_combine %t {{splits = "
                                "{2} : i64, config = #tile.rows<arch = sm_80, threads = 128>}"
                                " : ({1}) -> {3}\n  return %o, %k1, %v1 : {3}, {4}, {4}\n}\n",
                                operands, parts, splits, rows, caches)
                      .str();
  }
};

/// Two sequences of 40 tokens, the second padded by 5 on the left.
class Sequences {
public:
  static constexpr int64_t batch = 2, tokens = 40;
  static constexpr int64_t starts[] = {0, 5};

  explicit Sequences(const AttentionCase &test)
      : test(test), q(randomFloats({batch, tokens, test.heads * test.layout.headDim}, 1)),
        k(randomFloats({batch, tokens, test.kvHeads * test.layout.headDim}, 2)),
        v(randomFloats({batch, tokens, test.kvHeads * test.layout.headDim}, 3)),
        cos(randomFloats({positions, test.rotary / 2}, 4)), sin(randomFloats({positions, test.rotary / 2}, 5)) {
    for (Tensor *tensor : {&q, &k, &v})
      *tensor = convert(convert(*tensor, *parseDType(test.type)), DType::F32);
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t token = 0; token < tokens; ++token)
        for (int64_t h = 0; h < test.kvHeads; ++h) {
          keys.push_back(cached(k, b, token, h, true));
          values.push_back(cached(v, b, token, h, false));
        }
  }

  /// Caches before the first step; their bytes must not matter.
  Tensor emptyCache() const {
    int64_t pages = test.isPaged ? 9 : batch;
    Tensor cache(DType::U8, {pages, test.kvHeads, test.layout.blockBytes()});
    llvm::fill(cache.mutableData<uint8_t>(), uint8_t(0x5a));
    return cache;
  }
  /// Inputs of tokens [begin, end) of both sequences, after a step that returned `caches`.
  llvm::SmallVector<Tensor> step(int64_t begin, int64_t end, llvm::ArrayRef<Tensor> caches) const {
    auto part = [&](const Tensor &tensor) { return take(compute::slice(tensor, {begin}, {end}, {1}, {1})); };
    std::vector<int32_t> numbers;
    for (int64_t start : starts)
      numbers.insert(numbers.end(), {int32_t(begin), int32_t(start), int32_t(end - begin), 0});
    llvm::SmallVector<Tensor> inputs = {part(q), part(k), part(v),
                                        cos,     sin,     Tensor::from<int32_t>(DType::I32, {batch, 4}, numbers)};
    if (test.isPaged)
      inputs.push_back(Tensor::from<int32_t>(DType::I32, {batch, 3}, {7, 2, 4, 0, 8, 3}));
    inputs.append(caches.begin(), caches.end());
    return inputs;
  }

  /// What attention gives for a token: [heads·d].
  std::vector<double> expected(int64_t b, int64_t token) const;

private:
  /// A head of a token's query or key after rope and transform, or of its value, in f64.
  std::vector<double> head(const Tensor &tensor, int64_t b, int64_t token, int64_t head, bool turns) const;
  /// The same after the cache.
  std::vector<double> cached(const Tensor &tensor, int64_t b, int64_t token, int64_t head, bool turns) const;

  const AttentionCase &test;
  Tensor q, k, v, cos, sin;
  /// After the cache, by sequence, token and head.
  std::vector<std::vector<double>> keys, values;
};

} // namespace

std::vector<double> Sequences::head(const Tensor &tensor, int64_t b, int64_t token, int64_t head, bool turns) const {
  int64_t size = test.layout.headDim, half = test.rotary / 2;
  auto source = tensor.data<float>().slice((b * tokens + token) * tensor.dim(-1) + head * size, size);
  std::vector<double> row(source.begin(), source.end());
  if (!turns)
    return row;
  int64_t position = std::max<int64_t>(0, token - starts[b]);
  for (int64_t i = 0; i < half; ++i) {
    double x = row[i], y = row[i + half], c = cos.data<float>()[position * half + i],
           s = sin.data<float>()[position * half + i];
    row[i] = x * c - y * s;
    row[i + half] = y * c + x * s;
  }
  if (test.isTransformed)
    llvm::cantFail(numerics::makeHadamard(size, 5))->apply(row.data(), 1);
  return row;
}

std::vector<double> Sequences::cached(const Tensor &tensor, int64_t b, int64_t token, int64_t number,
                                      bool turns) const {
  std::vector<double> row = head(tensor, b, token, number, turns);
  std::vector<uint8_t> block(test.layout.blockBytes());
  test.layout.writeRow(row.data(), 3, block.data());
  test.layout.readRow(block.data(), 3, row.data());
  return row;
}

std::vector<double> Sequences::expected(int64_t b, int64_t token) const {
  std::vector<double> result;
  int64_t first = std::max(starts[b], test.window ? token - test.window + 1 : 0), size = test.layout.headDim;
  for (int64_t h = 0; h < test.heads; ++h) {
    std::vector<double> query = head(q, b, token, h, true), sums(size);
    double total = 0;
    for (int64_t t = first; t <= token; ++t) {
      int64_t group = h / (test.heads / test.kvHeads);
      int64_t at = (b * tokens + t) * test.kvHeads + group;
      const std::vector<double> &key = keys[at], &value = values[at];
      double score = 0;
      for (int64_t i = 0; i < size; ++i)
        score += query[i] * key[i];
      score *= 0.2;
      if (test.softcap > 0)
        score = test.softcap * std::tanh(score / test.softcap);
      double weight = std::exp(score);
      total += weight;
      for (int64_t i = 0; i < size; ++i)
        sums[i] += weight * value[i];
    }
    for (double sum : sums)
      result.push_back(total > 0 ? sum / total : 0);
  }
  return result;
}

/// Compares rows of tokens [begin, end) of both sequences.
static void expectRows(const Sequences &sequences, const Tensor &actual, int64_t begin, int64_t end, double tolerance) {
  Tensor wide = convert(actual, DType::F64);
  ASSERT_EQ(wide.dim(1), end - begin);
  for (int64_t b = 0; b < Sequences::batch; ++b)
    for (int64_t token = begin; token < end; ++token) {
      std::vector<double> row = sequences.expected(b, token);
      for (size_t i = 0; i < row.size(); ++i)
        ASSERT_NEAR(wide.data<double>()[(b * (end - begin) + token - begin) * row.size() + i], row[i], tolerance)
            << "sequence " << b << ", token " << token << ", element " << i;
    }
}

/// A prefill, and the same tokens in a shorter prefill, a second chunk and decodes in 1 and 3 parts.
static void expectAttention(const AttentionCase &test) {
  SCOPED_TRACE(test.describe());
  Sequences sequences(test);
  TestModel prefill(test.text(0)), whole(test.text(1)), parts(test.text(3));
  InterpreterOptions doubles;
  doubles.precision = Precision::F64;
  auto exact = prefill.run(sequences.step(0, 40, {sequences.emptyCache(), sequences.emptyCache()}), doubles);
  ASSERT_EQ(exact.size(), 3u);
  // A scale of f32 is rounded when it is stored.
  expectRows(sequences, exact[0], 0, 40, 1e-6);
  // A code of a value next to a tie may be another one, and queries are f16.
  auto single = prefill.run(sequences.step(0, 40, {sequences.emptyCache(), sequences.emptyCache()}));
  expectRows(sequences, single[0], 0, 40, test.type == "bf16" ? 4e-2 : 4e-3);

  llvm::SmallVector<Tensor> caches = {sequences.emptyCache(), sequences.emptyCache()};
  for (auto [begin, end] : {std::pair(0, 17), {17, 38}, {38, 39}, {39, 40}}) {
    TestModel &model = end - begin > 1 ? prefill : end == 39 ? whole : parts;
    auto step = model.run(sequences.step(begin, end, caches), doubles);
    ASSERT_EQ(step.size(), 3u);
    expectRows(sequences, step[0], begin, end, 1e-6);
    caches = {step[1], step[2]};
  }
  expectSameBits(caches[0], exact[1]);
  expectSameBits(caches[1], exact[2]);
}

TEST(TileAttention, EveryCache) {
  for (int64_t bits : {2, 3, 4, 8, 16})
    for (bool isSymmetric : {false, true})
      for (bool isPaged : {false, true})
        for (bool hasHalfScales : {false, true}) {
          AttentionCase test;
          test.layout = {bits, 32, bits == 4 ? 16 : 32, isPaged ? 16 : 64, 0.95f, isSymmetric, hasHalfScales};
          test.isPaged = isPaged;
          expectAttention(test);
        }
}

TEST(TileAttention, WindowsCapsAndPartsOfHeads) {
  AttentionCase test;
  test.layout = {8, 48, 48, 16, 1.0f, false, false};
  for (int64_t window : {0, 1, 7, 64})
    for (double softcap : {0.0, 3.0})
      for (int64_t rotary : {16, 48}) {
        test.window = window;
        test.softcap = softcap;
        test.rotary = rotary;
        test.isTransformed = rotary == 48;
        test.kvHeads = window == 7 ? 6 : 1;
        test.type = window == 64 ? "bf16" : window == 1 ? "f16" : "f32";
        expectAttention(test);
      }
}

TEST(TileAttention, RefusesWhatDoesNotFit) {
  AttentionCase test;
  test.layout = {4, 32, 32, 16, 0.95f, false, true};
  Sequences sequences(test);
  TestModel model(test.text(0));
  auto inputs = sequences.step(0, 40, {sequences.emptyCache(), sequences.emptyCache()});
  auto expectError = [&](unsigned input, int64_t element, int32_t value, llvm::StringRef error) {
    llvm::SmallVector<Tensor> changed(inputs);
    changed[input] = inputs[input].clone();
    changed[input].mutableData<int32_t>()[element] = value;
    EXPECT_EQ(model.errorOfRun(changed), ("node (tile.rope_append): " + error).str());
  };
  expectError(5, 0, 10, "sequence 0 has 50 tokens, but pages for 48");
  expectError(5, 2, 39, "80 rows are not those of 2 sequences of 39 tokens");
  expectError(5, 6, 39, "sequence 1 is not as long as the others, or begins before the cache");
  expectError(6, 4, 9, "sequence 1 lies in page 9 of a cache of 9");
}
