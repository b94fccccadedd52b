//===- Output.h - protobuf messages and files that appear when complete -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_OUTPUT_H
#define QUANTOPT_LIB_ONNX_OUTPUT_H

#include "Wire.h"
#include "llvm/Support/FileSystem.h"
#include <memory>
#include <string>
#include <vector>

namespace google::protobuf {
class MessageLite;
} // namespace google::protobuf

namespace quantopt {

/// A file that grows under a temporary name and takes its own with commit(). Without commit nothing stays.
class OutputFile {
public:
  static llvm::Expected<OutputFile> create(llvm::StringRef path);
  OutputFile(OutputFile &&other) = default;
  ~OutputFile();

  llvm::Error write(llvm::StringRef bytes);
  /// Appends a range of another file, without holding more than a piece of it.
  llvm::Error copy(llvm::StringRef path, Span range);
  /// Appends zeros up to a multiple of `alignment` and returns the position.
  llvm::Expected<uint64_t> align(uint64_t alignment);
  llvm::Error commit();

private:
  OutputFile(llvm::sys::fs::TempFile file, llvm::StringRef path)
      : file(std::make_unique<llvm::sys::fs::TempFile>(std::move(file))), path(path) {}

  std::unique_ptr<llvm::sys::fs::TempFile> file;
  std::string path;
  uint64_t position = 0;
};

/// The bytes of a message that is put together from serialised parts and from ranges of files, which are copied when it
/// is written.
class MessageBytes {
public:
  uint64_t size() const { return total; }
  void append(std::string bytes);
  void append(llvm::StringRef path, Span range);
  void append(MessageBytes message);
  /// The fields of `message`, in order of their numbers.
  void append(const google::protobuf::MessageLite &message);
  /// A field that is a message.
  void appendField(uint32_t field, MessageBytes message);
  void appendField(uint32_t field, const google::protobuf::MessageLite &message);

  llvm::Error write(OutputFile &file) const;

private:
  struct Part {
    std::string bytes;
    /// Not empty: the part is a range of this file.
    std::string path;
    Span range;
  };
  std::vector<Part> parts;
  uint64_t total = 0;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_OUTPUT_H
