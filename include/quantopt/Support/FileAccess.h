//===- FileAccess.h - which files a file may name ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Models, modules and bundles come from strangers and name other files: external data, weights, sources. Every file
// that is opened because another one names it is opened here, and nowhere else.
//
// A file is read if it lies below the folder of a file that the user named, or below a folder of --external-root (or of
// the environment variable QUANTOPT_EXTERNAL_ROOT, separated by colons). Links are followed as long as they stay in
// these; a file that has other names too (hard links) may lie anywhere, so only folders of --external-root may hold
// such files. Anything but a regular file is refused.
//
// Paths are walked one component at a time, each opened relative to the one before and never through a link, and what
// is read is what was checked: exchanging folders or links meanwhile does not help.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_FILEACCESS_H
#define QUANTOPT_SUPPORT_FILEACCESS_H

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <utility>

namespace quantopt {

/// Of the options on what is read from strangers, which every program has.
llvm::cl::OptionCategory &inputCategory();

/// A regular file, open for reading.
class ReadableFile {
public:
  ReadableFile(int descriptor, uint64_t size) : handle(descriptor), length(size) {}
  ReadableFile(ReadableFile &&other) : handle(other.handle), length(other.length) { other.handle = -1; }
  ReadableFile &operator=(ReadableFile &&other) {
    std::swap(handle, other.handle);
    std::swap(length, other.length);
    return *this;
  }
  ~ReadableFile();

  int descriptor() const { return handle; }
  /// When it was opened.
  uint64_t size() const { return length; }
  /// Hands the descriptor over to the caller.
  int release() { return std::exchange(handle, -1); }
  /// Reads all of `bytes` at `offset`; fails where the file ends before.
  llvm::Error read(uint64_t offset, llvm::MutableArrayRef<char> bytes) const;
  /// All of it, mapped if it is large. `name` identifies the buffer and stands in errors.
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> map(llvm::StringRef name) const;

private:
  int handle;
  uint64_t length;
};

/// Opens a file that the user named, wherever it is.
llvm::Expected<ReadableFile> openNamedFile(llvm::StringRef path);

/// Notes that the user named this file: it, and what lies in its folder and below, may be read. "-" (standard input)
/// stands for a file in the current folder.
void allowInput(llvm::StringRef path);
/// Notes that this process wrote the file: it may be read again.
void allowFile(llvm::StringRef path);
/// What --external-root does.
void allowExternalRoot(llvm::StringRef folder);

/// Opens `path`, as a file in `folder` names it: relative, and inside of `folder` or an external root when all links
/// are resolved. Errors say why not, and what would allow it.
llvm::Expected<ReadableFile> openBelow(llvm::StringRef folder, llvm::StringRef path);

/// Opens a file that a module names: one that was allowed, or below an allowed folder or external root.
llvm::Expected<ReadableFile> openReferenced(llvm::StringRef path);
/// All of such a file, mapped if it is large.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> mapReferenced(llvm::StringRef path);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_FILEACCESS_H
