//===- Convert.h - numbers of PTX's types and conversions between them -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Values of all types travel as the low bits of a uint64_t. Floating-point results pass through double: an operation
// first rounds to odd there, which keeps every tie and inequality, then once, in the wanted direction, to its type.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_CONVERT_H
#define QUANTOPT_LIB_PTX_CONVERT_H

#include "llvm/ADT/bit.h"
#include <cstdint>

namespace quantopt::ptx {

enum class FloatFormat { F16, BF16, F32, F64 };
/// .rn .rz .rm .rp
enum class Rounding { Nearest, Zero, Down, Up };

/// The modifiers of a floating-point instruction.
struct FloatMode {
  Rounding rounding = Rounding::Nearest;
  /// .ftz: subnormal inputs and results are zeros of the same sign.
  bool flush = false;
  /// .sat: results are clamped to [0, 1]; NaN becomes +0.
  bool saturate = false;
  /// .relu: negative results become 0; NaN stays.
  bool relu = false;
  /// .NaN of min and max: a NaN operand makes the result NaN.
  bool propagateNan = false;
  /// .satfinite of cvt: what overflows becomes the largest finite value.
  bool satfinite = false;
};

/// The NaN that arithmetic produces (0x7fffffff for f32).
uint64_t canonicalNan(FloatFormat format);
bool isNan(FloatFormat format, uint64_t bits);

/// Widening is exact.
double decodeFloat(FloatFormat format, uint64_t bits);

/// Rounds `value` once. It is exact, or rounded to odd, in double. NaN becomes the canonical one.
uint64_t encodeFloat(FloatFormat format, double value, Rounding rounding);

/// Input and output sides of a mode: decoding with flush, encoding with everything else.
double readFloat(FloatFormat format, uint64_t bits, const FloatMode &mode);
uint64_t writeFloat(FloatFormat format, double value, const FloatMode &mode);

/// a + b, and the integer nearest in magnitude from below 2^64, rounded to odd.
double addToOdd(double a, double b);
double integerToOdd(uint64_t magnitude, bool negative);

struct IntegerFormat {
  /// 8, 16, 32 or 64.
  unsigned bits;
  bool isSigned;
};

/// cvt.dtype.atype of integers; `saturate` clamps to the target, otherwise the value wraps. Results are sign- or
/// zero-extended to 64 bits by the target's signedness.
uint64_t convertInteger(IntegerFormat to, IntegerFormat from, uint64_t bits, bool saturate);

/// cvt.{rni,rzi,rmi,rpi}: always clamps; NaN becomes 0, or the sign bit alone where f64 or a 64-bit integer takes part.
uint64_t convertToInteger(IntegerFormat to, FloatFormat from, uint64_t bits, const FloatMode &mode);

uint64_t convertFromInteger(FloatFormat to, IntegerFormat from, uint64_t bits, const FloatMode &mode);

/// cvt between floating-point types. With `toIntegral` (.rni and its like) the value is rounded to an integer.
uint64_t convertFloat(FloatFormat to, FloatFormat from, uint64_t bits, const FloatMode &mode, bool toIntegral = false);

/// cvt.rn.{f16x2,bf16x2}.f32 d, high, low.
uint32_t convertPair(FloatFormat to, uint32_t high, uint32_t low, const FloatMode &mode);

/// cvt.rna.tf32.f32: nearest, ties away from zero, 10 bits of mantissa.
uint32_t convertToTf32(uint32_t bits);

/// cvt.pack.sat.TYPE.s32{.b32} d, a, b, c: b becomes the lowest field, a the next; c, moved up by two fields, fills the
/// rest. Fields of 2, 4 and 8 bits have c, of 16 bits not.
uint32_t convertPack(IntegerFormat to, int32_t a, int32_t b, uint32_t c);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_CONVERT_H
