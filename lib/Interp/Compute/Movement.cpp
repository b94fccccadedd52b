//===- Movement.cpp - tensors rearranged, cut and joined ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Movement.h"
#include "Dispatch.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <cstring>

using namespace quantopt;
using namespace quantopt::compute;

/// A result whose element at an index is the input's at `base` plus the index times `strides`.
static Tensor copyStrided(const Tensor &input, llvm::ArrayRef<int64_t> shape, const Shape &strides, int64_t base) {
  Tensor result(input.dtype(), shape);
  StridedLoops loops(shape, {strides});
  int64_t step = loops.innerStride(0);
  dispatchBytes(input.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *source = reinterpret_cast<const T *>(input.raw()) + base;
    T *target = reinterpret_cast<T *>(result.mutableRaw());
    loops.forEach([&](int64_t at, llvm::ArrayRef<int64_t> offsets, int64_t count) {
      const T *from = source + offsets[0];
      if (step == 1)
        std::memcpy(target + at, from, count * sizeof(T));
      else
        for (int64_t i = 0; i < count; ++i)
          target[at + i] = from[i * step];
    });
  });
  return result;
}

llvm::Expected<Tensor> compute::transpose(const Tensor &input, llvm::ArrayRef<int64_t> permutation) {
  if (int64_t(permutation.size()) != input.rank())
    return makeError("a permutation of " + llvm::Twine(permutation.size()) + " dimensions for a tensor of rank " +
                     llvm::Twine(input.rank()));
  Shape strides = rowMajorStrides(input.shape()), shape, walked;
  llvm::SmallVector<bool> seen(input.rank(), false);
  for (int64_t d : permutation) {
    if (d < 0 || d >= input.rank() || seen[d])
      return makeError("not a permutation");
    seen[d] = true;
    shape.push_back(input.dim(d));
    walked.push_back(strides[d]);
  }
  return copyStrided(input, shape, walked, 0);
}

llvm::Expected<Tensor> compute::expand(const Tensor &input, llvm::ArrayRef<int64_t> shape) {
  llvm::Expected<Shape> common = broadcastShapes({input.shape(), shape});
  if (!common)
    return common.takeError();
  if (llvm::ArrayRef<int64_t>(*common) == input.shape())
    return input;
  Shape own = rowMajorStrides(input.shape()), walked(common->size(), 0);
  size_t missing = common->size() - input.rank();
  for (int64_t d = 0; d < input.rank(); ++d)
    if (input.dim(d) != 1)
      walked[missing + d] = own[d];
  return copyStrided(input, *common, walked, 0);
}

llvm::Expected<Tensor> compute::slice(const Tensor &input, llvm::ArrayRef<int64_t> starts, llvm::ArrayRef<int64_t> ends,
                                      llvm::ArrayRef<int64_t> axes, llvm::ArrayRef<int64_t> steps) {
  if (starts.size() != ends.size() || starts.size() != axes.size() || starts.size() != steps.size())
    return makeError("starts, ends, axes and steps differ in length");
  Shape shape(input.shape()), strides = rowMajorStrides(input.shape());
  int64_t base = 0;
  for (auto [start, end, axisFromEnd, step] : llvm::zip(starts, ends, axes, steps)) {
    llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
    if (!axis)
      return axis.takeError();
    if (step == 0)
      return makeError("a slice cannot have step 0");
    int64_t size = shape[*axis];
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    int64_t first = std::clamp(start < 0 ? start + size : start, std::max<int64_t>(low, 0), std::max<int64_t>(high, 0));
    int64_t stop = std::clamp(end < 0 ? std::max(end, -size - 1) + size : end, low, high + (step < 0));
    int64_t count = step > 0 ? (stop - first + step - 1) / step : (first - stop - step - 1) / -step;
    count = size == 0 ? 0 : std::max<int64_t>(count, 0);
    base += first * strides[*axis];
    shape[*axis] = count;
    strides[*axis] *= step;
  }
  if (llvm::ArrayRef<int64_t>(shape) == input.shape() && base == 0)
    if (llvm::all_of(steps, [](int64_t step) { return step == 1; }))
      return input;
  return copyStrided(input, shape, strides, product(shape) == 0 ? 0 : base);
}

/// Copies `blocks` runs of `bytes`, from and to places that are `sourceStep` and `targetStep` bytes apart.
static void copyRuns(const char *source, char *target, int64_t blocks, int64_t bytes, int64_t sourceStep,
                     int64_t targetStep) {
  int64_t grain = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(bytes, 1));
  parallelForRanges(blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(target + i * targetStep, source + i * sourceStep, bytes);
  });
}

