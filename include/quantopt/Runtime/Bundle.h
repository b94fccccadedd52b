//===- Bundle.h - a bundle's files, checked -------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_BUNDLE_H
#define QUANTOPT_RUNTIME_BUNDLE_H

#include "quantopt/Runtime/BundlePlan.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/FileSystem.h"
#include <memory>

namespace quantopt::runtime {

/// A bundle on disk whose every file is as the plan says: nothing of it reaches a device before that.
class Bundle {
public:
  /// Reads plan.json, compares the size and SHA-256 of every file that it names, and finds its weights in
  /// weights.safetensors. Errors name the file: one that is missing, truncated or changed; a header that is none; a
  /// weight that is missing or smaller than its kernels read.
  static llvm::Expected<std::unique_ptr<Bundle>> open(llvm::StringRef folder);

  llvm::StringRef path() const { return folder; }
  const BundlePlan &plan() const { return bundlePlan; }
  /// Text of kernels.ptx.
  llvm::StringRef kernels() const { return {kernelsFile.const_data(), kernelsFile.size()}; }
  /// Bytes of weight number `index` of the plan, mapped from the file.
  llvm::ArrayRef<char> weight(unsigned index) const { return weights[index]; }
  uint64_t weightBytes() const;
  /// Tokens after which a model stops: eos_token_id of generation_config.json, else of config.json, where the bundle
  /// has them; an integer or a list.
  llvm::ArrayRef<int64_t> stopTokens() const { return stops; }

private:
  Bundle() = default;
  llvm::Error checkFiles();
  llvm::Error mapWeights();
  llvm::Error readStopTokens();

  std::string folder;
  BundlePlan bundlePlan;
  llvm::sys::fs::mapped_file_region kernelsFile, weightsFile;
  std::vector<llvm::ArrayRef<char>> weights;
  llvm::SmallVector<int64_t, 4> stops;
};

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_BUNDLE_H
