//===- Elementwise.cpp - functions of single elements -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Elementwise.h"
#include "Dispatch.h"
#include "Exponential.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::compute;

/// Elements handed to another thread at a time.
static constexpr int64_t grain = 1 << 14;

//===----------------------------------------------------------------------------===//
// Unary
//===----------------------------------------------------------------------------===//

template <typename T, typename R, typename Function>
static Tensor map(DType type, const Tensor &input, Function function) {
  Tensor result(type, input.shape());
  const T *source = input.data<T>().data();
  R *target = result.mutableData<R>().data();
  parallelForRanges(input.numElements(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      target[i] = R(function(source[i]));
  });
  return result;
}

template <typename T> using ArrayFunction = void (*)(const T *, T *, int64_t);
template <typename T> static Tensor mapArrays(const Tensor &input, ArrayFunction<T> function) {
  Tensor result(input.dtype(), input.shape());
  const T *source = input.data<T>().data();
  T *target = result.mutableData<T>().data();
  parallelForRanges(input.numElements(), grain,
                    [&](int64_t begin, int64_t end) { function(source + begin, target + begin, end - begin); });
  return result;
}

/// Functions of floating point numbers. Those of the C library run in double and are rounded once, which hides the
/// differences between its versions.
template <typename T> static Tensor unaryFloat(Unary function, const Tensor &x) {
  DType type = x.dtype();
  switch (function) {
  case Unary::Abs:
    return map<T, T>(type, x, [](T v) { return std::abs(v); });
  case Unary::Neg:
    return map<T, T>(type, x, [](T v) { return -v; });
  case Unary::Sign:
    return map<T, T>(type, x, [](T v) { return T((v > 0) - (v < 0)); });
  case Unary::Exp:
    return mapArrays<T>(x, exponentials);
  case Unary::Log:
    return map<T, T>(type, x, [](T v) { return std::log(double(v)); });
  case Unary::Sqrt:
    return map<T, T>(type, x, [](T v) { return std::sqrt(v); });
  case Unary::Reciprocal:
    return map<T, T>(type, x, [](T v) { return T(1) / v; });
  case Unary::Sigmoid:
    return mapArrays<T>(x, sigmoids);
  case Unary::Silu:
    return mapArrays<T>(x, silus);
  case Unary::Relu:
    return map<T, T>(type, x, [](T v) { return v < 0 ? T(0) : v; });
  case Unary::Tanh:
    return map<T, T>(type, x, [](T v) { return std::tanh(double(v)); });
  case Unary::Erf:
    return map<T, T>(type, x, [](T v) { return std::erf(double(v)); });
  case Unary::Cos:
    return map<T, T>(type, x, [](T v) { return std::cos(double(v)); });
  case Unary::Sin:
    return map<T, T>(type, x, [](T v) { return std::sin(double(v)); });
  case Unary::Round:
    return map<T, T>(type, x, [](T v) { return std::nearbyint(v); });
  case Unary::Floor:
    return map<T, T>(type, x, [](T v) { return std::floor(v); });
  case Unary::Ceil:
    return map<T, T>(type, x, [](T v) { return std::ceil(v); });
  case Unary::IsNaN:
    return map<T, uint8_t>(DType::Bool, x, [](T v) { return v != v; });
  case Unary::Not:
    break;
  }
  llvm_unreachable("checked by unary");
}

template <typename T> static llvm::Expected<Tensor> unaryInteger(Unary function, const Tensor &x) {
  switch (function) {
  case Unary::Abs:
    return map<T, T>(x.dtype(), x, [](T v) { return v < T(0) ? T(0) - v : v; });
  case Unary::Neg:
    return map<T, T>(x.dtype(), x, [](T v) { return T(0) - v; });
  case Unary::Sign:
    return map<T, T>(x.dtype(), x, [](T v) { return T((v > T(0)) - (v < T(0))); });
  case Unary::Relu:
    return map<T, T>(x.dtype(), x, [](T v) { return v < T(0) ? T(0) : v; });
  default:
    return makeError("this function is defined for floating point only, not for " + toString(x.dtype()));
  }
}

