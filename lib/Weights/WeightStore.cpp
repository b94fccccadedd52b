//===- WeightStore.cpp - tensors in files, read slice by slice -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/WeightStore.h"
#include "quantopt/Support/FileAccess.h"
#include "quantopt/Support/FileSize.h"
#include "quantopt/Support/Packing.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <vector>

using namespace quantopt;
using llvm::Error;
using llvm::Expected;

template <typename... Args> static Error makeError(const char *format, Args &&...args) {
  return llvm::createStringError(llvm::formatv(format, std::forward<Args>(args)...).str());
}

WeightStore::~WeightStore() {
  for (auto &entry : files)
    ::close(entry.second.descriptor);
}

static std::string joinDims(llvm::ArrayRef<int64_t> values, const char *separator) {
  return llvm::join(llvm::map_range(values, [](int64_t value) { return std::to_string(value); }), separator);
}

static std::string describe(const TensorInFile &tensor) {
  std::string dims = joinDims(tensor.shape, "x") + (tensor.shape.empty() ? "" : "x");
  return llvm::formatv("tensor '{0}' ({1}{2})", tensor.name, dims, toString(tensor.dtype));
}

Expected<WeightStore::File> WeightStore::open(const TensorInFile &tensor) {
  std::lock_guard<std::mutex> lock(mutex);
  auto known = files.find(tensor.path);
  if (known != files.end())
    return known->second;
  auto opened = openReferenced(tensor.path);
  if (!opened)
    return makeError("{0}: {1}", describe(tensor), llvm::toString(opened.takeError()));
  uint64_t size = opened->size();
  File file{opened->release(), size};
  files.try_emplace(tensor.path, file);
  return file;
}

/// What can be said without the file.
static Error checkLength(const TensorInFile &tensor) {
  std::optional<uint64_t> expected = checkedBytesInFile(tensor.dtype, tensor.shape);
  if (expected == tensor.length)
    return Error::success();
  if (!expected)
    return makeError("{0}: its dimensions are no size of a file", describe(tensor));
  return makeError("{0}: its type needs {1} bytes, but {2} bytes of '{3}' are given for it", describe(tensor),
                   *expected, tensor.length, tensor.path);
}

static Error checkInside(const TensorInFile &tensor, uint64_t fileSize) {
  if (tensor.offset <= fileSize && tensor.length <= fileSize - tensor.offset)
    return Error::success();
  return makeError("{0}: expected its {1} bytes at offset {2} of '{3}', but the file ends after {4} bytes; it is "
                   "truncated or belongs to another model",
                   describe(tensor), tensor.length, tensor.offset, tensor.path, fileSize);
}

Error WeightStore::check(const TensorInFile &tensor) {
  if (Error error = checkLength(tensor))
    return error;
  Expected<File> file = open(tensor);
  if (!file)
    return file.takeError();
  return checkInside(tensor, file->size);
}

static Error checkSlice(const TensorInFile &tensor, const TensorSlice &slice) {
  bool inside = slice.offsets.size() == tensor.shape.size() && slice.sizes.size() == tensor.shape.size();
  for (size_t i = 0; inside && i < tensor.shape.size(); ++i)
    inside = slice.offsets[i] >= 0 && slice.sizes[i] >= 0 && slice.sizes[i] <= tensor.shape[i] - slice.offsets[i];
  if (inside)
    return Error::success();
  return makeError("{0}: the slice at [{1}] of size [{2}] is not inside the tensor", describe(tensor),
                   joinDims(slice.offsets, ", "), joinDims(slice.sizes, ", "));
}

static Error readFully(const TensorInFile &tensor, int descriptor, char *to, uint64_t length, uint64_t offset) {
  while (length) {
    ssize_t got = ::pread(descriptor, to, length, offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return makeError("{0}: cannot read {1} bytes at offset {2} of '{3}': {4}", describe(tensor), length, offset,
                       tensor.path, got ? std::strerror(errno) : "the file has become shorter");
    to += got;
    offset += got;
    length -= got;
  }
  return Error::success();
}

/// Reads `count` elements from element `first` on to `to`, which holds them as in memory. The bytes around the ends of
/// a run of codes narrower than a byte belong to its neighbours too; `packed` is scratch.
static Error readRun(const TensorInFile &tensor, int descriptor, uint64_t first, uint64_t count, char *to,
                     std::vector<uint8_t> &packed) {
  unsigned perByte = 8 / bitsInFile(tensor.dtype);
  if (perByte <= 1) {
    uint64_t size = bytesInMemory(tensor.dtype);
    return readFully(tensor, descriptor, to, count * size, tensor.offset + first * size);
  }
  uint64_t begin = first / perByte, end = llvm::divideCeil(first + count, perByte);
  packed.resize(end - begin);
  if (Error error =
          readFully(tensor, descriptor, reinterpret_cast<char *>(packed.data()), end - begin, tensor.offset + begin))
    return error;
  unpackCodes(tensor.dtype, packed.data(), first % perByte, count, to);
  return Error::success();
}

Expected<Tensor> WeightStore::readSlice(const TensorInFile &tensor, const TensorSlice &slice) {
  if (Error error = checkLength(tensor))
    return error;
  Expected<File> file = open(tensor);
  if (!file)
    return file.takeError();
  if (Error error = checkInside(tensor, file->size))
    return error;
  if (Error error = checkSlice(tensor, slice))
    return error;
  Tensor result(tensor.dtype, slice.sizes);
  if (!result.numElements())
    return result;

  // A run is contiguous in the file: trailing dimensions taken whole, and the slice of the one before them.
  int64_t runDim = tensor.shape.size();
  uint64_t run = 1;
  bool whole = true;
  while (runDim > 0 && whole) {
    --runDim;
    run *= slice.sizes[runDim];
    whole = slice.sizes[runDim] == tensor.shape[runDim];
  }
  llvm::SmallVector<int64_t, 4> index = slice.offsets;
  std::vector<uint8_t> packed;
  char *to = result.mutableRaw();
  for (uint64_t done = 0, all = result.numElements(); done < all; done += run) {
    uint64_t first = 0;
    for (size_t dim = 0; dim < index.size(); ++dim)
      first = first * tensor.shape[dim] + index[dim];
    if (Error error = readRun(tensor, file->descriptor, first, run, to, packed))
      return error;
    to += run * bytesInMemory(tensor.dtype);
    for (int64_t dim = runDim - 1; dim >= 0 && ++index[dim] == slice.offsets[dim] + slice.sizes[dim]; --dim)
      index[dim] = slice.offsets[dim];
  }
  return result;
}

Expected<Tensor> WeightStore::read(const TensorInFile &tensor) {
  return readSlice(tensor, TensorSlice::whole(tensor.shape));
}
