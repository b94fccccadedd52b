//===- TensorFileWriter.h - a file of tensors, written by many threads -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_WEIGHTS_TENSORFILEWRITER_H
#define QUANTOPT_WEIGHTS_TENSORFILEWRITER_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace quantopt {

/// A raw file of tensors that ONNX external data can name: every tensor at a multiple of 4096 bytes, row-major,
/// little-endian, 4-bit codes packed two to a byte. It grows under a temporary name in the folder of its final one and
/// takes that only by commit(); without commit (an error, SIGINT, SIGTERM, destruction) nothing stays.
class TensorFileWriter {
public:
  static constexpr uint64_t alignment = 4096;

  static llvm::Expected<std::unique_ptr<TensorFileWriter>> create(llvm::StringRef path);
  TensorFileWriter(const TensorFileWriter &) = delete;
  TensorFileWriter &operator=(const TensorFileWriter &) = delete;
  ~TensorFileWriter();

  /// Sets bytes aside for a tensor of that many elements and returns their offset. Offsets depend on the order of the
  /// calls only, so reserve everything first and write from any thread in any order.
  uint64_t reserve(DType type, uint64_t elements);

  /// Writes `part`, elements from number `first` on of the tensor reserved at `offset`. Thread-safe. A 4-bit part
  /// starts at an even element, so that no byte has two writers.
  llvm::Error write(uint64_t offset, uint64_t first, const Tensor &part);

  /// Gives the complete file its name and its lasting bytes (fsync of file and folder).
  llvm::Error commit();

  uint64_t size() const { return end; }
  llvm::StringRef path() const { return finalPath; }

private:
  TensorFileWriter(llvm::StringRef path) : finalPath(path) {}

  std::string finalPath, temporaryPath;
  int descriptor = -1;
  uint64_t end = 0;
};

} // namespace quantopt

#endif // QUANTOPT_WEIGHTS_TENSORFILEWRITER_H
