//===- Reduction.cpp - sums, maxima and norms along dimensions ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Reduction.h"
#include "Dispatch.h"
#include "SoftmaxRow.h"
#include "SumLanes.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"
#include "llvm/ADT/Sequence.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::compute;

/// Elements of work that are handed to another thread at a time.
static constexpr int64_t grainElements = 1 << 15;

static void forEachRow(int64_t rows, int64_t length, llvm::function_ref<void(int64_t)> body) {
  parallelForRanges(rows, std::max<int64_t>(1, grainElements / std::max<int64_t>(length, 1)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t row = begin; row < end; ++row)
                        body(row);
                    });
}

//===----------------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------------===//

/// Which dimensions are reduced.
static llvm::Expected<llvm::SmallVector<bool>> reducedDims(llvm::ArrayRef<int64_t> axes, int64_t rank) {
  llvm::SmallVector<bool> reduced(rank, axes.empty());
  for (int64_t axisFromEnd : axes) {
    llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, rank);
    if (!axis)
      return axis.takeError();
    reduced[*axis] = true;
  }
  return reduced;
}

/// The input as [kept, reduced]: rows of what is reduced. Costs nothing when the reduced dimensions are the last ones.
static llvm::Expected<Tensor> reducedLast(const Tensor &input, llvm::ArrayRef<bool> reduced) {
  Shape permutation;
  for (bool wanted : {false, true})
    for (int64_t d = 0; d < input.rank(); ++d)
      if (reduced[d] == wanted)
        permutation.push_back(d);
  if (llvm::is_sorted(permutation))
    return input;
  return transpose(input, permutation);
}

template <typename T> static T largest() {
  return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
}
template <typename T> static T smallest() {
  return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
}

template <typename T> static T maximum(const T *row, int64_t count) {
  constexpr int lanes = 8;
  T best[lanes];
  std::fill(best, best + lanes, smallest<T>());
  bool anyNaN = false;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) {
      T value = row[i + lane];
      best[lane] = value > best[lane] ? value : best[lane];
      anyNaN |= value != value;
    }
  for (; i < count; ++i) {
    best[0] = row[i] > best[0] ? row[i] : best[0];
    anyNaN |= row[i] != row[i];
  }
  return anyNaN ? std::numeric_limits<T>::quiet_NaN() : *std::max_element(best, best + lanes);
}

template <typename T> static T minimum(const T *row, int64_t count) {
  T best = largest<T>();
  for (int64_t i = 0; i < count; ++i)
    best = row[i] < best || row[i] != row[i] ? row[i] : best;
  return best;
}

/// Sums of floats run in f64 lanes; those of integers wrap.
template <typename T, typename Function> static T sum(int64_t count, Function term) {
  if constexpr (std::is_floating_point_v<T>)
    return T(sumLanes(count, [&](int64_t i) { return double(term(i)); }));
  T total = T(0);
  for (int64_t i = 0; i < count; ++i)
    total += term(i);
  return total;
}

template <typename T> static T reduceRow(Reduce kind, const T *row, int64_t count) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, double, T>;
  switch (kind) {
  case Reduce::Sum:
    return sum<T>(count, [&](int64_t i) { return row[i]; });
  case Reduce::Mean:
    if constexpr (std::is_floating_point_v<T>)
      return T(sumLanes(count, [&](int64_t i) { return double(row[i]); }) / double(count));
    return count ? sum<T>(count, [&](int64_t i) { return row[i]; }) / T(count) : T(0);
  case Reduce::Max:
    return maximum(row, count);
  case Reduce::Min:
    return minimum(row, count);
  case Reduce::SumSquare:
    return sum<T>(count, [&](int64_t i) { return Wide(row[i]) * Wide(row[i]); });
  case Reduce::Prod: {
    Wide total = 1;
    for (int64_t i = 0; i < count; ++i)
      total *= row[i];
    return T(total);
  }
  case Reduce::L1:
    return sum<T>(count, [&](int64_t i) { return row[i] < T(0) ? T(0) - row[i] : row[i]; });
  case Reduce::L2:
    return T(std::sqrt(double(sum<double>(count, [&](int64_t i) { return double(row[i]) * double(row[i]); }))));
  }
  llvm_unreachable("all reductions are listed");
}