llvm::Expected<Tensor> compute::concat(llvm::ArrayRef<Tensor> inputs, int64_t axisFromEnd) {
  if (inputs.empty())
    return makeError("nothing to concatenate");
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, inputs[0].rank());
  if (!axis)
    return axis.takeError();
  Shape shape(inputs[0].shape());
  shape[*axis] = 0;
  for (const Tensor &input : inputs) {
    bool fits = input.rank() == inputs[0].rank() && input.dtype() == inputs[0].dtype();
    for (int64_t d = 0; fits && d < input.rank(); ++d)
      fits = d == *axis || input.dim(d) == shape[d];
    if (!fits)
      return makeError("cannot concatenate " + toString(inputs[0].shape()) + " of " + toString(inputs[0].dtype()) +
                       " and " + toString(input.shape()) + " of " + toString(input.dtype()) + " along dimension " +
                       llvm::Twine(*axis));
    shape[*axis] += input.dim(*axis);
  }
  Tensor result(inputs[0].dtype(), shape);
  int64_t blocks = product(llvm::ArrayRef(shape).take_front(*axis));
  int64_t resultStep = product(llvm::ArrayRef(shape).drop_front(*axis)) * bytesInMemory(result.dtype());
  char *target = result.mutableRaw();
  for (const Tensor &input : inputs) {
    int64_t bytes = blocks ? input.sizeInBytes() / blocks : 0;
    copyRuns(input.raw(), target, blocks, bytes, bytes, resultStep);
    target += bytes;
  }
  return result;
}

llvm::Expected<llvm::SmallVector<Tensor>> compute::split(const Tensor &input, llvm::ArrayRef<int64_t> sizes,
                                                         int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  int64_t sum = 0;
  for (int64_t size : sizes)
    sum += size;
  if (sum != input.dim(*axis))
    return makeError("pieces of " + toString(sizes) + " do not make up " + llvm::Twine(input.dim(*axis)) + " elements");
  llvm::SmallVector<Tensor> pieces;
  int64_t from = 0;
  for (int64_t size : sizes) {
    llvm::Expected<Tensor> piece = slice(input, {from}, {from + size}, {*axis}, {1});
    if (!piece)
      return piece.takeError();
    pieces.push_back(std::move(*piece));
    from += size;
  }
  return pieces;
}

/// Indices as int64, negative ones counted from the end of `size` elements.
static llvm::Expected<llvm::SmallVector<int64_t>> checkedIndices(const Tensor &indices, int64_t size) {
  llvm::SmallVector<int64_t> result = toIntegers(indices);
  for (int64_t &index : result) {
    if (index < -size || index >= size)
      return makeError("index " + llvm::Twine(index) + " is outside a dimension of " + llvm::Twine(size));
    if (index < 0)
      index += size;
  }
  return result;
}

llvm::Expected<Tensor> compute::gather(const Tensor &input, const Tensor &indices, int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  llvm::Expected<llvm::SmallVector<int64_t>> positions = checkedIndices(indices, input.dim(*axis));
  if (!positions)
    return positions.takeError();
  llvm::ArrayRef<int64_t> before = input.shape().take_front(*axis), after = input.shape().drop_front(*axis + 1);
  Shape shape(before);
  llvm::append_range(shape, indices.shape());
  llvm::append_range(shape, after);
  Tensor result(input.dtype(), shape);
  int64_t bytes = product(after) * bytesInMemory(input.dtype()), outer = product(before);
  for (int64_t i = 0; i < outer; ++i) {
    const char *source = input.raw() + i * input.dim(*axis) * bytes;
    char *target = result.mutableRaw() + i * int64_t(positions->size()) * bytes;
    for (auto [j, position] : llvm::enumerate(*positions))
      std::memcpy(target + j * bytes, source + position * bytes, bytes);
  }
  return result;
}

/// Calls `body(flat, index)` for every index of a shape, in row-major order.
static void forEachIndex(llvm::ArrayRef<int64_t> shape,
                         llvm::function_ref<void(int64_t, llvm::ArrayRef<int64_t>)> body) {
  Shape index(shape.size(), 0);
  for (int64_t flat = 0, count = product(shape); flat < count; ++flat) {
    body(flat, index);
    for (int64_t d = int64_t(shape.size()) - 1; d >= 0 && ++index[d] == shape[d]; --d)
      index[d] = 0;
  }
}

