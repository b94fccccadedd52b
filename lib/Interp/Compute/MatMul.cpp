//===- MatMul.cpp - matrix products of tensors --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/MatMul.h"
#include "Dispatch.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Gemm.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;
using namespace quantopt::compute;

template <typename T> static void multiply(int64_t m, int64_t n, int64_t k, const T *a, const T *b, T *c) {
  if constexpr (std::is_floating_point_v<T>) {
    gemm<T, T>(m, n, k, {a, k, 1}, {b, n, 1}, c, n);
  } else {
    std::fill_n(c, m * n, T(0));
    for (int64_t i = 0; i < m; ++i)
      for (int64_t l = 0; l < k; ++l)
        for (int64_t j = 0; j < n; ++j)
          c[i * n + j] += a[i * k + l] * b[l * n + j];
  }
}

/// The batch dimensions of a result, and where each of its matrices finds its operands.
struct Batches {
  Shape shape;
  StridedLoops loops;
};
static llvm::Expected<Batches> broadcastBatches(llvm::ArrayRef<int64_t> left, llvm::ArrayRef<int64_t> right) {
  llvm::Expected<Shape> shape = broadcastShapes({left, right});
  if (!shape)
    return shape.takeError();
  return Batches{*shape, StridedLoops::broadcast(*shape, {left, right})};
}

llvm::Expected<Tensor> compute::matmul(const Tensor &left, const Tensor &right) {
  if (left.rank() == 0 || right.rank() == 0 || left.dtype() != right.dtype())
    return makeError("cannot multiply " + toString(left.shape()) + " of " + toString(left.dtype()) + " and " +
                     toString(right.shape()) + " of " + toString(right.dtype()));
  DType working = arithmeticType(left.dtype());
  Tensor a = convert(left, working), b = convert(right, working);
  bool isRow = left.rank() == 1, isColumn = right.rank() == 1;
  if (isRow)
    a = a.reshaped({1, left.dim(0)});
  if (isColumn)
    b = b.reshaped({right.dim(0), 1});
  int64_t m = a.dim(-2), k = a.dim(-1), n = b.dim(-1);
  if (b.dim(-2) != k)
    return makeError("cannot multiply " + toString(left.shape()) + " and " + toString(right.shape()) +
                     ": the contracted dimensions differ");
  llvm::Expected<Batches> batches = broadcastBatches(a.shape().drop_back(2), b.shape().drop_back(2));
  if (!batches)
    return batches.takeError();
  Shape shape = batches->shape;
  if (!isRow)
    shape.push_back(m);
  if (!isColumn)
    shape.push_back(n);
  Tensor result(working, shape);
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    const T *x = a.data<T>().data(), *y = b.data<T>().data();
    T *z = result.mutableData<T>().data();
    // One matrix on the right for all rows on the left is one product.
    if (b.rank() == 2)
      return multiply(product(a.shape().drop_back()), n, k, x, y, z);
    int64_t leftStep = batches->loops.innerStride(0) * m * k, rightStep = batches->loops.innerStride(1) * k * n;
    batches->loops.forEach([&](int64_t at, llvm::ArrayRef<int64_t> offsets, int64_t count) {
      for (int64_t i = 0; i < count; ++i)
        multiply(m, n, k, x + offsets[0] * m * k + i * leftStep, y + offsets[1] * k * n + i * rightStep,
                 z + (at + i) * m * n);
    });
  });
  return convert(result, left.dtype());
}

template <typename T, typename W> static void linearOf(const Tensor &x, const Tensor &w, Tensor &result, int64_t from) {
  int64_t k = x.dim(-1), n = w.dim(0), rows = product(x.shape().drop_back());
  gemm<T, W>(rows, n, k, {x.data<T>().data(), k, 1}, {w.data<W>().data(), 1, k}, result.mutableData<T>().data() + from,
             result.dim(-1));
}

template <typename T> static void linearOf(const Tensor &x, const Tensor &w, Tensor &result, int64_t from) {
  if (w.dtype() == x.dtype())
    return linearOf<T, T>(x, w, result, from);
  if (w.dtype() == DType::I8 || w.dtype() == DType::I4)
    return linearOf<T, int8_t>(x, w, result, from);
  if (w.dtype() == DType::U8 || w.dtype() == DType::U4)
    return linearOf<T, uint8_t>(x, w, result, from);
  linearOf<T, T>(x, convert(w, x.dtype()), result, from);
}

void compute::linearInto(const Tensor &x, const Tensor &w, Tensor &result, int64_t from) {
  if (x.dtype() == DType::F64)
    return linearOf<double>(x, w, result, from);
  linearOf<float>(x, w, result, from);
}

template <typename T> static void accumulateOf(const Tensor &x, const Tensor &w, Tensor &result, int64_t from) {
  int64_t depth = w.dim(0), n = w.dim(1), k = x.dim(-1), rows = product(x.shape().drop_back());
  gemm<T, T>(rows, n, depth, {x.data<T>().data() + from, k, 1}, {w.data<T>().data(), n, 1},
             result.mutableData<T>().data(), n, from > 0);
}

void compute::accumulateProduct(const Tensor &x, const Tensor &w, Tensor &result, int64_t from) {
  Tensor converted = convert(w, x.dtype());
  if (x.dtype() == DType::F64)
    return accumulateOf<double>(x, converted, result, from);
  accumulateOf<float>(x, converted, result, from);
}

template <typename T> static void addBiasOf(Tensor &result, const Tensor &bias) {
  const T *b = bias.data<T>().data();
  T *y = result.mutableData<T>().data();
  int64_t n = bias.numElements(), rows = n ? result.numElements() / n : 0;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j)
      y[i * n + j] += b[j];
}

void compute::addBias(Tensor &result, const Tensor &bias) {
  Tensor converted = convert(bias, result.dtype());
  if (result.dtype() == DType::F64)
    return addBiasOf<double>(result, converted);
  addBiasOf<float>(result, converted);
}
