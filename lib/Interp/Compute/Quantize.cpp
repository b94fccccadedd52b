//===- Quantize.cpp - codes, scales and products of codes ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Quantize.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Gemm.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Numerics/DynamicQuantizer.h"
#include "quantopt/Support/NarrowFloat.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::compute;

namespace {

/// A tensor seen as [outer, size, inner] around its quantization axis, and the strides of its scales in that view.
struct ScaleView {
  int64_t outer = 1, size = 1, inner = 1;
  int64_t outerStride = 0, blockStride = 0, innerStride = 0;
  int64_t blockSize = 1;

  int64_t index(int64_t o, int64_t d, int64_t i) const {
    return o * outerStride + d / blockSize * blockStride + i * innerStride;
  }
};

} // namespace

static llvm::Expected<ScaleView> viewScales(llvm::ArrayRef<int64_t> shape, const Tensor &scale, ScaleLayout layout) {
  ScaleView view;
  if (scale.numElements() == 1 && layout.blockSize == 0) {
    view.inner = product(shape);
    return view;
  }
  llvm::Expected<int64_t> axis = normalizeAxis(layout.axis, shape.size());
  if (!axis)
    return axis.takeError();
  view.outer = product(shape.take_front(*axis));
  view.size = shape[*axis];
  view.inner = product(shape.drop_front(*axis + 1));
  if (layout.blockSize == 0) {
    if (scale.numElements() != view.size)
      return makeError("expected " + llvm::Twine(view.size) + " scales along dimension " + llvm::Twine(*axis) +
                       ", not " + toString(scale.shape()));
    view.blockStride = 1;
    return view;
  }
  Shape expected(shape);
  expected[*axis] = llvm::divideCeil(view.size, layout.blockSize);
  if (scale.shape() != llvm::ArrayRef<int64_t>(expected))
    return makeError("expected scales of shape " + toString(expected) + " for blocks of " +
                     llvm::Twine(layout.blockSize) + ", not " + toString(scale.shape()));
  view.blockSize = layout.blockSize;
  view.innerStride = 1;
  view.blockStride = view.inner;
  view.outerStride = expected[*axis] * view.inner;
  return view;
}

struct CodeRange {
  int64_t low, high;
};
static std::optional<CodeRange> rangeOf(DType type) {
  switch (type) {
  case DType::I2:
    return CodeRange{-2, 1};
  case DType::U2:
    return CodeRange{0, 3};
  case DType::I4:
    return CodeRange{-8, 7};
  case DType::U4:
    return CodeRange{0, 15};
  case DType::I8:
    return CodeRange{-128, 127};
  case DType::U8:
    return CodeRange{0, 255};
  case DType::I16:
    return CodeRange{-32768, 32767};
  case DType::U16:
    return CodeRange{0, 65535};
  default:
    return std::nullopt;
  }
}

template <typename T, typename Code>
static void quantizeElements(const ScaleView &view, const T *x, const T *scale, const int64_t *zero, CodeRange range,
                             Code *codes) {
  int64_t grain = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(view.inner, 1));
  parallelForRanges(view.outer * view.size, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t i = 0; i < view.inner; ++i) {
        int64_t s = view.index(row / view.size, row % view.size, i), at = row * view.inner + i;
        T rounded = std::nearbyint(x[at] / scale[s]) + T(zero ? zero[s] : 0);
        codes[at] = Code(std::max(T(range.low), std::min(T(range.high), rounded)));
      }
  });
}

