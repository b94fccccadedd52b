//===- KvLayout.h - how keys and values lie in a cache ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_KVLAYOUT_H
#define QUANTOPT_NUMERICS_KVLAYOUT_H

#include "quantopt/Numerics/DynamicQuantizer.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace quantopt::numerics {

/// How the keys, or the values, of one layer lie in memory. Kernel builders, the interpreter and the runtime share this
/// value; nothing else knows the order.
///
/// A cache is pages [pages][kv heads][blockBytes()]. The block of a page and a head holds `pageTokens` tokens:
///
///   codes   [pageTokens][headDim · storedBits / 8], row-major, the first element in the low bits
///   scales  [pageTokens][groups]{f16 scale, u16 zero}, or {f32 scale, u32 zero} with `hasHalfScales` off
///
/// An element is (code - zero)·scale, in symmetric caches too: there zero is 2^(bits-1), and the code is stored with
/// it added. 16 bits: f16 values and no scales.
struct KvLayout {
  /// 2, 3, 4, 8 or 16; 3-bit codes are stored in 4 bits.
  int64_t bits = 4;
  int64_t headDim = 64;
  /// Elements that share a scale; divides headDim.
  int64_t groupSize = 64;
  /// A multiple of 16.
  int64_t pageTokens = 64;
  float clip = 0.95f;
  bool isSymmetric = false;
  bool hasHalfScales = true;

  /// What is wrong with the numbers above, if anything.
  llvm::Error check() const;

  bool isQuantized() const { return bits < 16; }
  int64_t storedBits() const { return bits == 3 ? 4 : bits; }
  int64_t groups() const { return isQuantized() ? headDim / groupSize : 0; }
  int64_t rowCodeBytes() const { return headDim * storedBits() / 8; }
  /// Of a scale with its zero.
  int64_t scaleBytes() const { return hasHalfScales ? 4 : 8; }
  /// What one token takes for one head.
  int64_t tokenBytes() const { return rowCodeBytes() + groups() * scaleBytes(); }
  int64_t blockBytes() const { return pageTokens * tokenBytes(); }
  /// Within a block, for a token of the page.
  int64_t codeOffset(int64_t token) const { return token * rowCodeBytes(); }
  int64_t scaleOffset(int64_t token, int64_t group) const {
    return pageTokens * rowCodeBytes() + (token * groups() + group) * scaleBytes();
  }
  /// Of the block of (page, head) in a cache with that many heads.
  int64_t blockOffset(int64_t page, int64_t head, int64_t heads) const { return (page * heads + head) * blockBytes(); }

  DynamicQuantizerOptions quantizer() const { return {int(bits), clip, groupSize, hasHalfScales}; }

  /// Writes the row [headDim] of a token into its block. T is float or double.
  template <typename T> void writeRow(const T *row, int64_t token, uint8_t *block) const;
  /// The elements of a token, as attention takes them.
  template <typename T> void readRow(const uint8_t *block, int64_t token, T *row) const;
  /// The codes of a token, one per byte, and per group scale and zero. Quantized caches only.
  void readCodes(const uint8_t *block, int64_t token, uint8_t *codes, float *scales, float *zeros) const;

  bool operator==(const KvLayout &other) const {
    return bits == other.bits && headDim == other.headDim && groupSize == other.groupSize &&
           pageTokens == other.pageTokens && clip == other.clip && isSymmetric == other.isSymmetric &&
           hasHalfScales == other.hasHalfScales;
  }
};

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_KVLAYOUT_H
