//===- CacheFragments.cpp - keys and values of a cache as fragments --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "CacheFragments.h"

using namespace mlir;
using namespace quantopt;

/// The greatest power of two that divides `number`, at most 16.
static int64_t alignmentOf(int64_t number) { return std::min<int64_t>(16, number & -number); }

/// Chunks as large as one load of a key's lane allows.
CacheFragments::CacheFragments(KernelBuilder &k, const numerics::KvLayout &layout)
    : k(k), layout(layout), bits(layout.storedBits()) {
  int64_t groupSize = layout.isQuantized() ? layout.groupSize : layout.headDim;
  auto fits = [&](int64_t first, int64_t size) {
    int64_t laneBytes = size / 4 * bits / 8;
    return size <= groupSize - first % groupSize && laneBytes <= alignmentOf(layout.rowCodeBytes()) &&
           first * bits / 8 % laneBytes == 0;
  };
  for (int64_t first = 0; first < layout.headDim; first += chunks.back().size) {
    int64_t size = 16;
    while (fits(first, 2 * size))
      size *= 2;
    chunks.push_back({first, size, first / groupSize});
  }
}

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

// Constant offsets come last: they are part of the instruction.
Fragment CacheFragments::loadPart(Value pointer, int64_t offset, Value part, int64_t elements) {
  int64_t partBits = elements * bits;
  if (partBits == 4) { // half a byte
    Value byte = k.load(k.i8(), k.address(k.address(pointer, k.shrU(part, 1)), offset), 1);
    return {k.shrU(k.extendU(byte, k.i32()), k.shl(k.bitAnd(part, 1), 2))};
  }
  Value first = k.address(k.address(pointer, k.mul(part, partBits / 8)), offset);
  if (partBits < 32)
    return {k.extendU(k.load(partBits == 8 ? k.i8() : k.i16(), first, partBits / 8), k.i32())};
  if (partBits == 32)
    return {k.load(k.i32(), first, 4)};
  return k.elements(k.load(k.vectorOf(partBits / 32, k.i32()), first, partBits / 8));
}

Fragment CacheFragments::loadKey(const HeadChunk &chunk, Value pointer, int64_t offset) {
  return loadPart(pointer, offset + chunk.first * bits / 8, k.bitAnd(k.lane(), 3), chunk.size / 4);
}
Fragment CacheFragments::loadValue(const HeadChunk &chunk, Value pointer, int64_t offset) {
  return loadPart(pointer, offset + chunk.first * bits / 8, k.shrU(k.lane(), 2), chunk.size / 8);
}

Fragment CacheFragments::loadScales(Value pointer, int64_t offset, int64_t tokens) {
  Fragment words;
  int64_t bytes = tokens * getScaleRegisters() * 4, width = bytes ? alignmentOf(bytes) : 0;
  for (int64_t at = 0; at < bytes; at += width) {
    Value first = k.address(pointer, offset + at);
    if (width == 4)
      words.push_back(k.load(k.i32(), first, 4));
    else
      words.append(k.elements(k.load(k.vectorOf(width / 4, k.i32()), first, width)));
  }
  return words;
}

//===----------------------------------------------------------------------===//
// Codes to f16
//===----------------------------------------------------------------------===//

Value CacheFragments::getScale(ArrayRef<Value> scales, int64_t group) {
  if (!layout.hasHalfScales)
    return k.bitcast(scales[2 * group], k.f32());
  return k.convertFloat(k.bitcast(k.truncate(scales[group], k.i16()), k.f16()), k.f32());
}

/// Zeros are below 256: a byte of them is enough. 0x64 is the high byte of 1024.
Value CacheFragments::getZeros(ArrayRef<Value> scales, int64_t group) {
  if (!layout.isQuantized())
    return {};
  if (!layout.hasHalfScales)
    return k.permuteBytes(scales[2 * group + 1], 0x64646464, 0x4040);
  return k.permuteBytes(scales[group], 0x64646464, 0x4242);
}
Value CacheFragments::getZeros(ArrayRef<Value> first, ArrayRef<Value> second, int64_t group) {
  if (!layout.isQuantized())
    return {};
  int64_t word = layout.hasHalfScales ? group : 2 * group + 1;
  Value zeros = k.permuteBytes(first[word], second[word], layout.hasHalfScales ? 0x7632 : 0x5410);
  return k.bitOr(zeros, 0x64006400);
}

void CacheFragments::unpackPairs(Value codes, int64_t count, Value zeros, Fragment &pairs) {
  if (bits == 16) {
    pairs.push_back(codes);
    return;
  }
  constexpr uint8_t andOr = 0xEA; // (x & y) | z
  Type type = k.vectorOf(2, k.f16());
  Value offset = k.bitcast(zeros, type);
  for (int64_t i = 0; i < count; ++i) {
    int64_t shift = i * bits % 8; // of the code within its byte
    Value number;
    if (bits == 8) {
      number = k.permuteBytes(codes, 0x64646464, i ? 0x4341 : 0x4240);
    } else {
      if (i && shift == 0)
        codes = k.shrU(codes, 8);
      int32_t mask = ((1 << bits) - 1) << shift;
      number = k.lop3(codes, mask << 16 | mask, 0x64006400, andOr);
    }
    number = k.bitcast(number, type);
    // (1024 + code·2^shift)·2^-shift - (1024·2^-shift + zero)
    double factor = 1.0 / (1 << shift);
    Value rest = shift ? k.sub(k.constant(type, 1024 - 1024 * factor), offset) : Value();
    Value exact = shift ? k.fma(number, k.constant(type, factor), rest) : k.sub(number, offset);
    pairs.push_back(k.bitcast(exact, k.i32()));
  }
}

/// A register has codes in order; the first half of them goes to the low halves of pairs.
std::array<int64_t, 2> CacheFragments::getKeyPair(const HeadChunk &chunk, int64_t pair) const {
  int64_t codes = std::min<int64_t>(32 / bits, chunk.size / 4), half = codes / 2;
  int64_t first = pair / half * codes + pair % half;
  return {first, first + half};
}

Fragment CacheFragments::unpackKey(const HeadChunk &chunk, ArrayRef<Value> codes, Value zeros) {
  Fragment pairs;
  int64_t partBits = chunk.size / 4 * bits, perRegister = std::min<int64_t>(32, partBits) / bits / 2;
  for (Value word : codes) {
    if (partBits == 16) // bytes 0 and 1 to halves of their own
      word = k.permuteBytes(word, 0, 0x4140);
    else if (partBits == 8) // nibbles 0 and 1
      word = k.bitOr(word, k.shl(word, 12));
    unpackPairs(word, perRegister, zeros, pairs);
  }
  return pairs;
}

Fragment CacheFragments::unpackValues(const HeadChunk &chunk, ArrayRef<Value> first, ArrayRef<Value> second,
                                      Value zeros) {
  Fragment pairs;
  int64_t perHalf = 16 / bits, rest = chunk.size / 8;
  for (auto [x, y] : llvm::zip(first, second))
    for (uint16_t selector : {0x5410, 0x7632}) { // low halves, high halves
      if (rest <= 0)
        break;
      unpackPairs(k.permuteBytes(x, y, selector), std::min(perHalf, rest), zeros, pairs);
      rest -= perHalf;
    }
  return pairs;
}