/// As above, to floating-point codes: x / scale + zero, which the type rounds.
static Tensor quantizeToNarrow(const ScaleView &view, const Tensor &x, const Tensor &scale, const Tensor &zero,
                               DType type, bool saturate) {
  Tensor wide = convert(x, DType::F64), scales = convert(scale, DType::F64), codes(type, x.shape());
  Tensor zeros = zero ? convert(zero, DType::F64) : Tensor();
  bool inSingle = arithmeticType(x.dtype()) == DType::F32;
  int64_t at = 0;
  for (int64_t row = 0; row < view.outer * view.size; ++row)
    for (int64_t i = 0; i < view.inner; ++i, ++at) {
      int64_t s = view.index(row / view.size, row % view.size, i);
      double value = wide.data<double>()[at], step = scales.data<double>()[s];
      double quotient = inSingle ? double(float(value) / float(step)) : value / step;
      codes.mutableData<uint8_t>()[at] =
          encodeNarrow(type, quotient + (zero ? zeros.data<double>()[s] : 0.0), {saturate, PowerRounding::Up});
    }
  return codes;
}

llvm::Expected<Tensor> compute::quantizeLinear(const Tensor &x, const Tensor &scale, const Tensor &zero,
                                               ScaleLayout layout, DType codeType, bool saturate) {
  llvm::Expected<ScaleView> view = viewScales(x.shape(), scale, layout);
  if (!view)
    return view.takeError();
  if (zero && zero.numElements() != scale.numElements())
    return makeError("expected as many zero points as scales");
  if (isNarrowFloat(codeType))
    return quantizeToNarrow(*view, x, scale, zero, codeType, saturate);
  std::optional<CodeRange> range = rangeOf(codeType);
  if (!range)
    return makeError("cannot quantize to " + toString(codeType));
  DType working = arithmeticType(x.dtype());
  Tensor wide = convert(x, working), scales = convert(scale, working);
  Tensor zeros = zero ? convert(zero, DType::I64) : Tensor();
  const int64_t *z = zero ? zeros.data<int64_t>().data() : nullptr;
  Tensor codes(codeType, x.shape());
  auto run = [&](auto *target) {
    if (working == DType::F64)
      quantizeElements(*view, wide.data<double>().data(), scales.data<double>().data(), z, *range, target);
    else
      quantizeElements(*view, wide.data<float>().data(), scales.data<float>().data(), z, *range, target);
  };
  if (codeType == DType::I2 || codeType == DType::I4 || codeType == DType::I8)
    run(codes.mutableData<int8_t>().data());
  else if (codeType == DType::U2 || codeType == DType::U4 || codeType == DType::U8)
    run(codes.mutableData<uint8_t>().data());
  else if (codeType == DType::I16)
    run(codes.mutableData<int16_t>().data());
  else
    run(codes.mutableData<uint16_t>().data());
  return codes;
}

llvm::Expected<Tensor> compute::dequantizeLinear(const Tensor &codes, const Tensor &scale, const Tensor &zero,
                                                 ScaleLayout layout, DType type) {
  llvm::Expected<ScaleView> view = viewScales(codes.shape(), scale, layout);
  if (!view)
    return view.takeError();
  if (zero && zero.numElements() != scale.numElements())
    return makeError("expected as many zero points as scales");
  DType working = arithmeticType(type);
  // Differences of codes are small integers, exact in either type.
  Tensor values = convert(codes, working), scales = convert(scale, working);
  Tensor zeros = zero ? convert(zero, working) : Tensor();
  auto run = [&](auto tag) {
    using T = decltype(tag);
    T *x = values.mutableData<T>().data();
    const T *s = scales.data<T>().data(), *z = zero ? zeros.data<T>().data() : nullptr;
    int64_t grain = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(view->inner, 1));
    parallelForRanges(view->outer * view->size, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        for (int64_t i = 0; i < view->inner; ++i) {
          int64_t at = view->index(row / view->size, row % view->size, i);
          T &value = x[row * view->inner + i];
          value = (value - (z ? z[at] : T(0))) * s[at];
        }
    });
  };
  if (working == DType::F64)
    run(double());
  else
    run(float());
  return convert(values, type);
}

//===----------------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------------===//