/// The offset of `index` with its coordinate along `axis` replaced.
static int64_t offsetWith(llvm::ArrayRef<int64_t> index, llvm::ArrayRef<int64_t> strides, int64_t axis,
                          int64_t position) {
  int64_t offset = position * strides[axis];
  for (auto [d, i] : llvm::enumerate(index))
    if (int64_t(d) != axis)
      offset += i * strides[d];
  return offset;
}

llvm::Expected<Tensor> compute::gatherElements(const Tensor &input, const Tensor &indices, int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  if (indices.rank() != input.rank())
    return makeError("indices of rank " + llvm::Twine(indices.rank()) + " for a tensor of rank " +
                     llvm::Twine(input.rank()));
  llvm::Expected<llvm::SmallVector<int64_t>> positions = checkedIndices(indices, input.dim(*axis));
  if (!positions)
    return positions.takeError();
  Tensor result(input.dtype(), indices.shape());
  Shape strides = rowMajorStrides(input.shape());
  unsigned bytes = bytesInMemory(input.dtype());
  forEachIndex(indices.shape(), [&](int64_t flat, llvm::ArrayRef<int64_t> index) {
    int64_t offset = offsetWith(index, strides, *axis, (*positions)[flat]);
    std::memcpy(result.mutableRaw() + flat * bytes, input.raw() + offset * bytes, bytes);
  });
  return result;
}

/// The offset, in elements, that the coordinates `tuple` have in dimensions [first, ...) of a shape.
static llvm::Expected<int64_t> tupleOffset(llvm::ArrayRef<int64_t> tuple, llvm::ArrayRef<int64_t> shape,
                                           int64_t first) {
  Shape strides = rowMajorStrides(shape);
  int64_t offset = 0;
  for (auto [i, coordinate] : llvm::enumerate(tuple)) {
    int64_t size = shape[first + i];
    if (coordinate < -size || coordinate >= size)
      return makeError("index " + llvm::Twine(coordinate) + " is outside a dimension of " + llvm::Twine(size));
    offset += (coordinate < 0 ? coordinate + size : coordinate) * strides[first + i];
  }
  return offset;
}

llvm::Expected<Tensor> compute::gatherND(const Tensor &input, const Tensor &indices, int64_t batchDims) {
  if (indices.rank() <= batchDims || indices.dim(-1) + batchDims > input.rank())
    return makeError("indices of shape " + toString(indices.shape()) + " do not index a tensor of shape " +
                     toString(input.shape()));
  int64_t length = indices.dim(-1);
  llvm::SmallVector<int64_t> coordinates = toIntegers(indices);
  llvm::ArrayRef<int64_t> after = input.shape().drop_front(batchDims + length);
  Shape shape(indices.shape().drop_back());
  llvm::append_range(shape, after);
  Tensor result(input.dtype(), shape);
  int64_t bytes = product(after) * bytesInMemory(input.dtype());
  int64_t batches = product(indices.shape().take_front(batchDims));
  int64_t tuples = product(indices.shape().drop_back()), tuplesPerBatch = batches ? tuples / batches : 0;
  int64_t batchBytes = batches ? input.sizeInBytes() / batches : 0;
  for (int64_t i = 0; i < tuples; ++i) {
    llvm::ArrayRef<int64_t> tuple = llvm::ArrayRef(coordinates).slice(i * length, length);
    llvm::Expected<int64_t> offset = tupleOffset(tuple, input.shape(), batchDims);
    if (!offset)
      return offset.takeError();
    const char *source =
        input.raw() + i / tuplesPerBatch * batchBytes + *offset * int64_t(bytesInMemory(input.dtype()));
    std::memcpy(result.mutableRaw() + i * bytes, source, bytes);
  }
  return result;
}

//===----------------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------------===//

template <typename T> static T reduceInto(ScatterReduction reduction, T old, T update) {
  switch (reduction) {
  case ScatterReduction::None:
    return update;
  case ScatterReduction::Add:
    return old + update;
  case ScatterReduction::Mul:
    return old * update;
  case ScatterReduction::Max:
    return std::max(old, update);
  case ScatterReduction::Min:
    return std::min(old, update);
  }
  llvm_unreachable("all reductions are listed");
}

/// `input` with runs of `length` elements at `offsets` combined with the elements of `updates`, in order.
static Tensor scatterRuns(const Tensor &input, llvm::ArrayRef<int64_t> offsets, int64_t length, const Tensor &updates,
                          ScatterReduction reduction) {
  DType working = arithmeticType(input.dtype());
  Tensor source = convert(input, working), values = convert(updates, working);
  Tensor result(working, input.shape());
  std::memcpy(result.mutableRaw(), source.raw(), source.sizeInBytes());
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    T *target = result.mutableData<T>().data();
    const T *update = values.data<T>().data();
    for (int64_t offset : offsets)
      for (int64_t i = 0; i < length; ++i, ++update)
        target[offset + i] = reduceInto(reduction, target[offset + i], *update);
  });
  return convert(result, input.dtype());
}

