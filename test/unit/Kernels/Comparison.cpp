//===- Comparison.cpp - results of kernels against references --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Comparison.h"
#include "quantopt/Support/Half.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace quantopt;

template <typename T> static void appendAll(const Tensor &tensor, std::vector<double> &values) {
  for (T value : tensor.data<T>())
    values.push_back(double(value));
}

std::vector<double> kerneltest::toDoubles(const Tensor &tensor) {
  std::vector<double> values;
  values.reserve(tensor.numElements());
  switch (tensor.dtype()) {
  case DType::F64:
    appendAll<double>(tensor, values);
    break;
  case DType::F32:
    appendAll<float>(tensor, values);
    break;
  case DType::F16:
    for (uint16_t bits : tensor.data<uint16_t>())
      values.push_back(halfToFloat(bits));
    break;
  case DType::BF16:
    for (uint16_t bits : tensor.data<uint16_t>())
      values.push_back(bfloatToFloat(bits));
    break;
  case DType::I32:
    appendAll<int32_t>(tensor, values);
    break;
  case DType::I64:
    appendAll<int64_t>(tensor, values);
    break;
  case DType::I8:
  case DType::I4:
    appendAll<int8_t>(tensor, values);
    break;
  case DType::U8:
  case DType::U4:
    appendAll<uint8_t>(tensor, values);
    break;
  default:
    assert(false && "no kernel has results of this type");
  }
  return values;
}

/// "[3, 17]": where element `i` of a tensor of this shape is.
static std::string position(llvm::ArrayRef<int64_t> shape, int64_t i) {
  llvm::SmallVector<std::string> indices(shape.size());
  for (size_t d = shape.size(); d-- > 0; i /= shape[d])
    indices[d] = std::to_string(i % shape[d]);
  return "[" + llvm::join(indices, ", ") + "]";
}

static std::string describe(const Tensor &tensor) {
  std::string text = toString(tensor.dtype()).str() + " [";
  for (int64_t d = 0; d < tensor.rank(); ++d)
    text += (d ? ", " : "") + std::to_string(tensor.dim(d));
  return text + "]";
}

static std::string shortest(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

namespace {
/// The elements that do not agree.
struct Disagreement {
  int64_t count = 0, first = 0, worst = 0;
  double worstExcess = -1;

  void add(int64_t i, double excess) {
    if (count++ == 0)
      first = i;
    if (!(excess <= worstExcess)) {
      worst = i;
      worstExcess = excess;
    }
  }
  std::string describe(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<double> actual, llvm::ArrayRef<double> expected,
                       const std::string &allowed) const {
    return llvm::formatv("{0} of {1} elements differ, the first at {2}; the worst at {3}: {4}, expected {5}{6}", count,
                         actual.size(), position(shape, first), position(shape, worst), shortest(actual[worst]),
                         shortest(expected[worst]), allowed)
        .str();
  }
};
} // namespace

std::string kerneltest::compareExact(const Tensor &actual, const Tensor &expected) {
  if (actual.dtype() != expected.dtype() || actual.shape() != expected.shape())
    return "it is " + describe(actual) + ", expected " + describe(expected);
  if (std::memcmp(actual.raw(), expected.raw(), actual.sizeInBytes()) == 0)
    return "";
  std::vector<double> a = toDoubles(actual), b = toDoubles(expected);
  unsigned width = bytesInMemory(actual.dtype());
  Disagreement disagreement;
  for (int64_t i = 0; i < actual.numElements(); ++i)
    if (std::memcmp(actual.raw() + i * width, expected.raw() + i * width, width) &&
        !(std::isnan(a[i]) && std::isnan(b[i])))
      disagreement.add(i, std::fabs(a[i] - b[i]));
  return disagreement.count ? disagreement.describe(actual.shape(), a, b, "") : "";
}

std::string kerneltest::compareWithin(const Tensor &actual, const Tensor &expected,
                                      llvm::function_ref<double(int64_t)> bound) {
  if (actual.shape() != expected.shape())
    return "it is " + describe(actual) + ", expected " + describe(expected);
  std::vector<double> a = toDoubles(actual), b = toDoubles(expected);
  Disagreement disagreement;
  for (int64_t i = 0; i < actual.numElements(); ++i)
    if (double difference = std::fabs(a[i] - b[i]); !(difference <= bound(i)))
      disagreement.add(i, difference / bound(i));
  if (disagreement.count == 0)
    return "";
  return disagreement.describe(actual.shape(), a, b, " ± " + shortest(bound(disagreement.worst)));
}
