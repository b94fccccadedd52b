//===- Mutation.h - bugs planted into PTX ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_MUTATION_H
#define QUANTOPT_TEST_UNIT_KERNELS_MUTATION_H

#include "Harness.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace quantopt::kerneltest {

/// Who has to notice a mutation.
enum class Catcher {
  /// The interpreter's checks: the results may well be right.
  Strict,
  /// A result that differs.
  Result,
  Either,
};

/// A rewrite of one line of PTX; an instruction that spans several counts as one.
struct Mutation {
  const char *name;
  /// The line: number `number` (from 1; -1 is the last) of those in which the regular expression `line` is found.
  const char *line;
  int number;
  /// Of the line, what `from` matches (once) is replaced by `to`, with \1 for groups. Where `from` is empty the line
  /// goes away or, if `to` is not empty either, moves: "below N" and "above N" are by N instructions.
  const char *from;
  const char *to;
  Catcher catcher = Catcher::Either;
};

/// The text with the mutation. Fails where the line is not there or would not change.
llvm::Expected<std::string> mutate(llvm::StringRef ptx, const Mutation &mutation);

/// Expects every mutation to be noticed over these operands, by the one that has to, and the kernel itself to run.
/// Properties of the test record what caught each one.
void expectCaught(const Kernel &kernel, llvm::ArrayRef<Tensor> operands, int64_t rows,
                  llvm::ArrayRef<Mutation> mutations);

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_MUTATION_H
