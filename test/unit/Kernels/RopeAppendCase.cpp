//===- RopeAppendCase.cpp - tokens that enter a cache: text and operands ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RopeAppendCase.h"
#include "RowCase.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <cstring>
#include <numeric>

using namespace quantopt;
using namespace quantopt::kerneltest;

numerics::KvLayout RopeAppendCase::layout() const {
  numerics::KvLayout layout;
  layout.bits = bits;
  layout.headDim = headDim;
  layout.groupSize = group;
  layout.pageTokens = isPaged ? page : positions;
  layout.isSymmetric = isSymmetric;
  layout.hasHalfScales = hasHalfScales;
  llvm::cantFail(layout.check());
  return layout;
}

std::string RopeAppendCase::text() const {
  numerics::KvLayout kv = layout();
  std::string cache = llvm::formatv("tensor<?x{0}x{1}xui8>", kvHeads, kv.blockBytes());
  std::string query = llvm::formatv("tensor<?x{0}x", heads * headDim);
  std::string rows = llvm::formatv("tensor<?x{0}x{1}>", kvHeads * headDim, input);
  std::string angles = llvm::formatv("tensor<{0}x{1}xf32>", positions, rotary / 2);
  std::string table = llvm::formatv("tensor<?x{0}xi32>", pagesOfSequence());
  std::string transform = hadamard.empty() ? "" : "hadamard = " + hadamard + ", ";
  return llvm::formatv(
      "func.func @f(%q: {0}{1}>, %k: {2}, %v: {2}, %c: {3}, %s: {3}, %n: tensor<?x4xi32>, %p: {4}, %kc: {5}, %vc: {5}) "
      "{{\n  %r:3 = tile.rope_append %q, %k, %v, %c, %s, %n {6} %kc, %vc\n    {{{7}cache = #tile.cache<bits = {8}, "
      "head_dim = {9}, group = {10}, page = {11}, clip = 0.95 : f64, scheme = {12}, scale = {13}>,\n    config = "
      "#tile.rows<arch = {14}, threads = {15}>}\n    : ({0}{1}>, {2}, {2}, {3}, {3}, tensor<?x4xi32>{16}, {5}, {5}) -> "
      "({0}f16>, {5}, {5})\n  return\n}\n",
      query, input, rows, angles, table, cache, isPaged ? "pages %p," : ",", transform, bits, headDim, group,
      kv.pageTokens, isSymmetric ? "sym" : "asym", hasHalfScales ? "f16" : "f32", arch, threads,
      isPaged ? ", " + table : "");
}

std::vector<int32_t> RopeAppendCase::pageTable() const {
  std::vector<int32_t> table(sequences.size() * pagesOfSequence());
  std::iota(table.begin(), table.end(), 0);
  std::shuffle(table.begin(), table.end(), std::mt19937(7));
  table.back() = -1;
  return table;
}

std::optional<std::pair<int64_t, int64_t>> RopeAppendCase::findPlace(int64_t row) const {
  int64_t sequence = row / tokens, index = sequences[sequence][0] + row % tokens;
  if (index >= positions)
    return std::nullopt;
  if (!isPaged)
    return std::pair(sequence, index);
  int64_t number = pageTable()[sequence * pagesOfSequence() + index / page];
  if (number < 0)
    return std::nullopt;
  return std::pair(number, index % page);
}

void RopeAppendCase::eraseTokens(Tensor &cache) const {
  numerics::KvLayout kv = layout();
  for (int64_t row = 0; row < rows(); ++row)
    if (auto place = findPlace(row))
      for (int64_t head = 0; head < kvHeads; ++head) {
        char *block = cache.mutableRaw() + kv.blockOffset(place->first, head, kvHeads);
        std::memset(block + kv.codeOffset(place->second), 0, kv.rowCodeBytes());
        if (kv.isQuantized())
          std::memset(block + kv.scaleOffset(place->second, 0), 0, kv.groups() * kv.scaleBytes());
      }
}

std::vector<Tensor> RopeAppendCase::operands() const {
  std::mt19937 random(headDim + heads);
  DType type = *parseDType(input);
  std::vector<Tensor> operands;
  for (int64_t count : {heads, kvHeads, kvHeads}) {
    operands.push_back(randomRows(type, rows(), count * headDim, random));
    if (isZero)
      std::memset(operands.back().mutableRaw(), 0, operands.back().sizeInBytes());
  }
  int64_t half = rotary / 2;
  Tensor cosines(DType::F32, {positions, half}), sines(DType::F32, {positions, half});
  for (int64_t i = 0; i < positions * half; ++i) {
    double angle = double(i / half) * std::pow(10000.0, -double(i % half) / double(half));
    cosines.mutableData<float>()[i] = float(std::cos(angle));
    sines.mutableData<float>()[i] = float(std::sin(angle));
  }
  operands.push_back(cosines);
  operands.push_back(sines);
  Tensor states(DType::I32, {int64_t(sequences.size()), 4});
  for (size_t i = 0; i < sequences.size(); ++i) {
    int32_t state[] = {sequences[i][0], sequences[i][1], int32_t(tokens), 0};
    std::memcpy(states.mutableRaw() + sizeof(state) * i, state, sizeof(state));
  }
  operands.push_back(states);
  int64_t pages = int64_t(sequences.size());
  if (isPaged) {
    operands.push_back(Tensor::from<int32_t>(DType::I32, {pages, pagesOfSequence()}, pageTable()));
    pages *= pagesOfSequence();
  }
  for (unsigned i = 0; i < 2; ++i) {
    operands.emplace_back(DType::U8, llvm::SmallVector<int64_t>{pages, kvHeads, layout().blockBytes()});
    for (uint8_t &byte : operands.back().mutableData<uint8_t>())
      byte = uint8_t(random());
  }
  return operands;
}
