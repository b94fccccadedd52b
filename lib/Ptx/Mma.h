//===- Mma.h - what a warp's matrix instructions compute --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_MMA_H
#define QUANTOPT_LIB_PTX_MMA_H

#include <cstdint>

namespace quantopt::ptx {

enum class MatrixType { S8, U8, S4, U4, F16, BF16 };
enum class AccumulatorType { S32, F32, F16 };

/// Bits of one element of A or B: 4, 8 or 16.
unsigned matrixBits(MatrixType type);

struct MmaShape {
  unsigned m, n, k;
};

/// Registers of 32 bits that one lane holds of each operand; C and D are alike.
struct MmaRegisters {
  unsigned a, b, c;
};

/// Whether mma.sync has this instruction: integers accumulate in s32, f16 in f16 or f32, bf16 in f32. A and B may mix
/// signedness but not width.
bool isMma(MmaShape shape, MatrixType a, MatrixType b, AccumulatorType accumulator);

MmaRegisters mmaRegisters(MmaShape shape, MatrixType type, AccumulatorType accumulator);

/// D = A·B + C for a whole warp (PTX ISA, "Matrix Fragments for mma"). Each of a, b, c and d is an array of registers,
/// as many as mmaRegisters says, and a register is 32 words, one a lane. d may be c.
///
/// Integers: the sum is exact; it wraps around, or with `satfinite` is clamped, to s32.
///
/// Floating point: products are exact, the sum runs over k in increasing order in f64 with C added last, and is rounded
/// once, to nearest even, to the accumulator's type. Hardware aligns the products and C to the largest exponent and
/// truncates there, in blocks of 8 or 16 along k; whatever the blocks, its result lies within (k + 2)·2^-23·M of ours
/// (f32) for M the largest magnitude among C, the products and the partial sums; f16 accumulators add half a unit of
/// f16. A NaN result is the canonical one (0x7fffffff, 0x7fff).
void mma(MmaShape shape, MatrixType aType, MatrixType bType, AccumulatorType accumulator, bool satfinite,
         const uint32_t *const *a, const uint32_t *const *b, const uint32_t *const *c, uint32_t *const *d);

/// ldmatrix and stmatrix move 8x8 matrices of 16-bit elements, a row of 16 bytes at a time. The address of row `row` of
/// matrix `matrix` (0..3) comes from this lane.
constexpr unsigned ldmatrixAddressLane(unsigned matrix, unsigned row) { return matrix * 8 + row; }

/// Where a half of the result register for a matrix comes from.
struct LdmatrixSource {
  unsigned row, column;
};

/// Half 0 are the low 16 bits.
constexpr LdmatrixSource ldmatrixSource(unsigned lane, unsigned half, bool transposed) {
  unsigned outer = lane / 4, inner = lane % 4 * 2 + half;
  return transposed ? LdmatrixSource{inner, outer} : LdmatrixSource{outer, inner};
}

/// The register of all lanes for one matrix of 8 rows of 8 elements.
void ldmatrix(const uint16_t (*rows)[8], bool transposed, uint32_t *lanes);

/// The inverse of ldmatrix.
void stmatrix(const uint32_t *lanes, bool transposed, uint16_t (*rows)[8]);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_MMA_H
