//===- Conversion.cpp - tensors from one element type to another -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Conversion.h"
#include "quantopt/Support/Half.h"
#include "quantopt/Support/NarrowFloat.h"
#include "llvm/Support/ErrorHandling.h"
#include <algorithm>
#include <limits>

using namespace quantopt;

/// Elements converted at once through an intermediate that holds every source exactly.
static constexpr int64_t blockSize = 512;

template <typename T, typename Wide> static void widen(const Tensor &source, int64_t start, int64_t count, Wide *wide) {
  const T *values = source.data<T>().data() + start;
  for (int64_t i = 0; i < count; ++i)
    wide[i] = Wide(values[i]);
}

/// A block of a float tensor as f64.
static void readBlock(const Tensor &source, int64_t start, int64_t count, double *wide) {
  switch (source.dtype()) {
  case DType::F64:
    return widen<double>(source, start, count, wide);
  case DType::F32:
    return widen<float>(source, start, count, wide);
  default:
    break;
  }
  const uint16_t *bits = source.data<uint16_t>().data() + start;
  for (int64_t i = 0; i < count; ++i)
    wide[i] = source.dtype() == DType::F16 ? halfToFloat(bits[i]) : bfloatToFloat(bits[i]);
}

/// A block of an integer tensor as i64; U64 as the same 64 bits.
static void readBlock(const Tensor &source, int64_t start, int64_t count, int64_t *wide) {
  switch (source.dtype()) {
  case DType::I64:
    return widen<int64_t>(source, start, count, wide);
  case DType::U64:
    return widen<uint64_t>(source, start, count, wide);
  case DType::I32:
    return widen<int32_t>(source, start, count, wide);
  case DType::U32:
    return widen<uint32_t>(source, start, count, wide);
  case DType::I16:
    return widen<int16_t>(source, start, count, wide);
  case DType::U16:
    return widen<uint16_t>(source, start, count, wide);
  case DType::I8:
  case DType::I4:
  case DType::I2:
    return widen<int8_t>(source, start, count, wide);
  case DType::U8:
  case DType::U4:
  case DType::U2:
  case DType::Bool:
    return widen<uint8_t>(source, start, count, wide);
  default:
    llvm_unreachable("a float type");
  }
}

/// Truncates towards zero into [least, greatest]; both bounds are exact in f64 or, for 64 bits, reached by comparing.
template <typename T> static T saturate(double value, T least, T greatest) {
  if (!(value == value))
    return 0;
  if (value <= double(least))
    return least;
  if (value >= double(greatest))
    return greatest;
  return T(value);
}