llvm::Expected<Tensor> compute::unary(Unary function, const Tensor &input) {
  if (function == Unary::Not) {
    if (input.dtype() != DType::Bool)
      return makeError("logical negation expects i1 elements, not " + toString(input.dtype()));
    return map<uint8_t, uint8_t>(DType::Bool, input, [](uint8_t v) { return !v; });
  }
  DType working = arithmeticType(input.dtype());
  Tensor wide = convert(input, working);
  llvm::Expected<Tensor> result = dispatchArithmetic(working, [&](auto tag) -> llvm::Expected<Tensor> {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>)
      return unaryFloat<T>(function, wide);
    else
      return unaryInteger<T>(function, wide);
  });
  if (!result || result->dtype() != working)
    return result;
  return convert(*result, input.dtype());
}

//===----------------------------------------------------------------------------===//
// Binary
//===----------------------------------------------------------------------------===//

/// The loops for the shapes that occur: both operands walked, or one of them repeated.
template <typename T, typename R, typename Function>
static Tensor zip(DType type, const Tensor &left, const Tensor &right, llvm::ArrayRef<int64_t> shape,
                  Function function) {
  Tensor result(type, shape);
  const T *a = left.data<T>().data(), *b = right.data<T>().data();
  R *target = result.mutableData<R>().data();
  StridedLoops loops = StridedLoops::broadcast(shape, {left.shape(), right.shape()});
  bool walksLeft = loops.innerStride(0) == 1, walksRight = loops.innerStride(1) == 1;
  loops.forEach([&](int64_t at, llvm::ArrayRef<int64_t> offsets, int64_t count) {
    const T *x = a + offsets[0], *y = b + offsets[1];
    R *z = target + at;
    if (walksLeft && walksRight)
      for (int64_t i = 0; i < count; ++i)
        z[i] = R(function(x[i], y[i]));
    else if (walksLeft)
      for (int64_t i = 0; i < count; ++i)
        z[i] = R(function(x[i], *y));
    else if (walksRight)
      for (int64_t i = 0; i < count; ++i)
        z[i] = R(function(*x, y[i]));
    else
      for (int64_t i = 0; i < count; ++i)
        z[i] = R(function(*x, *y));
  });
  return result;
}

template <typename T> static T power(T base, T exponent) {
  if constexpr (std::is_floating_point_v<T>) {
    if (exponent == T(2))
      return base * base;
    if (exponent == T(0.5))
      return std::sqrt(base);
    if (exponent == T(3))
      return base * base * base;
  }
  return T(std::pow(double(base), double(exponent)));
}

template <typename T> static T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a / b;
  else
    return b == T(0) ? T(0) : a / b;
}

/// Remainder with the sign of the divisor (Python's), or of the dividend (C's).
template <typename T> static T remainder(T a, T b, bool signOfDivisor) {
  T r;
  if constexpr (std::is_floating_point_v<T>)
    r = std::fmod(a, b);
  else
    r = b == T(0) ? T(0) : a % b;
  if (signOfDivisor && r != T(0) && ((r < T(0)) != (b < T(0))))
    r += b;
  return r;
}

template <typename T>
static Tensor compare(Binary function, const Tensor &left, const Tensor &right, llvm::ArrayRef<int64_t> shape) {
  auto run = [&](auto predicate) { return zip<T, uint8_t>(DType::Bool, left, right, shape, predicate); };
  switch (function) {
  case Binary::Equal:
    return run([](T a, T b) { return a == b; });
  case Binary::Less:
    return run([](T a, T b) { return a < b; });
  case Binary::LessOrEqual:
    return run([](T a, T b) { return a <= b; });
  case Binary::Greater:
    return run([](T a, T b) { return a > b; });
  case Binary::GreaterOrEqual:
    return run([](T a, T b) { return a >= b; });
  default:
    llvm_unreachable("not a comparison");
  }
}

static bool isBitwise(Binary function) { return function >= Binary::BitAnd && function <= Binary::ShiftRight; }