template <typename T>
static void quantizeRows(const Tensor &x, const numerics::DynamicQuantizerOptions &options, DynamicCodes &result) {
  int64_t columns = x.dim(-1), rows = product(x.shape().drop_back()), groups = options.groupsPerRow(columns);
  const T *source = x.data<T>().data();
  T *scales = result.scale.mutableData<T>().data();
  bool symmetric = !result.zero;
  parallelForRanges(
      rows, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(columns, 1)), [&](int64_t begin, int64_t end) {
        const T *from = source + begin * columns;
        T *s = scales + begin * groups;
        int64_t at = begin * columns, count = end - begin;
        if (symmetric)
          return numerics::quantizeSymmetric(options, from, count, columns,
                                             result.codes.mutableData<int8_t>().data() + at, s);
        numerics::quantizeAsymmetric(options, from, count, columns, result.codes.mutableData<uint8_t>().data() + at, s,
                                     result.zero.mutableData<uint8_t>().data() + begin * groups);
      });
}

DynamicCodes compute::quantizeDynamic(const Tensor &x, int64_t bits, int64_t groupSize, double clip, DType codeType,
                                      bool hasHalfScales) {
  numerics::DynamicQuantizerOptions options;
  options.bits = bits;
  options.clip = float(clip);
  options.groupSize = groupSize;
  options.hasHalfScales = hasHalfScales;
  Shape scaleShape(x.shape());
  scaleShape.back() = options.groupsPerRow(x.dim(-1));
  DType working = arithmeticType(x.dtype());
  DynamicCodes result;
  result.codes = Tensor(codeType, x.shape());
  result.scale = Tensor(working, scaleShape);
  if (codeType == DType::U4 || codeType == DType::U8)
    result.zero = Tensor(codeType, scaleShape);
  Tensor wide = convert(x, working);
  if (working == DType::F64)
    quantizeRows<double>(wide, options, result);
  else
    quantizeRows<float>(wide, options, result);
  return result;
}

//===----------------------------------------------------------------------------===//
// Products of codes
//===----------------------------------------------------------------------------===//

/// The largest magnitude of a code.
static int64_t magnitude(DType type) {
  CodeRange range = *rangeOf(type);
  return std::max(-range.low, range.high);
}

/// Sums of codes along [from, from + depth) of the contraction, as numbers of type T, which holds them exactly.
template <typename T>
static void multiplyCodes(const Tensor &x, const Tensor &w, int64_t from, int64_t depth, T *sums) {
  int64_t k = x.dim(-1), n = w.dim(0), rows = product(x.shape().drop_back());
  gemm<T, int8_t>(rows, n, depth, {x.data<T>().data() + from, k, 1}, {w.data<int8_t>().data() + from, 1, k}, sums, n);
}

/// The scales of one group of the contraction.
template <typename T> struct GroupScales {
  const T *x, *w;
  int64_t xStride, wStride;
};

/// result (+)= (sums · xs) · ws.
template <typename Sum, typename T>
static void scaleSums(const Sum *sums, int64_t rows, int64_t n, GroupScales<T> scales, T *result, int64_t rowStride,
                      bool accumulate) {
  parallelForRanges(rows, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(n, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T xs = scales.x[i * scales.xStride];
      T *y = result + i * rowStride;
      const Sum *sum = sums + i * n;
      if (accumulate)
        for (int64_t j = 0; j < n; ++j)
          y[j] += (T(sum[j]) * xs) * scales.w[j * scales.wStride];
      else
        for (int64_t j = 0; j < n; ++j)
          y[j] = (T(sum[j]) * xs) * scales.w[j * scales.wStride];
    }
  });
}

