//===- Broadcast.cpp - loops over tensors of different shapes -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantopt;
using namespace quantopt::compute;

llvm::Error compute::makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

std::string compute::toString(llvm::ArrayRef<int64_t> shape) {
  return shape.empty() ? "a scalar"
                       : llvm::join(llvm::map_range(shape, [](int64_t d) { return std::to_string(d); }), "x");
}

llvm::Expected<Shape> compute::broadcastShapes(llvm::ArrayRef<llvm::ArrayRef<int64_t>> shapes) {
  size_t rank = 0;
  for (llvm::ArrayRef<int64_t> shape : shapes)
    rank = std::max(rank, shape.size());
  Shape result(rank, 1);
  for (llvm::ArrayRef<int64_t> shape : shapes) {
    size_t missing = rank - shape.size();
    for (auto [i, dim] : llvm::enumerate(shape)) {
      int64_t &size = result[missing + i];
      if (dim != 1 && size != 1 && dim != size)
        return makeError("shapes " + llvm::join(llvm::map_range(shapes, compute::toString), " and ") +
                         " do not broadcast");
      if (dim != 1)
        size = dim;
    }
  }
  return result;
}

llvm::Expected<int64_t> compute::normalizeAxis(int64_t axis, int64_t rank) {
  int64_t result = axis < 0 ? axis + rank : axis;
  if (result < 0 || result >= rank)
    return makeError("axis " + llvm::Twine(axis) + " is outside a tensor of rank " + llvm::Twine(rank));
  return result;
}

int64_t compute::product(llvm::ArrayRef<int64_t> dims) {
  int64_t count = 1;
  for (int64_t d : dims)
    count *= d;
  return count;
}

Shape compute::rowMajorStrides(llvm::ArrayRef<int64_t> shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (int64_t i = int64_t(shape.size()) - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/// Whether dimension `d` and the one after it can be walked as one.
static bool mergesWithNext(llvm::ArrayRef<Shape> strides, llvm::ArrayRef<int64_t> shape, size_t d) {
  return llvm::all_of(strides, [&](const Shape &s) { return s[d] == s[d + 1] * shape[d + 1]; });
}

StridedLoops::StridedLoops(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<Shape> operandStrides)
    : strides(operandStrides.size()) {
  // Dimensions of one element are never stepped over.
  llvm::SmallVector<size_t> kept;
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1)
      kept.push_back(d);
  for (size_t d : kept) {
    dims.push_back(shape[d]);
    for (size_t i = 0; i < strides.size(); ++i)
      strides[i].push_back(operandStrides[i][d]);
  }
  for (int64_t d = int64_t(dims.size()) - 2; d >= 0; --d) {
    if (!mergesWithNext(strides, dims, d))
      continue;
    dims[d] *= dims[d + 1];
    dims.erase(dims.begin() + d + 1);
    for (Shape &s : strides)
      s.erase(s.begin() + d);
  }
  if (dims.empty()) {
    dims.push_back(1);
    for (Shape &s : strides)
      s.push_back(0);
  }
}

StridedLoops StridedLoops::broadcast(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<llvm::ArrayRef<int64_t>> operands) {
  llvm::SmallVector<Shape, 3> strides;
  for (llvm::ArrayRef<int64_t> operand : operands) {
    Shape own = rowMajorStrides(operand), walked(shape.size(), 0);
    size_t missing = shape.size() - operand.size();
    for (size_t d = 0; d < operand.size(); ++d)
      if (operand[d] != 1)
        walked[missing + d] = own[d];
    strides.push_back(std::move(walked));
  }
  return StridedLoops(shape, strides);
}

/// Elements that are worth handing to another thread.
static constexpr int64_t elementsPerTask = 1 << 15;

void StridedLoops::forEach(llvm::function_ref<void(int64_t, llvm::ArrayRef<int64_t>, int64_t)> body) const {
  int64_t runs = 1, inner = dims.back();
  for (int64_t d : llvm::ArrayRef<int64_t>(dims).drop_back())
    runs *= d;
  if (runs == 0 || inner == 0)
    return;
  if (runs == 1) {
    parallelForRanges(inner, elementsPerTask, [&](int64_t begin, int64_t end) {
      Shape offsets;
      for (const Shape &s : strides)
        offsets.push_back(begin * s.back());
      body(begin, offsets, end - begin);
    });
    return;
  }
  size_t outer = dims.size() - 1;
  parallelForRanges(runs, std::max<int64_t>(1, elementsPerTask / inner), [&](int64_t begin, int64_t end) {
    Shape index(outer), offsets(strides.size(), 0);
    int64_t rest = begin;
    for (int64_t d = int64_t(outer) - 1; d >= 0; --d) {
      index[d] = rest % dims[d];
      rest /= dims[d];
      for (size_t i = 0; i < strides.size(); ++i)
        offsets[i] += index[d] * strides[i][d];
    }
    for (int64_t run = begin; run < end; ++run) {
      body(run * inner, offsets, inner);
      for (int64_t d = int64_t(outer) - 1; d >= 0; --d) {
        bool carries = ++index[d] == dims[d];
        for (size_t i = 0; i < strides.size(); ++i)
          offsets[i] += carries ? -(dims[d] - 1) * strides[i][d] : strides[i][d];
        if (!carries)
          break;
        index[d] = 0;
      }
    }
  });
}
