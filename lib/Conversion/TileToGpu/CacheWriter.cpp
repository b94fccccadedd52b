//===- CacheWriter.cpp - rows of heads into a cache of keys or values -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "CacheWriter.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;
using namespace quantopt;

//===----------------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------------===//

RowElements CacheWriter::reduceGroups(RowElements values, KernelBuilder::Combine combine) {
  int64_t lanes = plan.threadsPerRow, vectorsOfGroup = getVectorsOfGroup();
  if (layout.groups() == 1) {
    for (Value value : llvm::drop_begin(values))
      values[0] = combine(values[0], value);
    return RowElements(values.size(), k.warpReduce(values[0], combine, lanes));
  }
  if (plan.vectors == 1 && llvm::isPowerOf2_64(vectorsOfGroup))
    return {k.warpReduce(values[0], combine, vectorsOfGroup)};
  // Groups that do not meet the lanes of a butterfly: each on its own, over the whole row.
  RowElements result(values.size());
  for (int64_t group : llvm::seq(layout.groups())) {
    Value sum;
    llvm::SmallVector<Value> isMember;
    for (auto [c, value] : llvm::enumerate(values)) {
      isMember.push_back(k.equal(k.divU(row.getVectorIndex(c), vectorsOfGroup), group));
      Value part = k.select(isMember.back(), value, k.constantI32(0));
      sum = sum ? combine(sum, part) : part;
    }
    sum = k.warpReduce(sum, combine, lanes);
    for (auto [value, member] : llvm::zip(result, isMember))
      value = value ? k.select(member, sum, value) : sum;
  }
  return result;
}

RowElements CacheWriter::findExtremes(const RowElements &elements, llvm::function_ref<Value(Value)> makeKey,
                                      KernelBuilder::Combine combine) {
  RowElements extremes;
  for (int64_t c : llvm::seq(plan.vectors)) {
    Value extreme = k.constantI32(0);
    for (int64_t v : llvm::seq(plan.width))
      extreme = combine(extreme, makeKey(elements[c * plan.width + v]));
    extremes.push_back(extreme);
  }
  return reduceGroups(extremes, combine);
}

/// Comparisons are such that a NaN stays one.
CacheWriter::Scale CacheWriter::storeScale(Value scale) {
  scale = k.select(k.lessS(scale, 1e-8f), 1e-8f, scale);
  if (!layout.hasHalfScales)
    return {scale, scale, Value()};
  constexpr float least = 0x1p-24f, greatest = 65504.0f; // of f16
  scale = k.select(k.lessS(scale, least), least, scale);
  scale = k.select(k.greaterS(scale, greatest), greatest, scale);
  Value half = k.convertFloat(scale, k.f16());
  return {k.convertFloat(half, k.f32()), half, Value()};
}

llvm::SmallVector<CacheWriter::Scale> CacheWriter::computeScales(const RowElements &elements) {
  auto greater = [&](Value x, Value y) { return k.max(x, y); };
  auto less = [&](Value x, Value y) { return k.min(x, y); };
  constexpr int32_t magnitude = std::numeric_limits<int32_t>::max();
  llvm::SmallVector<Scale> scales;
  if (layout.isSymmetric) {
    auto makeKey = [&](Value x) { return k.bitAnd(k.bitcast(x, k.i32()), magnitude); };
    for (Value greatest : findExtremes(elements, makeKey, greater)) {
      Value range = k.mul(k.bitcast(greatest, k.f32()), layout.clip);
      scales.push_back(storeScale(divideByConstant(k, range, float(getGreatestCode() / 2))));
      scales.back().zero = k.constantI32(int32_t(1) << (layout.bits - 1));
    }
    return scales;
  }
  // The magnitude of negative numbers is flipped: their bits are ordered the other way round.
  auto flip = [&](Value bits) { return k.bitXor(bits, k.shrU(k.shrS(bits, 31), 1)); };
  auto makeKey = [&](Value x) { return flip(k.bitcast(x, k.i32())); };
  auto clipped = [&](Value key) { return k.mul(k.bitcast(flip(key), k.f32()), layout.clip); };
  RowElements highs = findExtremes(elements, makeKey, greater), lows = findExtremes(elements, makeKey, less);
  for (auto [high, low] : llvm::zip(highs, lows)) {
    Value least = clipped(low);
    Scale scale = storeScale(divideByConstant(k, k.sub(clipped(high), least), float(getGreatestCode())));
    scale.zero = k.min(k.roundToInt(k.mul(k.neg(least), k.reciprocalApprox(scale.scale))), getGreatestCode());
    scales.push_back(scale);
  }
  return scales;
}

