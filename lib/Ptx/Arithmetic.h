//===- Arithmetic.h - what arithmetic instructions compute on one lane -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_ARITHMETIC_H
#define QUANTOPT_LIB_PTX_ARITHMETIC_H

#include "Convert.h"

namespace quantopt::ptx {

//===----------------------------------------------------------------------------===//
// Integers. 32-bit values unless `bits` says otherwise.
//===----------------------------------------------------------------------------===//

enum class PermuteMode { Index, F4E, B4E, RC8, ECL, ECR, RC16 };
uint32_t permuteBytes(PermuteMode mode, uint32_t a, uint32_t b, uint32_t selector);

inline uint32_t lop3(uint32_t a, uint32_t b, uint32_t c, unsigned table) {
  uint32_t result = 0;
  for (unsigned row = 0; row < 8; ++row) {
    uint32_t isRow = (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
    result |= table >> row & 1 ? isRow : 0;
  }
  return result;
}

/// bfe, bfi and bfind for values of 32 or 64 bits. Positions and lengths are taken modulo 256.
uint64_t extractBits(IntegerFormat format, uint64_t value, uint32_t position, uint32_t length);
uint64_t insertBits(unsigned bits, uint64_t field, uint64_t into, uint32_t position, uint32_t length);
/// With `asShift` the distance of the bit from the top; 0xffffffff where there is none.
uint32_t findHighestBit(IntegerFormat format, uint64_t value, bool asShift);
/// fns: the position of the offset-th set bit from `base`, upwards for positive offsets, downwards for negative ones.
uint32_t findNthSet(uint32_t mask, uint32_t base, int32_t offset);

/// dp4a and dp2a; the second uses the low or the high two bytes of b.
uint32_t dot4(uint32_t a, bool aSigned, uint32_t b, bool bSigned, uint32_t c);
uint32_t dot2(uint32_t a, bool aSigned, uint32_t b, bool bSigned, uint32_t c, bool high);

/// shf.l and shf.r on the pair high:low; amounts above 31 wrap around or are clamped to 32.
uint32_t funnelShift(bool left, bool clamp, uint32_t low, uint32_t high, uint32_t amount);

/// Shifts by amounts of the width or more give zeros or copies of the sign.
uint64_t shiftLeft(unsigned bits, uint64_t value, uint32_t amount);
uint64_t shiftRight(IntegerFormat format, uint64_t value, uint32_t amount);

/// The high half of the product of two values of the format.
uint64_t multiplyHigh(IntegerFormat format, uint64_t a, uint64_t b);
/// sad: c + |a - b|.
uint64_t addAbsoluteDifference(IntegerFormat format, uint64_t a, uint64_t b, uint64_t c);
/// add.sat.s32 and its like.
uint32_t addSaturating(int32_t a, int32_t b);
uint32_t subtractSaturating(int32_t a, int32_t b);

//===----------------------------------------------------------------------------===//
// Floating point of any format. add, subtract, multiply, fma, divide, reciprocal and squareRoot are rounded once, as
// IEEE 754 says, in the mode's direction (f64: to nearest only). Arithmetic gives the canonical NaN.
//===----------------------------------------------------------------------------===//

uint64_t addFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode);
uint64_t subtractFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode);
uint64_t multiplyFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode);
uint64_t fusedMultiplyAdd(FloatFormat format, uint64_t a, uint64_t b, uint64_t c, const FloatMode &mode);

/// The operand that is not NaN wins, unless the mode propagates NaN; -0 is below +0.
uint64_t minimumFloat(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode);
uint64_t maximumFloat(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode);

/// Only the sign bit changes, of NaN too.
uint64_t negateFloat(FloatFormat format, uint64_t a, const FloatMode &mode);
uint64_t absoluteFloat(FloatFormat format, uint64_t a, const FloatMode &mode);

uint64_t divideFloats(FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode);
uint64_t squareRoot(FloatFormat format, uint64_t a, const FloatMode &mode);

/// div.approx.f32: as divideFloats, but a divisor above 2^126 gives 0, or NaN for an infinite dividend, as the ISA
/// says.
uint32_t divideApproximately(uint32_t a, uint32_t b, const FloatMode &mode);

/// The approximations of the ISA are whatever the hardware's tables hold, within a documented error. Ours are the exact
/// value, from double arithmetic with a relative error below 2^-48, rounded to nearest: within 0.5000001 ulp. The
/// hardware's f32 differs from them by at most its own documented error plus that:
///   rcp.approx 1 ulp; sqrt.approx, div.approx, div.full 2 ulp; rsqrt.approx 2^-22.9 relative; ex2.approx 2 ulp
///   (2^-22.5 on the fraction); lg2.approx 2^-22.6 absolute (relative outside of [0.5, 2]); sin, cos 2^-20.5 absolute
///   in
///   [-2π, 2π]; tanh 2^-11 relative. f16 ex2 2^-9.9, f16 tanh 2^-10.987, bf16 2^-7 and 2^-8.
/// They are the same on every machine: no function of the C library is involved that is not exactly rounded.
enum class Approximation { Reciprocal, SquareRoot, ReciprocalSquareRoot, Exp2, Log2, Sine, Cosine, Tanh };
uint64_t approximate(Approximation function, FloatFormat format, uint64_t a, const FloatMode &mode);

/// copysign a, b: b with the sign of a.
uint64_t copySign(FloatFormat format, uint64_t a, uint64_t b);

/// testp.
enum class FloatProperty { Finite, Infinite, Number, NotANumber, Normal, Subnormal };
bool hasProperty(FloatFormat format, uint64_t a, FloatProperty property);

/// Comparisons of setp and set. The unordered ones hold where an operand is NaN, the others do not.
enum class Comparison { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
bool compareFloats(Comparison comparison, FloatFormat format, uint64_t a, uint64_t b, const FloatMode &mode);
/// Eq to Ge only.
bool compareIntegers(Comparison comparison, IntegerFormat format, uint64_t a, uint64_t b);

/// Applies an operation on 16-bit floats to both halves of packed operands.
template <typename Operation> uint32_t onHalves(uint32_t a, Operation &&operation) {
  return uint32_t(operation(a & 0xffff)) | uint32_t(operation(a >> 16)) << 16;
}
template <typename Operation> uint32_t onHalves(uint32_t a, uint32_t b, Operation &&operation) {
  return uint32_t(operation(a & 0xffff, b & 0xffff)) | uint32_t(operation(a >> 16, b >> 16)) << 16;
}
template <typename Operation> uint32_t onHalves(uint32_t a, uint32_t b, uint32_t c, Operation &&operation) {
  return uint32_t(operation(a & 0xffff, b & 0xffff, c & 0xffff)) | uint32_t(operation(a >> 16, b >> 16, c >> 16)) << 16;
}

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_ARITHMETIC_H
