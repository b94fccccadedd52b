//===- Tensor.h - a dense tensor in memory ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_TENSOR_H
#define QUANTOPT_SUPPORT_TENSOR_H

#include "quantopt/Support/DType.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cassert>
#include <memory>
#include <string>

namespace quantopt {

class Tensor;

/// A string as an element of tensors: equal strings have equal handles. Strings stay until the process ends.
using StringHandle = const std::string *;
StringHandle internString(llvm::StringRef text);

/// C++ types that hold elements of a DType in memory. F16 and BF16 are held as their bits (uint16_t), codes narrower
/// than a byte as int8_t and uint8_t, floats of a byte or less as their bits (uint8_t), Bool as uint8_t 0 or 1.
template <typename T> bool holds(DType type);

/// Row-major, 64-byte aligned; copies share the buffer. Writing through mutableData() is for the one who made it.
class Tensor {
public:
  Tensor() = default;
  /// Uninitialised elements.
  Tensor(DType type, llvm::ArrayRef<int64_t> shape);
  static Tensor zeros(DType type, llvm::ArrayRef<int64_t> shape);
  template <typename T> static Tensor from(DType type, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<T> values) {
    Tensor tensor(type, shape);
    assert(int64_t(values.size()) == tensor.numElements());
    llvm::copy(values, tensor.mutableData<T>().begin());
    return tensor;
  }

  /// A sequence: a tensor of one dimension whose elements are tensors.
  static Tensor sequence(llvm::ArrayRef<Tensor> elements);
  /// The elements of a sequence.
  llvm::ArrayRef<Tensor> elements() const { return data<Tensor>(); }

  explicit operator bool() const { return buffer != nullptr; }
  DType dtype() const { return type; }
  llvm::ArrayRef<int64_t> shape() const { return dims; }
  int64_t rank() const { return dims.size(); }
  /// Size of dimension `i`; negative counts from the end.
  int64_t dim(int64_t i) const { return dims[i < 0 ? i + rank() : i]; }
  int64_t numElements() const;
  uint64_t sizeInBytes() const { return numElements() * bytesInMemory(type); }

  template <typename T> llvm::ArrayRef<T> data() const {
    assert(holds<T>(type));
    return {reinterpret_cast<const T *>(buffer.get()), size_t(numElements())};
  }
  template <typename T> llvm::MutableArrayRef<T> mutableData() {
    assert(holds<T>(type));
    return {reinterpret_cast<T *>(buffer.get()), size_t(numElements())};
  }
  const char *raw() const { return buffer.get(); }
  char *mutableRaw() { return buffer.get(); }

  /// A copy with a buffer of its own.
  Tensor clone() const;
  /// The same buffer under another shape of as many elements.
  Tensor reshaped(llvm::ArrayRef<int64_t> shape) const;

private:
  DType type = DType::F32;
  llvm::SmallVector<int64_t, 4> dims = {0};
  std::shared_ptr<char> buffer;
};

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_TENSOR_H
