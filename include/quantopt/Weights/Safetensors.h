//===- Safetensors.h - files of named tensors -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// The format (safetensors 0.4 and later): eight bytes with the length of a JSON header, little-endian; the header,
// {"name": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, .., "__metadata__": {"key": "text"}}, padded
// with spaces; the tensors, row-major and little-endian, without holes between them. Offsets count from the header's
// end.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_WEIGHTS_SAFETENSORS_H
#define QUANTOPT_WEIGHTS_SAFETENSORS_H

#include "quantopt/Weights/TensorFileWriter.h"
#include "quantopt/Weights/WeightStore.h"
#include <map>

namespace quantopt {

/// A tensor that a file will hold.
struct TensorEntry {
  std::string name;
  DType dtype;
  llvm::SmallVector<int64_t, 4> shape;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

/// The first bytes of a file, and where its tensors begin.
struct SafetensorsLayout {
  /// Length, JSON and padding.
  std::string header;
  /// From the beginning of the file, in the order of the entries.
  std::vector<uint64_t> offsets;
  /// Of the whole file.
  uint64_t size = 0;
};

/// Lays out a file. Tensors of a multiple of 64 bytes come first and begin at multiples of 64, as do the data as a
/// whole at a multiple of 4096; the others follow in order of falling element size, so that every tensor is aligned to
/// its elements. Fails for a name that is taken, empty or not UTF-8, and for an element type that the format lacks
/// (4-bit codes: pack them into bytes).
llvm::Expected<SafetensorsLayout> layoutSafetensors(llvm::ArrayRef<TensorEntry> entries,
                                                    const SafetensorsMetadata &metadata = {});

/// A writer for that layout, its header written; tensors go to the layout's offsets, from any thread in any order.
llvm::Expected<std::unique_ptr<TensorFileWriter>> createSafetensors(llvm::StringRef path,
                                                                    const SafetensorsLayout &layout);

/// What a file holds.
struct SafetensorsFile {
  /// By offset.
  std::vector<TensorInFile> tensors;
  SafetensorsMetadata metadata;
};

/// Reads the header. Fails, naming the file and the tensor, where the header is not one or the tensors do not fill the
/// rest of the file exactly.
llvm::Expected<SafetensorsFile> readSafetensors(llvm::StringRef path);
/// The same of a file that is in memory; `path` is for messages.
llvm::Expected<SafetensorsFile> parseSafetensors(llvm::StringRef bytes, llvm::StringRef path);

} // namespace quantopt

#endif // QUANTOPT_WEIGHTS_SAFETENSORS_H
