//===- HadamardTensor.cpp - dense factors of Hadamard transforms on tensor cores ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
// The row as a matrix X [order, columns] becomes Mᵀ·X by m16n8k16: M, whose entries are signs, from registers, X as B
// fragments from shared memory. A tile of 8 columns is one vector wide. Chunks of 16 bytes lie at i·vectors + (j ^ i%8)
// for row i and vector j, so that 8 rows of a tile are in different banks.
#include "HadamardKernel.h"
#include "quantopt/Numerics/Hadamard.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;

static constexpr int64_t chunkBytes = 16, tileRows = 16;
/// Tiles of the contraction whose signs a word holds.
static constexpr int64_t tilesPerWord = 8;
/// Tables up to this size are read from constant memory, by one thread after the other.
static constexpr size_t mostConstantWords = 128;

namespace {
class TensorSum {
public:
  TensorSum(RowKernel &row, RowElements &elements)
      : row(row), k(row.k), plan(row.plan), x(elements), vectors(plan.getDenseVectors()), tiles(plan.getDenseTiles()),
        chunks(plan.getDenseChunks()) {}
  Value run();

private:
  void stageSigns();
  Value scaleRow();
  Value getChunk(Value index);
  Value getAddress(Value chunk) { return row.getSharedWord(k.mul(chunk, chunkBytes / 4)); }
  void storeParts();
  void multiply();
  Fragment makeSigns(Value upper, Value lower);
  void storeSums(Value firstTile, Value firstVector);
  void loadElements();

  RowKernel &row;
  KernelBuilder &k;
  const tile::RowPlan &plan;
  RowElements &x;
  const int64_t vectors, tiles, chunks;
  /// How warps share the product: `vectorsOfWarp` tiles of columns and every `tileStep`-th tile of rows each.
  int64_t vectorsOfWarp = 0, tilesOfWarp = 0, tileStep = 0;
  /// [tile of rows][tile of columns], of this warp.
  llvm::SmallVector<Fragment> sums;
};
} // namespace

/// Signs of A fragments: word [k tiles / 8][tile][half][lane] is for row lane/4 + 8·half of a tile. Pair n = 2·(k tile)
/// + h of columns 2·(lane%4) + 8h and the next one is in bits 15 - n and 31 - n, where f16 have their signs after n
/// shifts.
void TensorSum::stageSigns() {
  int64_t order = plan.denseOrder, a = plan.transform.a, rest = order / a;
  std::vector<int8_t> matrix = numerics::constructHadamard(a);
  auto isNegative = [&](int64_t input, int64_t output) {
    if (input >= order || output >= order)
      return false;
    bool isOdd = llvm::popcount(uint64_t(input % rest & output % rest)) % 2;
    return (matrix[input / rest * a + output / rest] < 0) != isOdd;
  };
  llvm::SmallVector<uint32_t> words(plan.getSignWords());
  for (int64_t kTile : llvm::seq(tiles))
    for (int64_t tile : llvm::seq(tiles))
      for (int64_t half : llvm::seq(2))
        for (int64_t lane : llvm::seq(32)) {
          uint32_t &word = words[((kTile / tilesPerWord * tiles + tile) * 2 + half) * 32 + lane];
          for (int64_t pair : llvm::seq(2))
            for (int64_t odd : llvm::seq(2))
              if (isNegative(tileRows * kTile + 2 * (lane % 4) + 8 * pair + odd, tileRows * tile + lane / 4 + 8 * half))
                word |= 1u << (15 + 16 * odd - 2 * (kTile % tilesPerWord) - pair);
        }
  std::string name = ("hadamard_fragments_" + llvm::Twine(a) + "_" + llvm::Twine(order)).str();
  row.stageFactors(constantTable(k, name, words, mostConstantWords), words.size());
}

/// Multiplies the row by 2^(141 - e), e the biased exponent of its greatest magnitude, and returns the inverse.
Value TensorSum::scaleRow() {
  constexpr int32_t leastExponent = 15; // so that the scale is finite
  Value greatest = row.reduce({Value(), row.greatestMagnitude(x)}).greatest;
  Value exponent = k.max(k.shrU(k.bitcast(greatest, k.i32()), 23), leastExponent);
  Value scale = k.bitcast(k.shl(k.sub(268, exponent), 23), k.f32());
  for (Value &element : x)
    element = k.mul(element, scale);
  return k.bitcast(k.shl(k.sub(exponent, 14), 23), k.f32());
}

