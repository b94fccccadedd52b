//===- Mma.cpp - what a warp's matrix instructions compute -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Register r of A holds rows 8·(r mod 2).. (r = row block for m8 shapes, which have one) and a contiguous half of k; in
// it, lane l holds row l/4 and the elements of word l mod 4. So the 32 words of a register are a row-major 8-row matrix
// of packed elements, and unpacking is one linear pass. B is the same with columns for rows.
//
//===----------------------------------------------------------------------------===//
#include "Mma.h"
#include "Multiversion.h"
#include "quantopt/Support/Half.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::ptx;

static constexpr unsigned maxM = 16, maxN = 8, maxIntegerK = 64, maxFloatK = 16;

unsigned ptx::matrixBits(MatrixType type) {
  switch (type) {
  case MatrixType::S4:
  case MatrixType::U4:
    return 4;
  case MatrixType::S8:
  case MatrixType::U8:
    return 8;
  case MatrixType::F16:
  case MatrixType::BF16:
    return 16;
  }
  return 0;
}

static bool isFloat(MatrixType type) { return type == MatrixType::F16 || type == MatrixType::BF16; }

bool ptx::isMma(MmaShape shape, MatrixType a, MatrixType b, AccumulatorType accumulator) {
  if (shape.n != 8 || matrixBits(a) != matrixBits(b))
    return false;
  if (isFloat(a)) {
    bool halfAccumulator = accumulator == AccumulatorType::F16 && a == MatrixType::F16;
    return a == b && (accumulator == AccumulatorType::F32 || halfAccumulator) && shape.m == 16 &&
           (shape.k == 8 || shape.k == 16);
  }
  if (accumulator != AccumulatorType::S32 || isFloat(b))
    return false;
  unsigned unit = 128 / matrixBits(a);
  return (shape.m == 8 && shape.k == unit) || (shape.m == 16 && (shape.k == unit || shape.k == 2 * unit));
}

MmaRegisters ptx::mmaRegisters(MmaShape shape, MatrixType type, AccumulatorType accumulator) {
  // A register of the warp is 1024 bits.
  unsigned bits = matrixBits(type), accumulatorBits = accumulator == AccumulatorType::F16 ? 16 : 32;
  return {shape.m * shape.k * bits / 1024, shape.k * shape.n * bits / 1024, shape.m * shape.n * accumulatorBits / 1024};
}

//===----------------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------------===//

/// The elements of a register, 8 rows of 128 / bits, into rows that are maxIntegerK apart.
template <bool isSigned, unsigned bits>
static inline __attribute__((always_inline)) void unpackRegister(const uint32_t *words, int16_t *rows) {
  constexpr unsigned perWord = 32 / bits;
  for (unsigned row = 0; row < 8; ++row)
    for (unsigned word = 0; word < 4; ++word)
      for (unsigned i = 0; i < perWord; ++i) {
        uint32_t shifted = words[row * 4 + word] << (32 - bits - i * bits);
        rows[row * maxIntegerK + word * perWord + i] =
            int16_t(isSigned ? int32_t(shifted) >> (32 - bits) : int32_t(shifted >> (32 - bits)));
      }
}

static inline __attribute__((always_inline)) void unpackRegister(MatrixType type, const uint32_t *words,
                                                                 int16_t *rows) {
  if (type == MatrixType::S4)
    return unpackRegister<true, 4>(words, rows);
  if (type == MatrixType::U4)
    return unpackRegister<false, 4>(words, rows);
  if (type == MatrixType::S8)
    return unpackRegister<true, 8>(words, rows);
  return unpackRegister<false, 8>(words, rows);
}

template <unsigned k>
static inline __attribute__((always_inline)) void multiply(const int16_t *a, const int16_t *b, unsigned m,
                                                           int32_t *products) {
  for (unsigned row = 0; row < m; ++row)
    for (unsigned column = 0; column < maxN; ++column) {
      int32_t sum = 0;
      for (unsigned i = 0; i < k; ++i)
        sum += int32_t(a[row * maxIntegerK + i]) * int32_t(b[column * maxIntegerK + i]);
      products[row * maxN + column] = sum;
    }
}

/// products[row][column] = Σ_k A·B; below 2^22 in magnitude.
QUANTOPT_PTX_MULTIVERSION
static void multiplyIntegers(MmaShape shape, MatrixType aType, MatrixType bType, const uint32_t *const *a,
                             const uint32_t *const *b, int32_t *products) {
  alignas(64) int16_t aRows[maxM * maxIntegerK], bColumns[maxN * maxIntegerK];
  unsigned kPerRegister = 128 / matrixBits(aType), halves = shape.k / kPerRegister, rowBlocks = shape.m / 8;
  for (unsigned half = 0; half < halves; ++half) {
    for (unsigned block = 0; block < rowBlocks; ++block)
      unpackRegister(aType, a[half * rowBlocks + block], aRows + block * 8 * maxIntegerK + half * kPerRegister);
    unpackRegister(bType, b[half], bColumns + half * kPerRegister);
  }
  if (shape.k == 64)
    return multiply<64>(aRows, bColumns, shape.m, products);
  if (shape.k == 32)
    return multiply<32>(aRows, bColumns, shape.m, products);
  multiply<16>(aRows, bColumns, shape.m, products);
}

