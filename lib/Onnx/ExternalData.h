//===- ExternalData.h - tensors whose bytes are in other files ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_EXTERNALDATA_H
#define QUANTOPT_LIB_ONNX_EXTERNALDATA_H

#include "Source.h"
#include "llvm/ADT/StringMap.h"

namespace quantopt {

/// Where the external data of a tensor lies.
struct ExternalData {
  /// As the model writes it, relative to the model's folder.
  std::string location;
  uint64_t offset = 0;
  /// Nothing: up to the end of the file.
  std::optional<uint64_t> length;
};

/// The reference of a tensor, syntax checked: keys known and given once, numbers in range, a location that is relative
/// and does not climb. Errors name the tensor.
llvm::Expected<ExternalData> parseExternalData(const ::onnx::TensorProto &tensor);

/// Finds the data files of a model and checks ranges in them. No file is read.
class ExternalFiles {
public:
  explicit ExternalFiles(llvm::StringRef modelPath);

  /// Checks that the file exists below the model's folder (symbolic links included), is a regular file and holds the
  /// range of `expectedBytes` bytes. Errors name tensor and file.
  llvm::Error check(const ExternalData &data, uint64_t expectedBytes, llvm::StringRef tensor);

  /// The path of a location: folder of the model and location joined.
  std::string pathOf(llvm::StringRef location) const;

private:
  /// Size of the file at a location.
  llvm::Expected<uint64_t> sizeOf(llvm::StringRef location, llvm::StringRef tensor);

  std::string folder;
  llvm::StringMap<uint64_t> sizes;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_EXTERNALDATA_H