llvm::Expected<Tensor> compute::reduce(Reduce kind, const Tensor &input, llvm::ArrayRef<int64_t> axes, bool keepDims) {
  llvm::Expected<llvm::SmallVector<bool>> reduced = reducedDims(axes, input.rank());
  if (!reduced)
    return reduced.takeError();
  llvm::Expected<Tensor> rows = reducedLast(input, *reduced);
  if (!rows)
    return rows.takeError();
  Shape shape;
  int64_t length = 1;
  for (int64_t d = 0; d < input.rank(); ++d) {
    if ((*reduced)[d])
      length *= input.dim(d);
    if (!(*reduced)[d] || keepDims)
      shape.push_back((*reduced)[d] ? 1 : input.dim(d));
  }
  DType working = arithmeticType(input.dtype());
  Tensor wide = convert(*rows, working), result(working, shape);
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    const T *source = wide.data<T>().data();
    T *target = result.mutableData<T>().data();
    forEachRow(result.numElements(), length,
               [&](int64_t row) { target[row] = reduceRow(kind, source + row * length, length); });
  });
  return convert(result, input.dtype());
}

llvm::Expected<Tensor> compute::argExtreme(const Tensor &input, int64_t axisFromEnd, bool keepDims, bool largest,
                                           bool lastOfEquals) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  DType working = arithmeticType(input.dtype());
  Tensor wide = convert(input, working);
  Shape shape(input.shape());
  shape[*axis] = 1;
  Tensor result = Tensor::zeros(DType::I64, shape);
  int64_t count = input.dim(*axis), inner = product(input.shape().drop_front(*axis + 1));
  if (count == 0)
    return makeError("no elements to choose from");
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    const T *source = wide.data<T>().data();
    for (int64_t fibre = 0; fibre < result.numElements(); ++fibre) {
      const T *first = source + fibre / inner * count * inner + fibre % inner;
      int64_t best = 0;
      for (int64_t i = 1; i < count; ++i) {
        T element = first[i * inner], known = first[best * inner];
        if ((largest ? element > known : element < known) || (lastOfEquals && element == known))
          best = i;
      }
      result.mutableData<int64_t>()[fibre] = best;
    }
  });
  if (keepDims)
    return result;
  shape.erase(shape.begin() + *axis);
  return result.reshaped(shape);
}

//===----------------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------------===//

template <typename T> void compute::softmaxRow(const T *input, T *output, int64_t count) {
  T top = maximum(input, count);
  for (int64_t i = 0; i < count; ++i)
    output[i] = input[i] - top;
  exponentials(output, output, count);
  T total = 0;
  for (int64_t i = 0; i < count; ++i)
    total += output[i];
  for (int64_t i = 0; i < count; ++i)
    output[i] /= total;
}
template void compute::softmaxRow(const float *, float *, int64_t);
template void compute::softmaxRow(const double *, double *, int64_t);

llvm::Expected<Tensor> compute::softmax(const Tensor &input, int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  if (!isFloat(input.dtype()))
    return makeError("softmax expects floating point elements, not " + toString(input.dtype()));
  if (*axis != input.rank() - 1) {
    Shape permutation = llvm::to_vector<4>(llvm::seq<int64_t>(0, input.rank()));
    std::swap(permutation[*axis], permutation.back());
    llvm::Expected<Tensor> last = transpose(input, permutation);
    llvm::Expected<Tensor> result = last ? softmax(*last, -1) : std::move(last);
    return result ? transpose(*result, permutation) : std::move(result);
  }
  DType working = arithmeticType(input.dtype());
  Tensor wide = convert(input, working), result(working, input.shape());
  int64_t length = input.dim(-1), rows = length ? input.numElements() / length : 0;
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      const T *source = wide.data<T>().data();
      T *target = result.mutableData<T>().data();
      forEachRow(rows, length, [&](int64_t row) { softmaxRow(source + row * length, target + row * length, length); });
    }
  });
  return convert(result, input.dtype());
}

//===----------------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------------===//

