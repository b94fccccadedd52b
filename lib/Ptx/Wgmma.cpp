//===- Wgmma.cpp - matrix products of warp groups -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Wgmma.h"
#include "Multiversion.h"
#include "quantopt/Support/Half.h"
#include "llvm/Support/Endian.h"
#include <algorithm>
#include <cmath>

using namespace quantopt;
using namespace quantopt::ptx;

static constexpr unsigned warpRows = 16, maximumN = 256, rowBytes = 32;

//===----------------------------------------------------------------------------===//
// Descriptors
//===----------------------------------------------------------------------------===//

// The two bits of the swizzle mode count from none over the widest to the narrowest.
static constexpr TensorSwizzle swizzleOfBits[4] = {TensorSwizzle::None, TensorSwizzle::Bytes128, TensorSwizzle::Bytes64,
                                                   TensorSwizzle::Bytes32};

MatrixDescriptor MatrixDescriptor::decode(uint64_t bits) {
  auto field = [&](unsigned position) { return uint32_t(bits >> position & 0x3fff) << 4; };
  return {field(0), field(16), field(32), swizzleOfBits[bits >> 62], unsigned(bits >> 49 & 7)};
}

uint64_t MatrixDescriptor::encode() const {
  uint64_t mode = std::find(std::begin(swizzleOfBits), std::end(swizzleOfBits), swizzle) - swizzleOfBits;
  auto field = [](uint32_t bytes) { return uint64_t(bytes >> 4 & 0x3fff); };
  return field(start) | field(leading) << 16 | field(stride) << 32 | uint64_t(baseOffset) << 49 | mode << 62;
}

llvm::StringRef MatrixDescriptor::findProblem() const {
  if (baseOffset != 0)
    return "a base offset is not supported: let the matrix begin where the swizzle's pattern does";
  if (swizzle == TensorSwizzle::None)
    return "";
  unsigned width = swizzleBytes(swizzle);
  if (start % (8 * width) >= width)
    return "the matrix does not begin where the swizzle's pattern does";
  if (start % width + rowBytes > width)
    return "32 bytes from the matrix's start leave its row";
  if (stride % (8 * width) != 0)
    return "the stride between groups of 8 rows is no multiple of the swizzle's pattern";
  return "";
}

uint32_t MatrixDescriptor::chunkAddress(unsigned row, unsigned chunk) const {
  uint32_t group = start + row / 8 * stride;
  if (swizzle == TensorSwizzle::None)
    return group + row % 8 * 16 + chunk * leading;
  return swizzledAddress(swizzle, group + row % 8 * swizzleBytes(swizzle) + chunk * 16);
}

bool Wgmma::isLegal() const {
  if (n < 8 || n > maximumN || n % 8 != 0 || matrixBits(a) != matrixBits(b))
    return false;
  switch (a) {
  case MatrixType::S8:
  case MatrixType::U8:
    return accumulator == AccumulatorType::S32 && (n < 32 || n % 16 == 0) && !negatesA && !negatesB;
  case MatrixType::F16:
    return a == b && accumulator != AccumulatorType::S32;
  case MatrixType::BF16:
    return a == b && accumulator == AccumulatorType::F32;
  default:
    return false;
  }
}

void ptx::arrangeWgmmaA(const uint8_t (*rows)[32], uint32_t (*registers)[32]) {
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned lane = 0; lane < 32; ++lane)
      registers[i][lane] = llvm::support::endian::read32le(&rows[i % 2 * 8 + lane / 4][i / 2 * 16 + lane % 4 * 4]);
}

/// The inverse of arrangeWgmmaA.
static void rowsOfA(const uint32_t *const *a, uint8_t (*rows)[rowBytes]) {
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned lane = 0; lane < 32; ++lane)
      llvm::support::endian::write32le(&rows[i % 2 * 8 + lane / 4][i / 2 * 16 + lane % 4 * 4], a[i][lane]);
}

//===----------------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------------===//

QUANTOPT_PTX_MULTIVERSION
static void multiplyBytes(const int16_t (*a)[rowBytes], const uint8_t (*b)[rowBytes], bool bSigned, unsigned n,
                          int32_t (*products)[maximumN]) {
  for (unsigned column = 0; column < n; ++column) {
    int16_t bRow[rowBytes];
    for (unsigned i = 0; i < rowBytes; ++i)
      bRow[i] = bSigned ? int16_t(int8_t(b[column][i])) : int16_t(b[column][i]);
    for (unsigned row = 0; row < warpRows; ++row) {
      int32_t sum = 0;
      for (unsigned i = 0; i < rowBytes; ++i)
        sum += int32_t(a[row][i]) * int32_t(bRow[i]);
      products[row][column] = sum;
    }
  }
}