llvm::Expected<Tensor> compute::scatterND(const Tensor &input, const Tensor &indices, const Tensor &updates,
                                          ScatterReduction reduction) {
  if (indices.rank() == 0 || indices.dim(-1) > input.rank())
    return makeError("indices of shape " + toString(indices.shape()) + " do not index a tensor of shape " +
                     toString(input.shape()));
  int64_t depth = indices.dim(-1), tuples = product(indices.shape().drop_back());
  int64_t length = product(input.shape().drop_front(depth));
  if (updates.numElements() != tuples * length || updates.dtype() != input.dtype())
    return makeError("updates of shape " + toString(updates.shape()) + " do not fit the indices");
  llvm::SmallVector<int64_t> coordinates = toIntegers(indices), offsets;
  for (int64_t i = 0; i < tuples; ++i) {
    llvm::Expected<int64_t> offset = tupleOffset(llvm::ArrayRef(coordinates).slice(i * depth, depth), input.shape(), 0);
    if (!offset)
      return offset.takeError();
    offsets.push_back(*offset);
  }
  return scatterRuns(input, offsets, length, updates, reduction);
}

llvm::Expected<Tensor> compute::scatterElements(const Tensor &input, const Tensor &indices, const Tensor &updates,
                                                int64_t axisFromEnd, ScatterReduction reduction) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  if (indices.rank() != input.rank() || indices.shape() != updates.shape() || updates.dtype() != input.dtype())
    return makeError("indices " + toString(indices.shape()) + " and updates " + toString(updates.shape()) +
                     " do not fit each other");
  llvm::Expected<llvm::SmallVector<int64_t>> positions = checkedIndices(indices, input.dim(*axis));
  if (!positions)
    return positions.takeError();
  llvm::SmallVector<int64_t> offsets;
  Shape strides = rowMajorStrides(input.shape());
  forEachIndex(indices.shape(), [&](int64_t flat, llvm::ArrayRef<int64_t> index) {
    offsets.push_back(offsetWith(index, strides, *axis, (*positions)[flat]));
  });
  return scatterRuns(input, offsets, 1, updates, reduction);
}

//===----------------------------------------------------------------------------===//
// Constructors
//===----------------------------------------------------------------------------===//

Tensor compute::fill(llvm::ArrayRef<int64_t> shape, const Tensor &element) {
  return copyStrided(element, shape, Shape(shape.size(), 0), 0);
}

llvm::Expected<Tensor> compute::scatterRows(const Tensor &cache, const Tensor &rows, llvm::ArrayRef<int64_t> positions,
                                            int64_t axis, bool wraps) {
  bool fits = cache.rank() == rows.rank() && cache.rank() > 0 && axis > 0 && int64_t(positions.size()) == cache.dim(0);
  for (int64_t dim = 0; fits && dim < cache.rank(); ++dim)
    fits = dim == axis || cache.dim(dim) == rows.dim(dim);
  if (!fits)
    return makeError("rows of shape " + toString(rows.shape()) + " at " + llvm::Twine(positions.size()) +
                     " positions do not fit a cache of shape " + toString(cache.shape()));
  Tensor result(cache.dtype(), cache.shape());
  std::memcpy(result.mutableRaw(), cache.raw(), cache.sizeInBytes());
  int64_t length = cache.dim(axis), count = rows.dim(axis);
  int64_t rowBytes = product(cache.shape().drop_front(axis + 1)) * bytesInMemory(cache.dtype());
  int64_t blocks = product(cache.shape().take_front(axis));
  int64_t blocksPerBatch = cache.dim(0) ? blocks / cache.dim(0) : 1;
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t row = 0; row < count; ++row) {
      int64_t at = positions[block / blocksPerBatch] + row;
      if (at < 0 || length == 0 || (!wraps && at >= length))
        return makeError("row " + llvm::Twine(at) + " does not fit a cache of " + llvm::Twine(length));
      std::memcpy(result.mutableRaw() + (block * length + at % length) * rowBytes,
                  rows.raw() + (block * count + row) * rowBytes, rowBytes);
    }
  return result;
}

