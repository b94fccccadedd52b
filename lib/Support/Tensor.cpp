//===- Tensor.cpp - a dense tensor in memory ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Tensor.h"
#include <cstring>
#include <new>

using namespace quantopt;

namespace quantopt {
template <> bool holds<double>(DType type) { return type == DType::F64; }
template <> bool holds<float>(DType type) { return type == DType::F32; }
template <> bool holds<int64_t>(DType type) { return type == DType::I64; }
template <> bool holds<int32_t>(DType type) { return type == DType::I32; }
template <> bool holds<int16_t>(DType type) { return type == DType::I16; }
template <> bool holds<int8_t>(DType type) { return type == DType::I8 || type == DType::I4; }
template <> bool holds<uint64_t>(DType type) { return type == DType::U64; }
template <> bool holds<uint32_t>(DType type) { return type == DType::U32; }
template <> bool holds<uint16_t>(DType type) { return type == DType::U16 || type == DType::F16 || type == DType::BF16; }
template <> bool holds<uint8_t>(DType type) { return type == DType::U8 || type == DType::U4 || type == DType::Bool; }
} // namespace quantopt

Tensor::Tensor(DType type, llvm::ArrayRef<int64_t> shape) : type(type), dims(shape) {
  constexpr std::align_val_t alignment{64};
  auto *memory = static_cast<char *>(::operator new(std::max<uint64_t>(sizeInBytes(), 1), alignment));
  buffer = std::shared_ptr<char>(memory, [](char *p) { ::operator delete(p, std::align_val_t{64}); });
}

Tensor Tensor::zeros(DType type, llvm::ArrayRef<int64_t> shape) {
  Tensor tensor(type, shape);
  std::memset(tensor.mutableRaw(), 0, tensor.sizeInBytes());
  return tensor;
}

int64_t Tensor::numElements() const {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

Tensor Tensor::clone() const {
  Tensor copy(type, dims);
  std::memcpy(copy.mutableRaw(), raw(), sizeInBytes());
  return copy;
}

Tensor Tensor::reshaped(llvm::ArrayRef<int64_t> shape) const {
  Tensor view = *this;
  view.dims.assign(shape.begin(), shape.end());
  assert(view.numElements() == numElements());
  return view;
}
