//===- EmbeddingTest.cpp - rows of a table, by token id --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "RowCase.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::kerneltest;

namespace {
struct EmbeddingCase {
  int64_t rows, tableRows, columns;
  const char *id, *table, *result;
  int64_t threads, rowsPerBlock;

  std::string text(const char *arch) const {
    return llvm::formatv(
        "func.func @f(%ids: tensor<?x{0}>, %table: tensor<{1}x{2}x{3}>) {{\n"
        "  %x = tile.embedding %ids, %table {{config = #tile.rows<arch = {4}, threads = {5}, rows = {6}>}\n"
        "    : (tensor<?x{0}>, tensor<{1}x{2}x{3}>) -> tensor<?x{2}x{7}>\n  return\n}\n",
        id, tableRows, columns, table, arch, threads, rowsPerBlock, result);
  }
};
} // namespace

/// Ids of all rows, the first and the last of the table, and two outside of it.
static Tensor makeIds(DType type, const EmbeddingCase &embedding, std::mt19937 &random) {
  std::vector<int64_t> ids = {embedding.tableRows - 1, 0, -1, embedding.tableRows};
  while (int64_t(ids.size()) < embedding.rows)
    ids.push_back(random() % embedding.tableRows);
  ids.resize(embedding.rows);
  return convert(Tensor::from<int64_t>(DType::I64, {embedding.rows}, ids), type);
}

static Tensor gather(const Tensor &ids, const Tensor &table) {
  Tensor wide = convert(ids, DType::I64), result = Tensor::zeros(table.dtype(), {ids.dim(0), table.dim(1)});
  int64_t rowBytes = table.dim(1) * bytesInMemory(table.dtype());
  for (int64_t m = 0; m < ids.dim(0); ++m)
    if (int64_t id = wide.data<int64_t>()[m]; id >= 0 && id < table.dim(0))
      std::memcpy(result.mutableRaw() + m * rowBytes, table.raw() + id * rowBytes, rowBytes);
  return result;
}

static void expectEmbedding(const EmbeddingCase &embedding, const char *arch) {
  SCOPED_TRACE(embedding.text(arch));
  auto kernel = Kernel::build(embedding.text(arch));
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  std::mt19937 random(embedding.columns);
  Tensor ids = makeIds((*kernel)->operandType(0), embedding, random);
  Tensor table = randomRows((*kernel)->operandType(1), embedding.tableRows, embedding.columns, random);
  auto run = (*kernel)->run({ids, table}, embedding.rows);
  ASSERT_TRUE(bool(run)) << llvm::toString(run.takeError());
  EXPECT_EQ(compareExact(run->results[0], convert(gather(ids, table), run->results[0].dtype())), "");
}

TEST(Embedding, EveryArchitecture) {
  const EmbeddingCase cases[] = {
      {1, 50, 576, "i64", "f16", "f32", 128, 1}, {33, 50, 576, "i32", "f32", "f32", 128, 4},
      {7, 50, 576, "i64", "f16", "f16", 32, 1},  {5, 9, 2048, "i64", "f16", "f32", 64, 1},
      {5, 9, 91, "i64", "f32", "f16", 32, 1},    {6, 9, 36, "i32", "f16", "f32", 64, 4},
  };
  for (const char *arch : allArchs)
    for (const EmbeddingCase &embedding : cases)
      expectEmbedding(embedding, arch);
}

TEST(Embedding, BrainFloats) {
  expectEmbedding({5, 20, 576, "i64", "bf16", "f32", 64, 1}, "sm_80");
  expectEmbedding({5, 20, 576, "i64", "bf16", "bf16", 64, 1}, "sm_90a");
}
