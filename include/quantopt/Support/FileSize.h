//===- FileSize.h - bytes of tensors that a file declares -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_FILESIZE_H
#define QUANTOPT_SUPPORT_FILESIZE_H

#include "quantopt/Support/DType.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/MathExtras.h"

namespace quantopt {

/// Bytes of a tensor in a file; nothing for a negative dimension and for more bits than 63 bits count.
inline std::optional<uint64_t> checkedBytesInFile(DType type, llvm::ArrayRef<int64_t> shape) {
  uint64_t bits = bitsInFile(type);
  for (int64_t dim : shape) {
    if (dim < 0)
      return std::nullopt;
    bits = llvm::SaturatingMultiply(bits, uint64_t(dim));
  }
  if (bits > uint64_t(INT64_MAX))
    return std::nullopt;
  return (bits + 7) / 8;
}

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_FILESIZE_H