/// `scale` repeated to the dimensions that are normalised, as one row; null stays null.
static llvm::Expected<Tensor> asRow(const Tensor &scale, llvm::ArrayRef<int64_t> dims, DType type) {
  if (!scale)
    return scale;
  llvm::Expected<Tensor> row = expand(convert(scale, type), dims);
  if (row && row->numElements() != product(dims))
    return makeError("a scale of shape " + toString(scale.shape()) + " does not fit dimensions " + toString(dims));
  return row;
}

template <typename T> static void rmsNormRow(const T *x, const T *scale, T *y, int64_t count, double epsilon) {
  double meanSquare = sumLanes(count, [&](int64_t i) { return double(x[i]) * double(x[i]); }) / double(count);
  T factor = T(1.0 / std::sqrt(meanSquare + epsilon));
  if (!scale) {
    for (int64_t i = 0; i < count; ++i)
      y[i] = x[i] * factor;
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    y[i] = x[i] * factor * scale[i];
}

llvm::Expected<Tensor> compute::rmsNorm(const Tensor &input, const Tensor &scale, double epsilon, int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  DType working = arithmeticType(input.dtype());
  llvm::ArrayRef<int64_t> dims = input.shape().drop_front(*axis);
  llvm::Expected<Tensor> gain = asRow(scale, dims, working);
  if (!gain)
    return gain;
  Tensor wide = convert(input, working), result(working, input.shape());
  int64_t length = product(dims), rows = product(input.shape().take_front(*axis));
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      const T *x = wide.data<T>().data(), *g = *gain ? gain->data<T>().data() : nullptr;
      T *y = result.mutableData<T>().data();
      forEachRow(rows, length,
                 [&](int64_t row) { rmsNormRow(x + row * length, g, y + row * length, length, epsilon); });
    }
  });
  return convert(result, input.dtype());
}

template <typename T>
static void layerNormRow(const T *x, const T *scale, const T *bias, T *y, int64_t count, double epsilon, T &mean,
                         T &inverse) {
  double center = sumLanes(count, [&](int64_t i) { return double(x[i]); }) / double(count);
  double variance =
      sumLanes(count, [&](int64_t i) { return (double(x[i]) - center) * (double(x[i]) - center); }) / double(count);
  double factor = 1.0 / std::sqrt(variance + epsilon);
  for (int64_t i = 0; i < count; ++i)
    y[i] = T((double(x[i]) - center) * factor) * (scale ? scale[i] : T(1)) + (bias ? bias[i] : T(0));
  mean = T(center);
  inverse = T(factor);
}

llvm::Expected<LayerNormResult> compute::layerNorm(const Tensor &input, const Tensor &scale, const Tensor &bias,
                                                   double epsilon, int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = normalizeAxis(axisFromEnd, input.rank());
  if (!axis)
    return axis.takeError();
  DType working = arithmeticType(input.dtype());
  llvm::ArrayRef<int64_t> dims = input.shape().drop_front(*axis);
  llvm::Expected<Tensor> gain = asRow(scale, dims, working);
  if (!gain)
    return gain.takeError();
  llvm::Expected<Tensor> shift = asRow(bias, dims, working);
  if (!shift)
    return shift.takeError();
  Shape statisticsShape(input.shape().take_front(*axis));
  statisticsShape.append(dims.size(), 1);
  Tensor wide = convert(input, working), output(working, input.shape());
  Tensor mean(working, statisticsShape), inverse(working, statisticsShape);
  int64_t length = product(dims), rows = mean.numElements();
  dispatchArithmetic(working, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      const T *x = wide.data<T>().data(), *g = *gain ? gain->data<T>().data() : nullptr;
      const T *b = *shift ? shift->data<T>().data() : nullptr;
      T *y = output.mutableData<T>().data(), *m = mean.mutableData<T>().data(), *d = inverse.mutableData<T>().data();
      forEachRow(rows, length, [&](int64_t row) {
        layerNormRow(x + row * length, g, b, y + row * length, length, epsilon, m[row], d[row]);
      });
    }
  });
  return LayerNormResult{convert(output, input.dtype()), mean, inverse};
}
