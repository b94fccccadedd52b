//===- TemporaryFolder.h - a folder for the files of one test --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_WEIGHTS_TEMPORARYFOLDER_H
#define QUANTOPT_TEST_UNIT_WEIGHTS_TEMPORARYFOLDER_H

#include "quantopt/Support/FileAccess.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <string>
#include <vector>

namespace quantopt {

class TemporaryFolder {
public:
  TemporaryFolder() {
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("quantopt-test", path));
    allowInput(file("-"));
  }
  ~TemporaryFolder() { llvm::sys::fs::remove_directories(path); }

  std::string file(llvm::StringRef name) const { return (path + "/" + name).str(); }
  std::string write(llvm::StringRef name, llvm::StringRef bytes) const {
    std::error_code code;
    llvm::raw_fd_ostream(file(name), code) << bytes;
    EXPECT_FALSE(code);
    return file(name);
  }
  /// Names of what the folder holds.
  std::vector<std::string> list() const {
    std::vector<std::string> names;
    std::error_code code;
    for (llvm::sys::fs::directory_iterator it(path, code), end; it != end && !code; it.increment(code))
      names.push_back(it->path().substr(path.size() + 1));
    return names;
  }

private:
  llvm::SmallString<128> path;
};

} // namespace quantopt

#endif // QUANTOPT_TEST_UNIT_WEIGHTS_TEMPORARYFOLDER_H