template <typename Sum, typename T>
static void quantizedLinear(const Tensor &x, const Tensor &xs, const Tensor &w, const Tensor &ws, int64_t groupSize,
                            Tensor &result, int64_t from) {
  int64_t k = x.dim(-1), n = w.dim(0), rows = product(x.shape().drop_back());
  int64_t xGroups = xs.dim(-1), wGroups = ws.dim(-1), groups = std::max(xGroups, wGroups);
  Tensor codes = convert(x, std::is_same_v<Sum, double> ? DType::F64 : DType::F32);
  Tensor sums(codes.dtype(), {rows, n});
  for (int64_t group = 0; group < groups; ++group) {
    int64_t first = group * groupSize, depth = groups == 1 ? k : std::min(groupSize, k - first);
    multiplyCodes<Sum>(codes, w, first, depth, sums.mutableData<Sum>().data());
    GroupScales<T> scales{xs.data<T>().data() + (xGroups == 1 ? 0 : group),
                          ws.data<T>().data() + (wGroups == 1 ? 0 : group), xGroups, wGroups};
    scaleSums(sums.data<Sum>().data(), rows, n, scales, result.mutableData<T>().data() + from, result.dim(-1),
              group > 0);
  }
}

llvm::Error compute::quantizedLinearInto(const Tensor &x, const Tensor &xs, int64_t inputGroupSize, const Tensor &w,
                                         const Tensor &ws, int64_t weightGroupSize, Tensor &result, int64_t from) {
  int64_t xGroups = xs.dim(-1), wGroups = ws.dim(-1);
  if (xGroups != wGroups && xGroups != 1 && wGroups != 1)
    return makeError("the activation has " + llvm::Twine(xGroups) + " groups and the weight " + llvm::Twine(wGroups) +
                     ": expected equal numbers, or one group on a side");
  if (xGroups > 1 && wGroups > 1 && inputGroupSize != weightGroupSize)
    return makeError("activation and weight have groups of different sizes");
  int64_t groupSize = xGroups > 1 ? inputGroupSize : weightGroupSize;
  int64_t depth = std::max(xGroups, wGroups) == 1 ? x.dim(-1) : groupSize;
  Tensor inputScale = convert(xs, result.dtype()), weightScale = convert(ws, result.dtype());
  // Integers of f32 are exact below 2^24.
  bool sumsFit = depth * magnitude(x.dtype()) * magnitude(w.dtype()) < (1 << 24);
  if (result.dtype() == DType::F64)
    quantizedLinear<double, double>(x, inputScale, w, weightScale, groupSize, result, from);
  else if (sumsFit)
    quantizedLinear<float, float>(x, inputScale, w, weightScale, groupSize, result, from);
  else
    quantizedLinear<double, float>(x, inputScale, w, weightScale, groupSize, result, from);
  return llvm::Error::success();
}

template <typename T>
static void scaledGroupsLinear(const Tensor &x, const Tensor &xs, const Tensor &w, const Tensor &ws,
                               const Tensor &factors, Tensor &result, int64_t from) {
  int64_t k = x.dim(-1), n = w.dim(0), rows = product(x.shape().drop_back()), groups = factors.dim(1);
  Tensor codes = convert(x, DType::F64), sums(DType::F64, {rows, n}), totals = Tensor::zeros(DType::F64, {rows, n});
  double *sum = sums.mutableData<double>().data(), *total = totals.mutableData<double>().data();
  const uint8_t *factor = factors.data<uint8_t>().data();
  for (int64_t group = 0; group < groups; ++group) {
    multiplyCodes<double>(codes, w, group * (k / groups), k / groups, sum);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < n; ++j)
        total[i * n + j] += factor[j * groups + group] * sum[i * n + j];
  }
  GroupScales<T> scales{xs.data<T>().data(), ws.data<T>().data(), 1, 1};
  scaleSums(total, rows, n, scales, result.mutableData<T>().data() + from, result.dim(-1), /*accumulate=*/false);
}

void compute::scaledGroupsLinearInto(const Tensor &x, const Tensor &xs, const Tensor &w, const Tensor &ws,
                                     const Tensor &factors, Tensor &result, int64_t from) {
  Tensor inputScale = convert(xs, result.dtype()), weightScale = convert(ws, result.dtype());
  if (result.dtype() == DType::F64)
    scaledGroupsLinear<double>(x, inputScale, w, weightScale, factors, result, from);
  else
    scaledGroupsLinear<float>(x, inputScale, w, weightScale, factors, result, from);
}
