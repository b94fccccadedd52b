//===- Tensor.cpp - a dense tensor in memory ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Tensor.h"
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_set>
#include <vector>

using namespace quantopt;

namespace quantopt {
template <> bool holds<double>(DType type) { return type == DType::F64; }
template <> bool holds<float>(DType type) { return type == DType::F32; }
template <> bool holds<int64_t>(DType type) { return type == DType::I64; }
template <> bool holds<int32_t>(DType type) { return type == DType::I32; }
template <> bool holds<int16_t>(DType type) { return type == DType::I16; }
template <> bool holds<int8_t>(DType type) { return type == DType::I8 || type == DType::I4 || type == DType::I2; }
template <> bool holds<uint64_t>(DType type) { return type == DType::U64; }
template <> bool holds<uint32_t>(DType type) { return type == DType::U32; }
template <> bool holds<uint16_t>(DType type) { return type == DType::U16 || type == DType::F16 || type == DType::BF16; }
template <> bool holds<uint8_t>(DType type) {
  return type == DType::U8 || type == DType::U4 || type == DType::U2 || type == DType::Bool || isNarrowFloat(type);
}
template <> bool holds<StringHandle>(DType type) { return type == DType::String; }
template <> bool holds<Tensor>(DType type) { return type == DType::Sequence; }
} // namespace quantopt

Tensor::Tensor(DType type, llvm::ArrayRef<int64_t> shape) : type(type), dims(shape) {
  constexpr std::align_val_t alignment{64};
  auto *memory = static_cast<char *>(::operator new(std::max<uint64_t>(sizeInBytes(), 1), alignment));
  buffer = std::shared_ptr<char>(memory, [](char *p) { ::operator delete(p, std::align_val_t{64}); });
}

Tensor Tensor::sequence(llvm::ArrayRef<Tensor> elements) {
  Tensor result;
  result.type = DType::Sequence;
  result.dims = {int64_t(elements.size())};
  auto held = std::make_shared<std::vector<Tensor>>(elements.begin(), elements.end());
  // An empty vector has no address; the bytes of the vector itself stand for it.
  auto *first = held->empty() ? reinterpret_cast<char *>(held.get()) : reinterpret_cast<char *>(held->data());
  result.buffer = std::shared_ptr<char>(held, first);
  return result;
}

StringHandle quantopt::internString(llvm::StringRef text) {
  static std::mutex mutex;
  // Elements of an unordered set stay where they are.
  static std::unordered_set<std::string> strings;
  std::lock_guard<std::mutex> lock(mutex);
  return &*strings.insert(text.str()).first;
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
  if (type == DType::Sequence)
    return sequence(elements());
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
