//===- CacheFragments.h - keys and values of a cache as fragments ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_CACHEFRAGMENTS_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_CACHEFRAGMENTS_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "quantopt/Numerics/KvLayout.h"

namespace quantopt {

/// Elements [first, first + size) of a head, within one group. Size is a power of two, at least 16.
struct HeadChunk {
  int64_t first, size, group;
};

/// Turns rows of codes, as they lie in a cache, into right operands of m16n8k16 without any exchange between lanes.
/// Both orders that this needs are free: that of the contraction in q·kᵀ as long as the queries have the same one, and
/// that of the columns in p·v as long as who stores the result knows it.
///
/// With g = lane / 4 and t = lane % 4, an operand has columns g, and rows 2t, 2t + 1, 2t + 8, 2t + 9 of the
/// contraction.
///
///   Keys: column g is a token. Of each chunk of its head lane t takes elements [t·size/4, (t + 1)·size/4).
///   Values: rows are tokens. Of each chunk of a token's head lane g takes elements [g·size/8, (g + 1)·size/8), and the
///   j-th of them is its column in product j of the chunk. Sums of columns 2t and 2t + 1 of all products of a chunk are
///   then elements [t·size/4, (t + 1)·size/4) of the result, those of column 2t first.
///
/// Codes become f16 without their zero, exactly: as the low bits of the significand of 1024 they are a number, and
/// 1024 + zero is taken off.
class CacheFragments {
public:
  CacheFragments(KernelBuilder &k, const numerics::KvLayout &layout);

  const numerics::KvLayout &getLayout() const { return layout; }
  llvm::ArrayRef<HeadChunk> getChunks() const { return chunks; }

  /// Registers that this lane's part of a chunk of a key, or of a value, takes.
  int64_t getKeyRegisters(const HeadChunk &chunk) const { return getRegisters(chunk.size / 4); }
  int64_t getValueRegisters(const HeadChunk &chunk) const { return getRegisters(chunk.size / 8); }
  /// Scales and zeros of one token.
  int64_t getScaleRegisters() const { return layout.groups() * layout.scaleBytes() / 4; }

  /// Loads of the token whose codes, or scales, are `offset` bytes after a pointer.
  Fragment loadKey(const HeadChunk &chunk, mlir::Value pointer, int64_t offset);
  Fragment loadValue(const HeadChunk &chunk, mlir::Value pointer, int64_t offset);
  /// Scales of `tokens` (1, 2 or 4) successive tokens, the first of which is a multiple of that.
  Fragment loadScales(mlir::Value pointer, int64_t offset, int64_t tokens = 1);

  /// The scale of a group, f32, out of what loadScales() gave.
  mlir::Value getScale(llvm::ArrayRef<mlir::Value> scales, int64_t group);
  /// {1024 + zero, 1024 + zero} of a group of one token; {1024 + zero of `first`, 1024 + zero of `second`}. Null in a
  /// cache without codes.
  mlir::Value getZeros(llvm::ArrayRef<mlir::Value> scales, int64_t group);
  mlir::Value getZeros(llvm::ArrayRef<mlir::Value> first, llvm::ArrayRef<mlir::Value> second, int64_t group);

  /// The pairs of a chunk of a key: size/8 registers, of which two make a product.
  Fragment unpackKey(const HeadChunk &chunk, llvm::ArrayRef<mlir::Value> codes, mlir::Value zeros);
  /// Where in the lane's part of the chunk the halves of pair `pair` of a key come from.
  std::array<int64_t, 2> getKeyPair(const HeadChunk &chunk, int64_t pair) const;
  /// Of two tokens, the pairs of the chunk's size/8 products.
  Fragment unpackValues(const HeadChunk &chunk, llvm::ArrayRef<mlir::Value> first, llvm::ArrayRef<mlir::Value> second,
                        mlir::Value zeros);

private:
  int64_t getRegisters(int64_t elements) const { return std::max<int64_t>(1, elements * bits / 32); }
  /// Loads `elements` elements from `offset` bytes on and, for lane number `part`, that many times `part` later.
  Fragment loadPart(mlir::Value pointer, int64_t offset, mlir::Value part, int64_t elements);
  /// `count` pairs of codes, each of one in the low half and one in the high half, from the lowest bits on.
  void unpackPairs(mlir::Value codes, int64_t count, mlir::Value zeros, Fragment &pairs);

  KernelBuilder &k;
  numerics::KvLayout layout;
  /// Of a stored code.
  int64_t bits;
  llvm::SmallVector<HeadChunk> chunks;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_CACHEFRAGMENTS_H
