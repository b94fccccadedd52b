//===- TensorFileWriter.cpp - a file of tensors, written by many threads ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/TensorFileWriter.h"
#include "quantopt/Support/FileAccess.h"
#include "quantopt/Support/Packing.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

using namespace quantopt;
using llvm::Error;
using llvm::Expected;

static Error fileError(const llvm::Twine &what, llvm::StringRef path, int code) {
  return llvm::createStringError(std::error_code(code, std::generic_category()),
                                 what + " '" + path + "': " + std::strerror(code));
}

Expected<std::unique_ptr<TensorFileWriter>> TensorFileWriter::create(llvm::StringRef path) {
  std::unique_ptr<TensorFileWriter> writer(new TensorFileWriter(path));
  llvm::SmallString<128> temporary;
  if (std::error_code code = llvm::sys::fs::createUniqueFile(path + ".%%%%%%.tmp", writer->descriptor, temporary))
    return fileError("cannot write the weights file", path, code.value());
  writer->temporaryPath = std::string(temporary);
  llvm::sys::RemoveFileOnSignal(temporary);
  return writer;
}

TensorFileWriter::~TensorFileWriter() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (temporaryPath.empty())
    return;
  llvm::sys::fs::remove(temporaryPath);
  llvm::sys::DontRemoveFileOnSignal(temporaryPath);
}

uint64_t TensorFileWriter::reserve(DType type, uint64_t elements) {
  uint64_t offset = llvm::alignTo(end, alignment);
  end = offset + bytesInFile(type, elements);
  return offset;
}

static Error writeFully(int descriptor, const char *from, uint64_t length, uint64_t offset, llvm::StringRef path) {
  while (length) {
    ssize_t put = ::pwrite(descriptor, from, length, offset);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return fileError("cannot write the weights file", path, errno);
    from += put;
    offset += put;
    length -= put;
  }
  return Error::success();
}

Error TensorFileWriter::write(uint64_t offset, uint64_t first, const Tensor &part) {
  if (bitsInFile(part.dtype()) != 4)
    return writeFully(descriptor, part.raw(), part.sizeInBytes(), offset + first * bytesInMemory(part.dtype()),
                      finalPath);
  assert(first % 2 == 0 && "a byte would have two writers");
  std::vector<uint8_t> packed(bytesInFile(part.dtype(), part.numElements()));
  packFourBit(reinterpret_cast<const uint8_t *>(part.raw()), 0, part.numElements(), packed.data());
  return writeFully(descriptor, reinterpret_cast<const char *>(packed.data()), packed.size(), offset + first / 2,
                    finalPath);
}

Error TensorFileWriter::commit() {
  // The last tensor may have been empty or the padding before it unwritten: the size is what was reserved.
  if (::ftruncate(descriptor, end) || ::fsync(descriptor) || ::rename(temporaryPath.c_str(), finalPath.c_str()))
    return fileError("cannot complete the weights file", finalPath, errno);
  llvm::sys::DontRemoveFileOnSignal(temporaryPath);
  temporaryPath.clear();
  allowFile(finalPath);
  llvm::StringRef parent = llvm::sys::path::parent_path(finalPath);
  int folder = ::open(parent.empty() ? "." : parent.str().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return fileError("cannot open the folder of", finalPath, errno);
  int failed = ::fsync(folder);
  int code = errno;
  ::close(folder);
  // Some file systems cannot fsync a folder; the name is in place all the same.
  return failed && code != EINVAL ? fileError("cannot sync the folder of", finalPath, code) : Error::success();
}