llvm::Expected<Tensor> compute::pad(const Tensor &input, llvm::ArrayRef<int64_t> begins, llvm::ArrayRef<int64_t> ends,
                                    const Tensor &value) {
  Shape shape(input.shape()), zeros(input.rank(), 0), axes, steps(input.rank(), 1), starts, stops;
  for (int64_t d = 0; d < input.rank(); ++d) {
    shape[d] += begins[d] + ends[d];
    if (shape[d] < 0)
      return makeError("padding cuts more than dimension " + llvm::Twine(d) + " has");
    axes.push_back(d);
    starts.push_back(std::max<int64_t>(0, -begins[d]));
    stops.push_back(input.dim(d) - std::max<int64_t>(0, -ends[d]));
  }
  llvm::Expected<Tensor> kept = slice(input, starts, stops, axes, steps);
  if (!kept)
    return kept.takeError();
  Tensor result = compute::fill(shape, value);
  Shape strides = rowMajorStrides(shape);
  unsigned bytes = bytesInMemory(input.dtype());
  forEachIndex(kept->shape(), [&](int64_t flat, llvm::ArrayRef<int64_t> index) {
    int64_t offset = 0;
    for (auto [d, i] : llvm::enumerate(index))
      offset += (i + std::max<int64_t>(0, begins[d])) * strides[d];
    std::memcpy(result.mutableRaw() + offset * bytes, kept->raw() + flat * bytes, bytes);
  });
  return result;
}

llvm::Expected<Tensor> compute::tile(const Tensor &input, llvm::ArrayRef<int64_t> repeats) {
  if (int64_t(repeats.size()) != input.rank())
    return makeError("expected a repeat count for each of " + llvm::Twine(input.rank()) + " dimensions");
  // Each dimension as a pair (repeats, size).
  Shape pairs, strides, shape, own = rowMajorStrides(input.shape());
  for (int64_t d = 0; d < input.rank(); ++d) {
    pairs.append({repeats[d], input.dim(d)});
    strides.append({0, own[d]});
    shape.push_back(repeats[d] * input.dim(d));
  }
  return copyStrided(input, pairs, strides, 0).reshaped(shape);
}

llvm::Expected<Tensor> compute::triangle(const Tensor &input, int64_t k, bool upper) {
  if (input.rank() < 2)
    return makeError("a triangle needs a matrix, not " + toString(input.shape()));
  Tensor result(input.dtype(), input.shape());
  std::memcpy(result.mutableRaw(), input.raw(), input.sizeInBytes());
  int64_t rows = input.dim(-2), columns = input.dim(-1), bytes = bytesInMemory(input.dtype());
  int64_t matrices = rows * columns ? input.numElements() / (rows * columns) : 0;
  for (int64_t i = 0; i < matrices * rows; ++i) {
    int64_t diagonal = std::clamp<int64_t>(i % rows + k + !upper, 0, columns);
    int64_t first = upper ? 0 : diagonal, end = upper ? diagonal : columns;
    std::memset(result.mutableRaw() + (i * columns + first) * bytes, 0, (end - first) * bytes);
  }
  return result;
}

llvm::Expected<Tensor> compute::range(const Tensor &start, const Tensor &limit, const Tensor &step) {
  if (start.numElements() != 1 || limit.numElements() != 1 || step.numElements() != 1)
    return makeError("expected three scalars");
  DType working = arithmeticType(start.dtype());
  double first = scalarAsDouble(start), last = scalarAsDouble(limit), delta = scalarAsDouble(step);
  if (delta == 0)
    return makeError("a range cannot have step 0");
  int64_t count = std::max<int64_t>(0, std::ceil((last - first) / delta));
  Tensor from = convert(start, working), by = convert(step, working), result(working, {count});
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    T value = from.data<T>()[0], increment = by.data<T>()[0];
    for (int64_t i = 0; i < count; ++i)
      result.mutableData<T>()[i] = value + T(i) * increment;
  });
  return convert(result, start.dtype());
}

llvm::Expected<Tensor> compute::cumulativeSum(const Tensor &input, int64_t axisFromEnd, bool exclusive, bool reverse) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  DType working = arithmeticType(input.dtype());
  Tensor source = convert(input, working), result(working, input.shape());
  int64_t count = input.dim(*axis), inner = product(input.shape().drop_front(*axis + 1));
  int64_t fibres = count ? input.numElements() / count : 0;
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t fibre = 0; fibre < fibres; ++fibre) {
      int64_t base = fibre / inner * count * inner + fibre % inner;
      T sum = T(0);
      for (int64_t i = 0; i < count; ++i) {
        int64_t at = base + (reverse ? count - 1 - i : i) * inner;
        T value = source.data<T>()[at];
        result.mutableData<T>()[at] = exclusive ? sum : T(sum + value);
        sum += value;
      }
    }
  });
  return convert(result, input.dtype());
}