Value TensorSum::getChunk(Value index) { return k.bitXor(index, k.bitAnd(k.divU(index, vectors), 7)); }

/// Every vector as f16, and behind all of those what rounding took away; then zeros for rows that fill the last tile.
void TensorSum::storeParts() {
  int64_t length = plan.getVectorsOfRow();
  auto storeVector = [&](int64_t c) {
    llvm::SmallVector<Value> high, low;
    for (Value element : llvm::ArrayRef(x).slice(c * plan.width, plan.width)) {
      high.push_back(k.convertFloat(element, k.f16()));
      low.push_back(k.convertFloat(k.sub(element, k.convertFloat(high.back(), k.f32())), k.f16()));
    }
    Value address = getAddress(getChunk(row.getVectorIndex(c)));
    k.store(k.vector(high), address, chunkBytes);
    k.store(k.vector(low), k.address(address, chunkBytes * chunks), chunkBytes);
  };
  for (int64_t c : llvm::seq(plan.vectors)) {
    if ((c + 1) * plan.threadsPerRow <= length)
      storeVector(c);
    else if (c * plan.threadsPerRow < length)
      k.ifThen(k.lessS(row.getVectorIndex(c), length), [&] { storeVector(c); });
  }
  if (chunks == length)
    return;
  Value zero = k.zero(k.vectorOf(4, k.i32()));
  k.loop(k.add(row.getThread(), length), chunks, plan.threadsPerRow, [&](Value index) {
    Value address = getAddress(getChunk(index));
    k.store(zero, address, chunkBytes);
    k.store(zero, k.address(address, chunkBytes * chunks), chunkBytes);
  });
}

/// An A fragment of ±1 from the words of its rows g and g + 8.
Fragment TensorSum::makeSigns(Value upper, Value lower) {
  constexpr int32_t signs = int32_t(0x80008000), ones = 0x3C003C00;
  auto make = [&](Value word) { return k.bitOr(k.bitAnd(word, signs), ones); };
  return {make(upper), make(lower), make(k.shl(upper, 1)), make(k.shl(lower, 1))};
}

void TensorSum::multiply() {
  int64_t warps = plan.getWarpsPerRow();
  vectorsOfWarp = std::max<int64_t>(1, vectors / warps);
  tileStep = std::max<int64_t>(1, warps / vectors);
  tilesOfWarp = llvm::divideCeil(tiles, tileStep);
  Value warp = k.divU(row.getThread(), 32), lane = k.lane();
  Value firstVector = k.mul(k.remU(warp, vectors / vectorsOfWarp), vectorsOfWarp);
  Value firstTile = k.divU(warp, vectors / vectorsOfWarp);
  sums.assign(tilesOfWarp * vectorsOfWarp, Fragment(4, k.constantF32(0)));

  // Lanes 0-15 name 16 rows of f16, the others those of the rests.
  Value rowOfTile = k.bitAnd(lane, 15), part = k.divU(lane, 16);
  llvm::SmallVector<Value> inputs;
  for (int64_t s : llvm::seq(vectorsOfWarp)) {
    Value column = k.bitXor(k.add(firstVector, s), k.bitAnd(lane, 7));
    inputs.push_back(getAddress(k.add(k.mul(part, chunks), k.add(k.mul(rowOfTile, vectors), column))));
  }
  // Warps that have a tile less compute the last one twice, and do not store it.
  llvm::SmallVector<Value> signs;
  for (int64_t r : llvm::seq(tilesOfWarp)) {
    Value tile = k.min(k.add(firstTile, r * tileStep), tiles - 1);
    signs.push_back(k.address(k.shared(plan.factorOffset), k.mul(k.add(k.mul(tile, 64), lane), 4)));
  }

  for (int64_t first = 0; first < tiles; first += tilesPerWord) {
    llvm::SmallVector<Value> carried = {k.constantI32(first * tileRows * vectors * chunkBytes)};
    for (Value address : signs)
      for (int64_t half : llvm::seq(2))
        carried.push_back(k.load(k.i32(), k.address(address, 4 * (first / tilesPerWord * tiles * 64 + half * 32)), 4));
    size_t words = carried.size() - 1;
    for (const Fragment &sum : sums)
      carried.append(sum.begin(), sum.end());
    auto take = [&](ValueRange values) {
      for (auto [i, sum] : llvm::enumerate(sums))
        sum.assign(values.begin() + 1 + words + 4 * i, values.begin() + 1 + words + 4 * (i + 1));
    };
    carried = k.loop(0, std::min(tilesPerWord, tiles - first), 1, carried, [&](Value, ValueRange values) {
      take(values);
      llvm::SmallVector<Fragment> columns;
      for (Value input : inputs)
        columns.push_back(k.loadMatrix4(k.address(input, values[0]), /*isTransposed=*/true));
      for (int64_t r : llvm::seq(tilesOfWarp)) {
        Fragment matrix = makeSigns(values[1 + 2 * r], values[2 + 2 * r]);
        for (auto [s, column] : llvm::enumerate(columns)) {
          Fragment &sum = sums[r * vectorsOfWarp + s];
          sum = k.mmaFloat(k.f16(), matrix, {column[2], column[3]}, sum);
          sum = k.mmaFloat(k.f16(), matrix, {column[0], column[1]}, sum);
        }
      }
      llvm::SmallVector<Value> next = {k.add(values[0], tileRows * vectors * chunkBytes)};
      for (Value word : values.slice(1, words))
        next.push_back(k.shl(word, 2));
      for (const Fragment &sum : sums)
        next.append(sum.begin(), sum.end());
      return next;
    });
    take(carried);
  }
  row.synchronize(); // all have read their inputs
  storeSums(firstTile, firstVector);
}

