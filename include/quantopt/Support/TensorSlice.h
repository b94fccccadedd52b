//===- TensorSlice.h - a rectangular part of a tensor -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_TENSORSLICE_H
#define QUANTOPT_SUPPORT_TENSORSLICE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace quantopt {

/// The elements [offsets[d], offsets[d] + sizes[d]) of every dimension d.
struct TensorSlice {
  llvm::SmallVector<int64_t, 4> offsets, sizes;

  static TensorSlice whole(llvm::ArrayRef<int64_t> shape) {
    return {llvm::SmallVector<int64_t, 4>(shape.size(), 0), llvm::SmallVector<int64_t, 4>(shape)};
  }
  /// Rows [begin, begin + count) of a tensor of that shape, all of every other dimension.
  static TensorSlice rows(llvm::ArrayRef<int64_t> shape, int64_t begin, int64_t count) {
    TensorSlice slice = whole(shape);
    slice.offsets[0] = begin;
    slice.sizes[0] = count;
    return slice;
  }
  int64_t numElements() const {
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    return count;
  }
  bool operator==(const TensorSlice &other) const { return offsets == other.offsets && sizes == other.sizes; }
};

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_TENSORSLICE_H
