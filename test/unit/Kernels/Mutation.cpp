//===- Mutation.cpp - bugs planted into PTX --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Mutation.h"
#include "Comparison.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::kerneltest;

/// Index of the line that a mutation is about, or nothing.
static std::optional<size_t> findLine(llvm::ArrayRef<llvm::StringRef> lines, const Mutation &mutation) {
  llvm::Regex pattern(mutation.line);
  llvm::SmallVector<size_t> found;
  for (auto [i, line] : llvm::enumerate(lines))
    if (pattern.match(line))
      found.push_back(i);
  int index = mutation.number < 0 ? int(found.size()) + mutation.number : mutation.number - 1;
  if (index < 0 || index >= int(found.size()))
    return std::nullopt;
  return found[index];
}

llvm::Expected<std::string> quantopt::kerneltest::mutate(llvm::StringRef ptx, const Mutation &mutation) {
  auto fail = [&](const char *why) { return llvm::createStringError("mutation '%s': %s", mutation.name, why); };
  // Operands of a matrix instruction stand on lines of their own, further in.
  std::string joined = ptx.str();
  for (size_t at = 0; (at = joined.find("\n\t\t", at)) != std::string::npos;)
    joined.replace(at, 3, " ");
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(joined).split(lines, '\n');
  std::optional<size_t> at = findLine(lines, mutation);
  if (!at)
    return fail("the PTX has no such line");

  llvm::StringRef from = mutation.from, to = mutation.to;
  std::string rewritten;
  if (!from.empty()) {
    llvm::Regex pattern(from);
    llvm::SmallVector<llvm::StringRef> groups;
    llvm::StringRef line = lines[*at];
    if (!pattern.match(line, &groups))
      return fail("the line does not have what is to be replaced");
    if (pattern.match(line.substr(groups[0].end() - line.begin())))
      return fail("the line has more than one of what is to be replaced");
    rewritten = pattern.sub(to, line);
    if (rewritten == line)
      return fail("the line would stay as it is");
    lines[*at] = rewritten;
    return llvm::join(lines, "\n");
  }
  llvm::StringRef line = lines[*at];
  lines.erase(lines.begin() + *at);
  if (to.empty())
    return llvm::join(lines, "\n");
  int distance = 0;
  bool isBelow = to.consume_front("below ");
  if ((!isBelow && !to.consume_front("above ")) || to.getAsInteger(10, distance))
    return fail("a line moves 'below N' or 'above N'");
  int target = int(*at) + (isBelow ? distance : -distance);
  if (target < 0 || target > int(lines.size()))
    return fail("there are not so many lines to move by");
  lines.insert(lines.begin() + target, line);
  return llvm::join(lines, "\n");
}

/// What a mutated kernel shows.
static std::pair<Catcher, std::string> findOut(const Kernel &kernel, llvm::ArrayRef<Tensor> operands, int64_t rows,
                                               const KernelRun &right, llvm::StringRef ptx) {
  RunSettings settings;
  settings.ptx = ptx;
  auto run = kernel.run(operands, rows, settings);
  if (!run)
    return {Catcher::Strict, llvm::toString(run.takeError())};
  for (size_t i = 0; i < right.results.size(); ++i)
    if (std::string difference = compareExact(run->results[i], right.results[i]); !difference.empty())
      return {Catcher::Result, difference};
  return {Catcher::Either, ""};
}

void quantopt::kerneltest::expectCaught(const Kernel &kernel, llvm::ArrayRef<Tensor> operands, int64_t rows,
                                        llvm::ArrayRef<Mutation> mutations) {
  auto right = kernel.run(operands, rows);
  ASSERT_TRUE(bool(right)) << llvm::toString(right.takeError());
  for (const Mutation &mutation : mutations) {
    SCOPED_TRACE(mutation.name);
    auto ptx = mutate(kernel.ptx(), mutation);
    if (!ptx) {
      ADD_FAILURE() << llvm::toString(ptx.takeError());
      continue;
    }
    auto [catcher, why] = findOut(kernel, operands, rows, *right, *ptx);
    EXPECT_FALSE(why.empty()) << "nobody notices";
    if (mutation.catcher != Catcher::Either)
      EXPECT_EQ(catcher == Catcher::Strict, mutation.catcher == Catcher::Strict) << why;
    std::string name = mutation.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    testing::Test::RecordProperty(name, (catcher == Catcher::Strict ? "checks: " : "result: ") + why);
  }
}