//===----------------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------------===//

/// The codes of a vector as one integer or, where they have more than 32 bits, a vector of i32.
Value CacheWriter::packCodes(llvm::ArrayRef<Value> elements, const Scale &scale) {
  int64_t bits = layout.storedBits(), perWord = std::min<int64_t>(32 / bits, plan.width);
  Value multiplier = k.reciprocalApprox(scale.scale);
  Value low = k.neg(scale.zero), high = k.sub(getGreatestCode(), scale.zero);
  llvm::SmallVector<Value> words;
  for (int64_t first = 0; first < plan.width; first += perWord) {
    // All zeros at once: a one in every code times the zero.
    uint32_t ones = 0;
    for (int64_t i : llvm::seq(perWord))
      ones |= 1u << (i * bits);
    Value word = k.mul(scale.zero, int32_t(ones));
    for (int64_t i : llvm::seq(perWord)) {
      Value code = k.max(k.min(k.roundToInt(k.mul(elements[first + i], multiplier)), high), low);
      word = k.add(word, k.shl(code, i * bits));
    }
    words.push_back(word);
  }
  if (words.size() > 1)
    return k.vector(words);
  int64_t width = perWord * bits;
  return width < 32 ? k.truncate(words[0], k.builder().getIntegerType(width)) : words[0];
}

void CacheWriter::forEachVector(llvm::function_ref<void(int64_t)> body) {
  for (int64_t c : llvm::seq(plan.vectors)) {
    if ((c + 1) * plan.threadsPerRow <= plan.getVectorsOfRow())
      body(c);
    else
      k.ifThen(k.lessS(row.getVectorIndex(c), plan.getVectorsOfRow()), [&] { body(c); });
  }
}

void CacheWriter::write(const RowElements &elements, Value block, Value token, Value condition) {
  int64_t width = plan.width, vectorBytes = width * layout.storedBits() / 8;
  llvm::SmallVector<Scale> scales;
  llvm::SmallVector<Value> vectors;
  if (layout.isQuantized())
    scales = computeScales(elements);
  for (int64_t c : llvm::seq(plan.vectors)) {
    llvm::ArrayRef<Value> part = llvm::ArrayRef(elements).slice(c * width, width);
    vectors.push_back(layout.isQuantized() ? packCodes(part, scales[c]) : k.convertFloat(k.vector(part), k.f16()));
  }
  Value codes = k.address(block, k.mul(token, layout.rowCodeBytes()));
  Value pairs = k.address(block, k.add(k.mul(token, layout.groups() * layout.scaleBytes()), layout.scaleOffset(0, 0)));
  k.ifThen(condition, [&] {
    forEachVector([&](int64_t c) {
      Value index = row.getVectorIndex(c);
      k.store(vectors[c], k.address(codes, k.mul(index, vectorBytes)), vectorBytes);
      if (!layout.isQuantized())
        return;
      k.ifThen(k.equal(k.remU(index, getVectorsOfGroup()), 0), [&] {
        // The scale in the lower half, the zero in the upper one.
        Type half = layout.hasHalfScales ? k.i16() : k.i32(), whole = layout.hasHalfScales ? k.i32() : k.i64();
        Value zero = layout.hasHalfScales ? scales[c].zero : k.extendU(scales[c].zero, whole);
        Value pair = k.bitOr(k.extendU(k.bitcast(scales[c].stored, half), whole), k.shl(zero, layout.scaleBytes() * 4));
        Value group = k.divU(index, getVectorsOfGroup());
        k.store(pair, k.address(pairs, k.mul(group, layout.scaleBytes())), layout.scaleBytes());
      });
    });
  });
}