/// Register of D for (row block, column block) and the lane's even or odd column within it.
static void wgmmaInteger(const Wgmma &instruction, const uint8_t (*a)[rowBytes], const uint8_t (*b)[rowBytes],
                         uint32_t *const *d) {
  int16_t aRows[warpRows][rowBytes];
  for (unsigned row = 0; row < warpRows; ++row)
    for (unsigned i = 0; i < rowBytes; ++i)
      aRows[row][i] = instruction.a == MatrixType::S8 ? int16_t(int8_t(a[row][i])) : int16_t(a[row][i]);
  static thread_local int32_t products[warpRows][maximumN];
  multiplyBytes(aRows, b, instruction.b == MatrixType::S8, instruction.n, products);
  for (unsigned i = 0; i < instruction.registers(); ++i)
    for (unsigned lane = 0; lane < 32; ++lane) {
      int64_t sum = products[i / 2 % 2 * 8 + lane / 4][i / 4 * 8 + lane % 4 * 2 + i % 2];
      if (instruction.accumulates)
        sum += int32_t(d[i][lane]);
      d[i][lane] = uint32_t(instruction.satfinite ? std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX) : sum);
    }
}

QUANTOPT_PTX_MULTIVERSION
static void multiplyHalves(const double (*a)[warpRows], const double *b, double *sums) {
  for (unsigned row = 0; row < warpRows; ++row)
    sums[row] = 0;
  for (unsigned i = 0; i < rowBytes / 2; ++i)
    for (unsigned row = 0; row < warpRows; ++row)
      sums[row] += a[i][row] * b[i];
}

static void widenRow(MatrixType type, bool negates, const uint8_t *bytes, double *values, unsigned step) {
  for (unsigned i = 0; i < rowBytes / 2; ++i) {
    uint16_t bits = llvm::support::endian::read16le(bytes + 2 * i) ^ (negates ? 0x8000 : 0);
    values[i * step] = type == MatrixType::F16 ? halfToFloat(bits) : bfloatToFloat(bits);
  }
}

static uint32_t roundToSingle(double value) {
  return std::isnan(value) ? 0x7fffffff : llvm::bit_cast<uint32_t>(float(value));
}
static uint16_t roundToHalf(double value) { return std::isnan(value) ? 0x7fff : doubleToHalf(value); }

static void wgmmaFloat(const Wgmma &instruction, const uint8_t (*a)[rowBytes], const uint8_t (*b)[rowBytes],
                       uint32_t *const *d) {
  double aColumns[rowBytes / 2][warpRows], bRow[rowBytes / 2], sums[warpRows];
  for (unsigned row = 0; row < warpRows; ++row)
    widenRow(instruction.a, instruction.negatesA, a[row], &aColumns[0][row], warpRows);
  for (unsigned column = 0; column < instruction.n; ++column) {
    widenRow(instruction.b, instruction.negatesB, b[column], bRow, 1);
    multiplyHalves(aColumns, bRow, sums);
    for (unsigned row = 0; row < warpRows; ++row) {
      unsigned lane = row % 8 * 4 + column % 8 / 2, half = column % 2, pair = column / 8 * 2 + row / 8;
      if (instruction.accumulator == AccumulatorType::F32) {
        uint32_t &word = d[pair * 2 + half][lane];
        word = roundToSingle(sums[row] + (instruction.accumulates ? llvm::bit_cast<float>(word) : 0.0f));
        continue;
      }
      uint32_t &word = d[pair][lane];
      double addend = instruction.accumulates ? halfToFloat(uint16_t(word >> 16 * half)) : 0.0f;
      word = (word & ~(0xffffu << 16 * half)) | uint32_t(roundToHalf(sums[row] + addend)) << 16 * half;
    }
  }
}

void ptx::wgmma(const Wgmma &instruction, const uint32_t *const *a, const uint8_t (*b)[32], uint32_t *const *d) {
  uint8_t rows[warpRows][rowBytes];
  rowsOfA(a, rows);
  if (instruction.accumulator == AccumulatorType::S32)
    return wgmmaInteger(instruction, rows, b, d);
  wgmmaFloat(instruction, rows, b, d);
}
