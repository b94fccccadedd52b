//===- Selection.cpp - ONNX operators that choose elements --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"
#include "llvm/ADT/Sequence.h"
#include <algorithm>

using namespace quantopt;
using namespace quantopt::interp;

/// Whether a comes before b in descending (or ascending) order; NaN is above all numbers.
template <typename T> static bool comesBefore(T a, T b, bool descending) {
  bool aIsNan = a != a, bIsNan = b != b;
  if (aIsNan || bIsNan)
    return descending ? aIsNan && !bIsNan : bIsNan && !aIsNan;
  return descending ? a > b : a < b;
}

/// Indices [fibres, k] of the first k elements of each row [fibres, count], in order; of equals the first come first.
template <typename T>
static void selectRows(const Tensor &rows, int64_t count, int64_t k, bool descending, int64_t *target) {
  const T *source = rows.data<T>().data();
  std::vector<int64_t> order(count);
  for (int64_t row = 0; count && row < rows.numElements() / count; ++row, source += count, target += k) {
    for (int64_t i = 0; i < count; ++i)
      order[i] = i;
    std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
      if (comesBefore(source[a], source[b], descending))
        return true;
      return !comesBefore(source[b], source[a], descending) && a < b;
    });
    std::copy_n(order.begin(), k, target);
  }
}

static llvm::Expected<Tensors> topK(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  const Tensor &x = context.operand(0);
  llvm::Expected<int64_t> axis = compute::normalizeAxis(node.getInt("axis", -1), x.rank());
  if (!axis)
    return axis.takeError();
  llvm::Expected<int64_t> stated = context.has(1) ? integerOf(context.operand(1)) : node.getInt("k", -1);
  if (!stated)
    return stated.takeError();
  int64_t k = *stated, count = x.dim(*axis);
  if (k < 0 || k > count)
    return compute::makeError("cannot choose " + llvm::Twine(k) + " of " + llvm::Twine(count) + " elements");
  compute::Shape permutation = llvm::to_vector<4>(llvm::seq<int64_t>(0, x.rank()));
  std::swap(permutation[*axis], permutation.back());
  llvm::Expected<Tensor> rows = compute::transpose(x, permutation);
  if (!rows)
    return rows.takeError();
  compute::Shape shape(rows->shape());
  shape.back() = k;
  Tensor indices(DType::I64, shape), wide = convert(*rows, compute::arithmeticType(x.dtype()));
  int64_t *target = indices.mutableData<int64_t>().data();
  bool descending = node.getInt("largest", 1);
  if (wide.dtype() == DType::F64)
    selectRows<double>(wide, count, k, descending, target);
  else if (wide.dtype() == DType::F32)
    selectRows<float>(wide, count, k, descending, target);
  else if (wide.dtype() == DType::U64)
    selectRows<uint64_t>(wide, count, k, descending, target);
  else
    selectRows<int64_t>(wide, count, k, descending, target);
  llvm::Expected<Tensor> places = compute::transpose(indices, permutation);
  if (!places)
    return places.takeError();
  llvm::Expected<Tensor> values = compute::gatherElements(x, *places, *axis);
  if (!values)
    return values.takeError();
  return Tensors{*values, *places};
}

/// Coordinates [rank, n] of the elements that are not zero.
static llvm::Expected<Tensors> nonZero(KernelContext &context) {
  const Tensor &x = context.operand(0);
  Tensor flags = convert(x, DType::Bool);
  llvm::SmallVector<int64_t> found;
  for (auto [i, flag] : llvm::enumerate(flags.data<uint8_t>()))
    if (flag)
      found.push_back(i);
  // A scalar has one coordinate-less element; onnxruntime gives it one coordinate.
  int64_t rank = std::max<int64_t>(x.rank(), 1), n = found.size();
  Tensor result(DType::I64, {rank, n});
  for (int64_t j = 0; j < n; ++j)
    for (int64_t d = rank - 1, rest = found[j]; d >= 0; --d) {
      int64_t size = x.rank() ? x.dim(d) : 1;
      result.mutableData<int64_t>()[d * n + j] = rest % size;
      rest /= size;
    }
  return Tensors{result};
}

/// The slices along an axis whose condition holds; without an axis, of the elements in order.
static llvm::Expected<Tensors> compress(KernelContext &context) {
  Tensor x = context.operand(0), condition = context.operand(1);
  if (condition.dtype() != DType::Bool)
    return compute::makeError("expected i1 conditions, not " + toString(condition.dtype()));
  std::optional<int64_t> stated = context.node().getInt("axis");
  if (!stated)
    x = x.reshaped({x.numElements()});
  llvm::Expected<int64_t> axis = compute::normalizeAxis(stated.value_or(0), x.rank());
  if (!axis)
    return axis.takeError();
  if (condition.numElements() > x.dim(*axis))
    return compute::makeError("there are more conditions than slices");
  llvm::SmallVector<int64_t> kept;
  for (auto [i, holds] : llvm::enumerate(condition.data<uint8_t>()))
    if (holds)
      kept.push_back(i);
  return single(compute::gather(x, Tensor::from<int64_t>(DType::I64, {int64_t(kept.size())}, kept), *axis));
}

/// Ones on diagonal k of a matrix of the input's shape.
static llvm::Expected<Tensors> eyeLike(KernelContext &context) {
  const Tensor &x = context.operand(0);
  if (x.rank() != 2)
    return compute::makeError("expected a matrix, not " + compute::toString(x.shape()));
  llvm::Expected<DType> type = x.dtype();
  if (int64_t stated = context.node().getInt("dtype", 0))
    type = fromOnnxType(stated);
  if (!type)
    return type.takeError();
  int64_t k = context.node().getInt("k", 0);
  Tensor ones = Tensor::zeros(DType::I64, x.shape());
  for (int64_t row = 0; row < x.dim(0); ++row)
    if (row + k >= 0 && row + k < x.dim(1))
      ones.mutableData<int64_t>()[row * x.dim(1) + row + k] = 1;
  return Tensors{convert(ones, context.held(*type))};
}

void interp::registerSelectionKernels(KernelRegistry &registry) {
  registry.addNode("::TopK", topK);
  registry.addNode("::NonZero", nonZero);
  registry.addNode("::Compress", compress);
  registry.addNode("::EyeLike", eyeLike);
}
