//===- KvLayout.cpp - how keys and values lie in a cache ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/KvLayout.h"
#include "quantopt/Support/Half.h"
#include "llvm/ADT/SmallVector.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::numerics;

llvm::Error KvLayout::check() const {
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8 && bits != 16)
    return llvm::createStringError("expected a cache of 2, 3, 4, 8 or 16 bits, got %lld", (long long)bits);
  if (headDim < 16 || headDim > 256 || headDim % 16)
    return llvm::createStringError("expected heads of 16 to 256 elements, a multiple of 16, got %lld",
                                   (long long)headDim);
  if (isQuantized() && (groupSize < 16 || groupSize % 16 || headDim % groupSize))
    return llvm::createStringError("expected groups of a multiple of 16 elements that divide heads of %lld, got %lld",
                                   (long long)headDim, (long long)groupSize);
  if (pageTokens < 16 || pageTokens % 16)
    return llvm::createStringError("expected pages of a multiple of 16 tokens, got %lld", (long long)pageTokens);
  if (!(clip > 0 && clip <= 1))
    return llvm::createStringError("expected a clip in (0, 1], got %g", double(clip));
  return llvm::Error::success();
}

static void packCodes(const uint8_t *codes, int64_t count, int64_t bits, uint8_t *bytes) {
  int64_t perByte = 8 / bits;
  for (int64_t i = 0; i < count; i += perByte) {
    unsigned byte = 0;
    for (int64_t j = 0; j < perByte; ++j)
      byte |= unsigned(codes[i + j]) << (j * bits);
    bytes[i / perByte] = uint8_t(byte);
  }
}

static void unpackCodes(const uint8_t *bytes, int64_t count, int64_t bits, uint8_t *codes) {
  int64_t perByte = 8 / bits;
  for (int64_t i = 0; i < count; ++i)
    codes[i] = uint8_t(bytes[i / perByte] >> (i % perByte * bits)) & ((1u << bits) - 1);
}

static void writeScale(bool isHalf, float scale, unsigned zero, uint8_t *bytes) {
  if (isHalf) {
    uint16_t pair[] = {floatToHalf(scale), uint16_t(zero)};
    std::memcpy(bytes, pair, sizeof(pair));
    return;
  }
  uint32_t number = zero;
  std::memcpy(bytes, &scale, 4);
  std::memcpy(bytes + 4, &number, 4);
}

static void readScale(bool isHalf, const uint8_t *bytes, float &scale, float &zero) {
  if (isHalf) {
    uint16_t pair[2];
    std::memcpy(pair, bytes, sizeof(pair));
    scale = halfToFloat(pair[0]);
    zero = float(pair[1]);
    return;
  }
  uint32_t number;
  std::memcpy(&scale, bytes, 4);
  std::memcpy(&number, bytes + 4, 4);
  zero = float(number);
}

template <typename T> void KvLayout::writeRow(const T *row, int64_t token, uint8_t *block) const {
  uint8_t *bytes = block + codeOffset(token);
  if (!isQuantized()) {
    for (int64_t i = 0; i < headDim; ++i) {
      uint16_t half = doubleToHalf(double(row[i]));
      std::memcpy(bytes + 2 * i, &half, 2);
    }
    return;
  }
  llvm::SmallVector<uint8_t, 256> codes(headDim);
  llvm::SmallVector<T, 16> scales(groups());
  llvm::SmallVector<uint8_t, 16> zeros(groups(), uint8_t(1u << (bits - 1)));
  if (isSymmetric) {
    llvm::SmallVector<int8_t, 256> signedCodes(headDim);
    quantizeSymmetric(quantizer(), row, 1, headDim, signedCodes.data(), scales.data());
    for (int64_t i = 0; i < headDim; ++i)
      codes[i] = uint8_t(signedCodes[i] + (1 << (bits - 1)));
  } else {
    quantizeAsymmetric(quantizer(), row, 1, headDim, codes.data(), scales.data(), zeros.data());
  }
  packCodes(codes.data(), headDim, storedBits(), bytes);
  for (int64_t group = 0; group < groups(); ++group)
    writeScale(hasHalfScales, float(scales[group]), zeros[group], block + scaleOffset(token, group));
}

template <typename T> void KvLayout::readRow(const uint8_t *block, int64_t token, T *row) const {
  if (!isQuantized()) {
    for (int64_t i = 0; i < headDim; ++i) {
      uint16_t half;
      std::memcpy(&half, block + codeOffset(token) + 2 * i, 2);
      row[i] = T(halfToFloat(half));
    }
    return;
  }
  llvm::SmallVector<uint8_t, 256> codes(headDim);
  llvm::SmallVector<float, 16> scales(groups()), zeros(groups());
  readCodes(block, token, codes.data(), scales.data(), zeros.data());
  for (int64_t i = 0; i < headDim; ++i)
    row[i] = (T(codes[i]) - T(zeros[i / groupSize])) * T(scales[i / groupSize]);
}

void KvLayout::readCodes(const uint8_t *block, int64_t token, uint8_t *codes, float *scales, float *zeros) const {
  unpackCodes(block + codeOffset(token), headDim, storedBits(), codes);
  for (int64_t group = 0; group < groups(); ++group)
    readScale(hasHalfScales, block + scaleOffset(token, group), scales[group], zeros[group]);
}

template void KvLayout::writeRow(const float *, int64_t, uint8_t *) const;
template void KvLayout::writeRow(const double *, int64_t, uint8_t *) const;
template void KvLayout::readRow(const uint8_t *, int64_t, float *) const;
template void KvLayout::readRow(const uint8_t *, int64_t, double *) const;
