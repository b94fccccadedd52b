//===- WeightStore.h - tensors in files, read slice by slice ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_WEIGHTS_WEIGHTSTORE_H
#define QUANTOPT_WEIGHTS_WEIGHTSTORE_H

#include "quantopt/Support/Tensor.h"
#include "quantopt/Support/TensorSlice.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <mutex>
#include <string>

namespace quantopt {

/// Where the elements of a tensor lie: row-major, little-endian, 4-bit codes packed as ONNX does (DType.h).
struct TensorInFile {
  /// For messages only.
  std::string name;
  std::string path;
  /// Bytes; any alignment.
  uint64_t offset = 0, length = 0;
  DType dtype = DType::F32;
  llvm::SmallVector<int64_t, 4> shape;
};

/// Reads slices of tensors from files. Files are opened once and read by pread, never mapped: mapped pages count as
/// resident memory, and models are larger than what a compiler may use. Thread-safe.
class WeightStore {
public:
  WeightStore() = default;
  WeightStore(const WeightStore &) = delete;
  WeightStore &operator=(const WeightStore &) = delete;
  ~WeightStore();

  /// The elements of `slice` in a tensor of shape `slice.sizes` and the file's element type, 4-bit codes unpacked.
  /// Errors name the tensor and the file: no such file, a length that does not fit the type, a file that ends before
  /// the tensor does, a slice outside of the tensor.
  llvm::Expected<Tensor> readSlice(const TensorInFile &tensor, const TensorSlice &slice);
  /// All elements.
  llvm::Expected<Tensor> read(const TensorInFile &tensor);
  /// Whether the file is there and holds the tensor: what readSlice checks before reading.
  llvm::Error check(const TensorInFile &tensor);

private:
  struct File {
    int descriptor;
    uint64_t size;
  };
  llvm::Expected<File> open(const TensorInFile &tensor);

  std::mutex mutex;
  llvm::StringMap<File> files;
};

} // namespace quantopt

#endif // QUANTOPT_WEIGHTS_WEIGHTSTORE_H
