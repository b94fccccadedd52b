//===- BundleFolder.h - a folder that appears when it is complete -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TARGET_PTX_BUNDLEFOLDER_H
#define QUANTOPT_LIB_TARGET_PTX_BUNDLEFOLDER_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"

namespace quantopt {

/// A folder filled under a temporary name beside its final one, which it takes by commit(). Without commit nothing
/// stays.
class BundleFolder {
public:
  /// Fails where `output` is something other than an empty folder or one that holds the file `mark`.
  static llvm::Expected<std::unique_ptr<BundleFolder>> create(llvm::StringRef output, llvm::StringRef mark);
  BundleFolder(const BundleFolder &) = delete;
  BundleFolder &operator=(const BundleFolder &) = delete;
  ~BundleFolder();

  /// The folder as it is named now.
  llvm::StringRef path() const { return temporary; }
  std::string file(llvm::StringRef name) const;
  llvm::Error write(llvm::StringRef name, llvm::StringRef text) const;
  /// Names of the files in it, sorted.
  llvm::Expected<std::vector<std::string>> list() const;
  /// Gives the folder its name, in place of what had it.
  llvm::Error commit();

private:
  BundleFolder() = default;
  std::string output;
  llvm::SmallString<256> temporary;
};

struct FileDigest {
  uint64_t bytes;
  std::string sha256;
};
/// Size and hash of a file, read piece by piece.
llvm::Expected<FileDigest> digestFile(llvm::StringRef path);

} // namespace quantopt

#endif // QUANTOPT_LIB_TARGET_PTX_BUNDLEFOLDER_H