/// Bits of integers of at most 64 bits, as they are in two's complement.
template <typename T> static T combineBits(Binary function, T left, T right) {
  auto a = uint64_t(left), b = uint64_t(right);
  switch (function) {
  case Binary::BitAnd:
    return T(a & b);
  case Binary::BitOr:
    return T(a | b);
  case Binary::BitXor:
    return T(a ^ b);
  case Binary::ShiftLeft:
    return b > 63 ? T(0) : T(a << b);
  default:
    return b > 63 ? T(0) : T(a >> b);
  }
}

template <typename T>
static Tensor combine(Binary function, const Tensor &left, const Tensor &right, llvm::ArrayRef<int64_t> shape) {
  auto run = [&](auto operation) { return zip<T, T>(left.dtype(), left, right, shape, operation); };
  switch (function) {
  case Binary::Add:
    return run([](T a, T b) { return a + b; });
  case Binary::Sub:
    return run([](T a, T b) { return a - b; });
  case Binary::Mul:
    return run([](T a, T b) { return a * b; });
  case Binary::Div:
    return run([](T a, T b) { return divide(a, b); });
  case Binary::Pow:
    return run([](T a, T b) { return power(a, b); });
  case Binary::Max:
    return run([](T a, T b) { return a != a || a > b ? a : b; });
  case Binary::Min:
    return run([](T a, T b) { return a != a || a < b ? a : b; });
  case Binary::Mod:
    return run([](T a, T b) { return remainder(a, b, true); });
  case Binary::Fmod:
    return run([](T a, T b) { return remainder(a, b, false); });
  case Binary::BitAnd:
  case Binary::BitOr:
  case Binary::BitXor:
  case Binary::ShiftLeft:
  case Binary::ShiftRight:
    if constexpr (std::is_integral_v<T>)
      return run([function](T a, T b) { return combineBits(function, a, b); });
    llvm_unreachable("checked by binary");
  default:
    return compare<T>(function, left, right, shape);
  }
}

static bool isLogic(Binary function) {
  return function == Binary::And || function == Binary::Or || function == Binary::Xor;
}

static Tensor combineLogic(Binary function, const Tensor &left, const Tensor &right, llvm::ArrayRef<int64_t> shape) {
  auto run = [&](auto operation) { return zip<uint8_t, uint8_t>(DType::Bool, left, right, shape, operation); };
  if (function == Binary::And)
    return run([](uint8_t a, uint8_t b) { return a & b; });
  if (function == Binary::Or)
    return run([](uint8_t a, uint8_t b) { return a | b; });
  return run([](uint8_t a, uint8_t b) { return a ^ b; });
}

/// Pow takes operands of different types and computes in the wider kind.
static DType powerType(DType base, DType exponent) {
  if (base == exponent)
    return arithmeticType(base);
  if (base == DType::F32 || base == DType::F16 || base == DType::BF16)
    return DType::F32;
  return isFloat(base) || isFloat(exponent) ? DType::F64 : DType::I64;
}

llvm::Expected<Tensor> compute::binary(Binary function, const Tensor &left, const Tensor &right) {
  llvm::Expected<Shape> shape = broadcastShapes({left.shape(), right.shape()});
  if (!shape)
    return shape.takeError();
  bool isPower = function == Binary::Pow;
  if (isBitwise(function) && (isFloat(left.dtype()) || left.dtype() == DType::Bool))
    return makeError("an operation on bits expects integers, not " + toString(left.dtype()));
  if (left.dtype() != right.dtype() && !isPower)
    return makeError("operands of different types, " + toString(left.dtype()) + " and " + toString(right.dtype()));
  if (isLogic(function)) {
    if (left.dtype() != DType::Bool)
      return makeError("a logical operation expects i1 elements, not " + toString(left.dtype()));
    return combineLogic(function, left, right, *shape);
  }
  DType working = isPower ? powerType(left.dtype(), right.dtype()) : arithmeticType(left.dtype());
  Tensor a = convert(left, working), b = convert(right, working);
  Tensor result = dispatchArithmetic(working, [&](auto tag) { return combine<decltype(tag)>(function, a, b, *shape); });
  return result.dtype() == DType::Bool ? result : convert(result, left.dtype());
}