template <typename T> static void narrow(const double *wide, int64_t count, T *out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = saturate(wide[i], std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
}
template <typename T> static void narrow(const int64_t *wide, int64_t count, T *out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = T(wide[i]);
}

static int8_t toSigned(double value, int bits) {
  return saturate<int8_t>(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1);
}
static int8_t toSigned(int64_t value, int bits) {
  int64_t sign = int64_t(1) << (bits - 1);
  return int8_t(((value & (2 * sign - 1)) ^ sign) - sign);
}
static uint8_t toUnsigned(double value, int bits) { return saturate<uint8_t>(value, 0, (1 << bits) - 1); }
static uint8_t toUnsigned(int64_t value, int bits) { return value & ((1 << bits) - 1); }

/// Elements of 2-bit, 4-bit and Boolean types, whose range is not that of the byte that holds them.
template <typename Wide> static void writeBytes(const Wide *wide, int64_t count, DType type, char *out) {
  bool isSigned = type == DType::I4 || type == DType::I2;
  int bits = bitsInFile(type);
  for (int64_t i = 0; i < count; ++i)
    out[i] = type == DType::Bool ? wide[i] != 0 : isSigned ? toSigned(wide[i], bits) : toUnsigned(wide[i], bits);
}

template <typename Wide> static void writeIntegers(const Wide *wide, int64_t count, Tensor &result, int64_t start) {
  switch (result.dtype()) {
  case DType::I64:
    return narrow(wide, count, result.mutableData<int64_t>().data() + start);
  case DType::U64:
    return narrow(wide, count, result.mutableData<uint64_t>().data() + start);
  case DType::I32:
    return narrow(wide, count, result.mutableData<int32_t>().data() + start);
  case DType::U32:
    return narrow(wide, count, result.mutableData<uint32_t>().data() + start);
  case DType::I16:
    return narrow(wide, count, result.mutableData<int16_t>().data() + start);
  case DType::U16:
    return narrow(wide, count, result.mutableData<uint16_t>().data() + start);
  case DType::I8:
    return narrow(wide, count, result.mutableData<int8_t>().data() + start);
  case DType::U8:
    return narrow(wide, count, result.mutableData<uint8_t>().data() + start);
  case DType::Bool:
  case DType::I4:
  case DType::U4:
  case DType::I2:
  case DType::U2:
    return writeBytes(wide, count, result.dtype(), result.mutableRaw() + start);
  default:
    llvm_unreachable("a float type");
  }
}

static void writeFloats(const double *wide, int64_t count, Tensor &result, int64_t start) {
  if (result.dtype() == DType::F64) {
    std::copy(wide, wide + count, result.mutableData<double>().data() + start);
    return;
  }
  if (result.dtype() == DType::F32) {
    std::copy(wide, wide + count, result.mutableData<float>().data() + start);
    return;
  }
  uint16_t *bits = result.mutableData<uint16_t>().data() + start;
  for (int64_t i = 0; i < count; ++i)
    bits[i] = result.dtype() == DType::F16 ? doubleToHalf(wide[i]) : doubleToBfloat(wide[i]);
}

/// An integer as f64: rounded to nearest if f64 is what is wanted, otherwise to odd, for a second rounding to a
/// narrower type.
template <typename Integer> static double toDouble(Integer value, bool isFinal) {
  Integer high = value >> 11;
  bool isExact = high < (Integer(1) << 42) && (std::is_unsigned_v<Integer> || high >= -(Integer(1) << 42));
  if (isFinal || isExact)
    return double(value);
  return double(high | Integer((value & 0x7ff) != 0)) * 2048;
}

static Tensor convertFloats(const Tensor &tensor, DType type) {
  Tensor result(type, tensor.shape());
  double wide[blockSize];
  for (int64_t start = 0, total = tensor.numElements(); start < total; start += blockSize) {
    int64_t count = std::min(blockSize, total - start);
    readBlock(tensor, start, count, wide);
    if (isFloat(type))
      writeFloats(wide, count, result, start);
    else
      writeIntegers(wide, count, result, start);
  }
  return result;
}

static Tensor convertIntegers(const Tensor &tensor, DType type) {
  Tensor result(type, tensor.shape());
  int64_t wide[blockSize];
  double rounded[blockSize];
  for (int64_t start = 0, total = tensor.numElements(); start < total; start += blockSize) {
    int64_t count = std::min(blockSize, total - start);
    readBlock(tensor, start, count, wide);
    if (!isFloat(type)) {
      writeIntegers(wide, count, result, start);
      continue;
    }
    bool isFinal = type == DType::F64;
    for (int64_t i = 0; i < count; ++i)
      rounded[i] = tensor.dtype() == DType::U64 ? toDouble(uint64_t(wide[i]), isFinal) : toDouble(wide[i], isFinal);
    writeFloats(rounded, count, result, start);
  }
  return result;
}

/// Narrow floats as f64, by table.
static Tensor widenNarrow(const Tensor &tensor) {
  double table[256];
  for (int bits = 0; bits < 256; ++bits)
    table[bits] = decodeNarrow(tensor.dtype(), bits);
  Tensor result(DType::F64, tensor.shape());
  double *values = result.mutableData<double>().data();
  for (uint8_t bits : tensor.data<uint8_t>())
    *values++ = table[bits];
  return result;
}

Tensor quantopt::convert(const Tensor &tensor, DType type) {
  if (tensor.dtype() == type)
    return tensor;
  assert(isNumeric(tensor.dtype()) && isNumeric(type));
  if (isNarrowFloat(type))
    return convertToNarrow(tensor, type, {});
  if (isNarrowFloat(tensor.dtype()))
    return convert(widenNarrow(tensor), type);
  // The usual way of weights, without the step through f64.
  if (type == DType::F32 && (tensor.dtype() == DType::F16 || tensor.dtype() == DType::BF16)) {
    Tensor result(type, tensor.shape());
    const uint16_t *bits = tensor.data<uint16_t>().data();
    float *values = result.mutableData<float>().data();
    if (tensor.dtype() == DType::F16)
      halfToFloat(bits, tensor.numElements(), values);
    else
      bfloatToFloat(bits, tensor.numElements(), values);
    return result;
  }
  return isFloat(tensor.dtype()) ? convertFloats(tensor, type) : convertIntegers(tensor, type);
}