static void mmaInteger(MmaShape shape, MatrixType aType, MatrixType bType, bool satfinite, const uint32_t *const *a,
                       const uint32_t *const *b, const uint32_t *const *c, uint32_t *const *d) {
  alignas(64) int32_t products[maxM * maxN];
  multiplyIntegers(shape, aType, bType, a, b, products);
  for (unsigned i = 0; i < shape.m / 4; ++i)
    for (unsigned lane = 0; lane < 32; ++lane) {
      // Register i: row block i / 2, the even or odd one of the lane's two columns.
      int32_t product = products[(i / 2 * 8 + lane / 4) * maxN + lane % 4 * 2 + i % 2];
      if (!satfinite) {
        d[i][lane] = c[i][lane] + uint32_t(product);
        continue;
      }
      int64_t sum = int64_t(int32_t(c[i][lane])) + product;
      constexpr int64_t low = std::numeric_limits<int32_t>::min(), high = std::numeric_limits<int32_t>::max();
      d[i][lane] = uint32_t(std::clamp(sum, low, high));
    }
}

//===----------------------------------------------------------------------------===//
// Floating point
//===----------------------------------------------------------------------------===//

static double widen(MatrixType type, uint16_t bits) {
  return type == MatrixType::F16 ? halfToFloat(bits) : bfloatToFloat(bits);
}

/// sums[row][column] += Σ_k A·B, k in increasing order in every lane: columns are the lanes.
QUANTOPT_PTX_MULTIVERSION
static void multiplyFloats(const double *a, const double (*b)[maxN], unsigned k, double (*sums)[maxN]) {
  for (unsigned row = 0; row < maxM; ++row) {
    double sum[maxN] = {};
    for (unsigned i = 0; i < k; ++i)
      for (unsigned column = 0; column < maxN; ++column)
        sum[column] += a[row * maxFloatK + i] * b[i][column];
    for (unsigned column = 0; column < maxN; ++column)
      sums[row][column] = sum[column];
  }
}

static uint32_t roundToSingle(double value) {
  return std::isnan(value) ? 0x7fffffff : llvm::bit_cast<uint32_t>(float(value));
}
static uint16_t roundToHalf(double value) { return std::isnan(value) ? 0x7fff : doubleToHalf(value); }

static void mmaFloat(MmaShape shape, MatrixType type, bool halfAccumulator, const uint32_t *const *a,
                     const uint32_t *const *b, const uint32_t *const *c, uint32_t *const *d) {
  double aRows[maxM * maxFloatK], bRows[maxFloatK][maxN], sums[maxM][maxN];
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 2; ++i)
      for (unsigned half = 0; half < shape.k / 8; ++half) {
        unsigned outer = lane / 4, inner = half * 8 + lane % 4 * 2 + i;
        for (unsigned block = 0; block < 2; ++block)
          aRows[(block * 8 + outer) * maxFloatK + inner] = widen(type, uint16_t(a[half * 2 + block][lane] >> (16 * i)));
        bRows[inner][outer] = widen(type, uint16_t(b[half][lane] >> (16 * i)));
      }
  multiplyFloats(aRows, bRows, shape.k, sums);
  for (unsigned block = 0; block < 2; ++block)
    for (unsigned lane = 0; lane < 32; ++lane) {
      const double *pair = &sums[block * 8 + lane / 4][lane % 4 * 2];
      if (halfAccumulator) {
        uint32_t addend = c[block][lane];
        uint16_t low = roundToHalf(pair[0] + halfToFloat(uint16_t(addend)));
        d[block][lane] = low | uint32_t(roundToHalf(pair[1] + halfToFloat(uint16_t(addend >> 16)))) << 16;
        continue;
      }
      for (unsigned i = 0; i < 2; ++i)
        d[block * 2 + i][lane] = roundToSingle(pair[i] + llvm::bit_cast<float>(c[block * 2 + i][lane]));
    }
}

void ptx::mma(MmaShape shape, MatrixType aType, MatrixType bType, AccumulatorType accumulator, bool satfinite,
              const uint32_t *const *a, const uint32_t *const *b, const uint32_t *const *c, uint32_t *const *d) {
  if (isFloat(aType))
    return mmaFloat(shape, aType, accumulator == AccumulatorType::F16, a, b, c, d);
  mmaInteger(shape, aType, bType, satfinite, a, b, c, d);
}

//===----------------------------------------------------------------------------===//
// ldmatrix, stmatrix
//===----------------------------------------------------------------------------===//

void ptx::ldmatrix(const uint16_t (*rows)[8], bool transposed, uint32_t *lanes) {
  for (unsigned lane = 0; lane < 32; ++lane) {
    LdmatrixSource low = ldmatrixSource(lane, 0, transposed), high = ldmatrixSource(lane, 1, transposed);
    lanes[lane] = rows[low.row][low.column] | uint32_t(rows[high.row][high.column]) << 16;
  }
}

void ptx::stmatrix(const uint32_t *lanes, bool transposed, uint16_t (*rows)[8]) {
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned half = 0; half < 2; ++half) {
      LdmatrixSource target = ldmatrixSource(lane, half, transposed);
      rows[target.row][target.column] = uint16_t(lanes[lane] >> (16 * half));
    }
}