//===----------------------------------------------------------------------------===//
// Others
//===----------------------------------------------------------------------------===//

llvm::Expected<Tensor> compute::where(const Tensor &condition, const Tensor &left, const Tensor &right) {
  llvm::Expected<Shape> shape = broadcastShapes({condition.shape(), left.shape(), right.shape()});
  if (!shape)
    return shape.takeError();
  if (condition.dtype() != DType::Bool || left.dtype() != right.dtype())
    return makeError("expected an i1 condition and two operands of one type, not " + toString(condition.dtype()) +
                     ", " + toString(left.dtype()) + " and " + toString(right.dtype()));
  Tensor result(left.dtype(), *shape);
  StridedLoops loops = StridedLoops::broadcast(*shape, {condition.shape(), left.shape(), right.shape()});
  int64_t stride0 = loops.innerStride(0), stride1 = loops.innerStride(1), stride2 = loops.innerStride(2);
  const uint8_t *chosen = condition.data<uint8_t>().data();
  dispatchBytes(left.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *a = reinterpret_cast<const T *>(left.raw()), *b = reinterpret_cast<const T *>(right.raw());
    T *target = reinterpret_cast<T *>(result.mutableRaw());
    loops.forEach([&](int64_t at, llvm::ArrayRef<int64_t> offsets, int64_t count) {
      const uint8_t *c = chosen + offsets[0];
      const T *x = a + offsets[1], *y = b + offsets[2];
      for (int64_t i = 0; i < count; ++i)
        target[at + i] = c[i * stride0] ? x[i * stride1] : y[i * stride2];
    });
  });
  return result;
}

template <typename T> static Tensor swigluOf(const Tensor &gate, const Tensor &up) {
  Tensor result(gate.dtype(), gate.shape());
  const T *g = gate.data<T>().data(), *u = up.data<T>().data();
  T *target = result.mutableData<T>().data();
  parallelForRanges(gate.numElements(), grain, [&](int64_t begin, int64_t end) {
    silus(g + begin, target + begin, end - begin);
    for (int64_t i = begin; i < end; ++i)
      target[i] *= u[i];
  });
  return result;
}

Tensor compute::swiglu(const Tensor &gate, const Tensor &up) {
  DType working = arithmeticType(gate.dtype());
  Tensor a = convert(gate, working), b = convert(up, working);
  return convert(working == DType::F64 ? swigluOf<double>(a, b) : swigluOf<float>(a, b), gate.dtype());
}

llvm::Expected<Tensor> compute::gelu(const Tensor &input, bool tanh, double factor, double cubic) {
  auto number = [&](Binary function, llvm::Expected<Tensor> x, double value) -> llvm::Expected<Tensor> {
    return x ? binary(function, *x, scalar(value, input.dtype())) : std::move(x);
  };
  auto apply = [](Unary function, llvm::Expected<Tensor> x) -> llvm::Expected<Tensor> {
    return x ? unary(function, *x) : std::move(x);
  };
  auto combine = [&](Binary function, llvm::Expected<Tensor> x) -> llvm::Expected<Tensor> {
    return x ? binary(function, input, *x) : std::move(x);
  };
  llvm::Expected<Tensor> gate = input;
  if (tanh) {
    llvm::Expected<Tensor> cube = number(Binary::Mul, number(Binary::Pow, input, 3), cubic);
    gate = number(Binary::Mul, combine(Binary::Add, std::move(cube)), factor);
    gate = apply(Unary::Tanh, std::move(gate));
  } else {
    gate = apply(Unary::Erf, number(Binary::Mul, std::move(gate), factor));
  }
  return combine(Binary::Mul, number(Binary::Mul, number(Binary::Add, std::move(gate), 1), 0.5));
}

llvm::Expected<Tensor> compute::gelu(const Tensor &input, bool tanh) {
  return gelu(input, tanh, tanh ? std::sqrt(2 / M_PI) : M_SQRT1_2, 0.044715);
}
