//===- RopeAppendCase.h - tokens that enter a cache: text and operands -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_ROPEAPPENDCASE_H
#define QUANTOPT_TEST_UNIT_KERNELS_ROPEAPPENDCASE_H

#include "quantopt/Numerics/KvLayout.h"
#include "quantopt/Support/Tensor.h"
#include <array>
#include <string>
#include <vector>

namespace quantopt::kerneltest {

/// One rope_append to test.
struct RopeAppendCase {
  int64_t heads = 9, kvHeads = 3, headDim = 64;
  /// Elements of a head that RoPE turns.
  int64_t rotary = 64;
  const char *input = "f32";
  /// An attribute; empty: no transform.
  std::string hadamard = {};
  int64_t bits = 4, group = 64;
  bool isSymmetric = false, hasHalfScales = true;
  /// Tokens of a page, and of the tables of angles. Without paging a page holds a context.
  int64_t page = 32, positions = 64;
  bool isPaged = false;
  /// {past, start} of every sequence, and how many tokens each has new.
  std::vector<std::array<int, 2>> sequences = {{5, 0}};
  int64_t tokens = 2;
  int64_t threads = 128;
  const char *arch = "sm_80";
  /// Queries, keys and values of zeros.
  bool isZero = false;

  int64_t rows() const { return int64_t(sequences.size()) * tokens; }
  int64_t pagesOfSequence() const { return (positions + page - 1) / page; }
  unsigned firstCache() const { return isPaged ? 7 : 6; }
  numerics::KvLayout layout() const;
  /// The op in a function.
  std::string text() const;
  /// Random rows, a table of pages in random order in which the last entry of the last sequence is missing (-1), and
  /// caches of random bytes.
  std::vector<Tensor> operands() const;

  /// Page of the cache and token of the page for a row; none where the cache has no room for it.
  std::optional<std::pair<int64_t, int64_t>> findPlace(int64_t row) const;
  /// Fills with zeros what the tokens of all rows take in a cache.
  void eraseTokens(Tensor &cache) const;

private:
  std::vector<int32_t> pageTable() const;
};

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_ROPEAPPENDCASE_H
