//===- Wgmma.h - matrix products of warp groups ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_WGMMA_H
#define QUANTOPT_LIB_PTX_WGMMA_H

#include "Mma.h"
#include "quantopt/Ptx/TensorMap.h"
#include "llvm/ADT/StringRef.h"

namespace quantopt::ptx {

/// A matrix in shared memory, as wgmma names it (PTX ISA, "Matrix-descriptor Format"): K runs along rows of bytes
/// ("K-major"). The instruction takes 32 bytes of each row: two chunks of 16.
///
/// Without a swizzle, 8 rows of one chunk are 128 contiguous bytes; `leading` leads to the next chunk, `stride` to the
/// next 8 rows. With one, 8 rows of 32, 64 or 128 bytes are contiguous, `stride` leads to the next 8, and 16-byte
/// chunks are permuted as swizzledAddress says; `leading` means nothing.
struct MatrixDescriptor {
  uint32_t start, leading, stride;
  TensorSwizzle swizzle;
  unsigned baseOffset;

  static MatrixDescriptor decode(uint64_t bits);
  uint64_t encode() const;

  /// What is wrong with it, or nothing: a base offset (matrices begin where the swizzle's pattern does), a row that
  /// begins within the pattern, 32 bytes that leave their row.
  llvm::StringRef findProblem() const;
  /// Where chunk 0 or 1 of a row lies.
  uint32_t chunkAddress(unsigned row, unsigned chunk) const;
};

struct Wgmma {
  /// m is 64, k is 32 bytes.
  unsigned n;
  MatrixType a, b;
  AccumulatorType accumulator;
  bool satfinite = false;
  /// Whether D is added; otherwise it is only written.
  bool accumulates = true;
  /// imm-scale-a and imm-scale-b: floating point only.
  bool negatesA = false, negatesB = false;

  /// 8 to 256, by 8 (integers: by 16 from 32 on).
  bool isLegal() const;
  /// 32-bit registers of a lane for D.
  unsigned registers() const { return accumulator == AccumulatorType::F16 ? n / 4 : n / 2; }
};

/// Bytes of A of one warp, 16 rows of 32, as the four registers that hold them in the other form of the instruction.
void arrangeWgmmaA(const uint8_t (*rows)[32], uint32_t (*registers)[32]);

/// One warp's part: its 16 rows of A in registers, as mma.m16n8k32 and m16n8k16 have them, times all n rows of B (which
/// is stored transposed), 32 bytes each. d are Wgmma::registers() rows of 32 lanes. Numerics are those of mma.
void wgmma(const Wgmma &instruction, const uint32_t *const *a, const uint8_t (*b)[32], uint32_t *const *d);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_WGMMA_H
