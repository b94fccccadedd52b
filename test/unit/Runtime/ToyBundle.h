//===- ToyBundle.h - a bundle small enough to compute by hand -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_RUNTIME_TOYBUNDLE_H
#define QUANTOPT_TEST_UNIT_RUNTIME_TOYBUNDLE_H

#include "quantopt/Runtime/Model.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/JSON.h"

namespace quantopt::runtime {

/// test/Inputs/toy-bundles: a model of integers with a cache of one head. The value of a token is table[id]; a token's
/// state is its value plus the sum of (t - start + 1)·value over the indices t of its sequence up to its own.
inline constexpr int64_t toyVocabulary = 11;

/// Logits [S][V] of one sequence without padding.
std::vector<float> toyLogits(llvm::ArrayRef<int64_t> ids);

/// A copy of a toy bundle in a temporary folder, removed with the object.
class ToyBundle {
public:
  /// "contiguous" or "paged".
  explicit ToyBundle(llvm::StringRef layout);
  ToyBundle(const ToyBundle &) = delete;
  ToyBundle &operator=(const ToyBundle &) = delete;
  ~ToyBundle();

  llvm::StringRef path() const { return folder; }
  /// Text of a file.
  std::string read(llvm::StringRef file) const;
  void write(llvm::StringRef file, llvm::StringRef text) const;
  void remove(llvm::StringRef file) const;
  /// Replaces the first `from` in a file, which must be there; the plan keeps the file's new size and hash.
  void edit(llvm::StringRef file, llvm::StringRef from, llvm::StringRef to) const;

  /// Loaded on the PTX interpreter.
  std::unique_ptr<Model> load() const;
  /// The error of opening or loading it.
  std::string error() const;

private:
  llvm::SmallString<128> folder;
};

/// Text of a toy bundle's plan.json.
std::string toyPlan(llvm::StringRef layout);

/// The value at a path like "phases[0].tail"; it must be there. A path that ends in "+key" makes that key.
llvm::json::Value &jsonAt(llvm::json::Value &root, llvm::StringRef path);

} // namespace quantopt::runtime

#endif // QUANTOPT_TEST_UNIT_RUNTIME_TOYBUNDLE_H