/// Sums to where their threads take them: halves of vectors, the second ones behind all first ones.
void TensorSum::storeSums(Value firstTile, Value firstVector) {
  Value lane = k.lane(), group = k.divU(lane, 4), pair = k.remU(lane, 4);
  Value half = k.mul(k.divU(pair, 2), (chunks + 4) * chunkBytes), within = k.mul(k.remU(pair, 2), 8);
  for (int64_t r : llvm::seq(tilesOfWarp))
    for (int64_t upper : llvm::seq(2)) {
      Value tile = k.add(firstTile, r * tileStep);
      Value output = k.add(k.mul(tile, tileRows), k.add(group, 8 * upper));
      auto storeRow = [&] {
        for (int64_t s : llvm::seq(vectorsOfWarp)) {
          Value chunk = k.add(k.mul(output, vectors), k.bitXor(k.add(firstVector, s), group));
          const Fragment &sum = sums[r * vectorsOfWarp + s];
          k.store(k.vector({sum[2 * upper], sum[2 * upper + 1]}), k.address(getAddress(chunk), k.add(half, within)), 8);
        }
      };
      if (tileStep == 1 && r * tileRows + 8 * upper + 8 <= plan.denseOrder)
        storeRow();
      else
        k.ifThen(k.lessS(output, plan.denseOrder), storeRow);
    }
}

void TensorSum::loadElements() {
  int64_t length = plan.getVectorsOfRow();
  for (int64_t c : llvm::seq(plan.vectors)) {
    if (c * plan.threadsPerRow >= length)
      break;
    Value index = row.getVectorIndex(c);
    if ((c + 1) * plan.threadsPerRow > length)
      index = k.min(index, length - 1);
    Value address = getAddress(getChunk(index));
    for (int64_t half : llvm::seq(2)) {
      Value values = k.load(k.vectorOf(4, k.f32()), k.address(address, half * (chunks + 4) * chunkBytes), chunkBytes);
      for (auto [v, value] : llvm::enumerate(k.elements(values)))
        x[c * plan.width + 4 * half + v] = value;
    }
  }
  row.clearPadding(x);
}

Value TensorSum::run() {
  stageSigns();
  Value inverse = scaleRow();
  storeParts();
  k.barrier(); // signs are for all rows of the block
  multiply();
  row.synchronize();
  loadElements();
  return inverse;
}

Value quantopt::sumOnTensorCores(RowKernel &row, RowElements &elements) { return TensorSum(row, elements).run(); }
