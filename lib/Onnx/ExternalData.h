//===- ExternalData.h - tensors whose bytes are in other files ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_EXTERNALDATA_H
#define QUANTOPT_LIB_ONNX_EXTERNALDATA_H

#include "Source.h"
#include "quantopt/Support/FileAccess.h"
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

/// The data files of a model, each opened once and confined to the model's folder (FileAccess.h).
class ExternalFiles {
public:
  explicit ExternalFiles(llvm::StringRef modelPath);

  /// Checks that the file may be read and holds the range of `expectedBytes` bytes. Errors name tensor and file.
  llvm::Error check(const ExternalData &data, uint64_t expectedBytes, llvm::StringRef tensor);

  /// Fails if two tensors that were checked share a part of a file where neither contains the other. Tied weights
  /// share all of it, slices of packed ones lie inside.
  llvm::Error checkOverlaps();

  /// A few bytes of a file that was checked.
  llvm::Expected<std::string> read(llvm::StringRef location, Span range);

  /// The path of a location: folder of the model and location joined.
  std::string pathOf(llvm::StringRef location) const;

private:
  llvm::Expected<const ReadableFile *> open(llvm::StringRef location);

  /// Where a tensor lies.
  struct Place {
    std::string location;
    Span range;
    std::string tensor;
  };

  std::string folder;
  llvm::StringMap<ReadableFile> files;
  std::vector<Place> places;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_EXTERNALDATA_H
