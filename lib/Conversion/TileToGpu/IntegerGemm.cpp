//===- IntegerGemm.cpp - matrix products of 4- and 8-bit codes ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// A block walks along the contraction in tiles of bk codes. Tiles travel to shared memory `stages` - 1 ahead of their
// use; within a tile, the fragments of a step are loaded while the products of the step before run.
//
//   copy tiles 0 .. stages-2; wait for tile 0; load the fragments of step 0
//   for every tile t:
//     for every step of the tile:
//       step 0:     begin to copy tile t + stages - 1 to where tile t - 1 was
//       last step:  wait for tile t + 1
//       load the fragments of the next step (of tile t + 1 after the last one)
//       multiply
//   scale and store
//
// Input rows lie in shared memory as in DRAM, 16-byte chunks swizzled so that ldmatrix meets every bank once. Weights
// lie in fragment order everywhere: a lane takes 16 bytes. Copies beyond the contraction fill with zeros, which add
// nothing, and so do those beyond the rows and channels.
//
//===----------------------------------------------------------------------------===//
#include "IntegerGemm.h"
#include "TileCopies.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;

/// Bytes of a block of weights: 16 channels by a step.
static constexpr int64_t blockBytes = 512;
static constexpr int64_t blockRows = 16;
/// Bytes of a row that one ldmatrix.x4 reads.
static constexpr int64_t slabBytes = 32;
static constexpr int64_t chunkBytes = 16;
/// Rows of codes in memory are filled to a multiple of this.
static constexpr int64_t paddedCodes = 64;

namespace {
/// Fragments of one step: per 16 rows and slab four registers; per 16 channels four, as they lie in memory.
struct StepFragments {
  SmallVector<SmallVector<Fragment>> input;
  SmallVector<Fragment> weight;

  void appendTo(SmallVector<Value> &values) const {
    for (const SmallVector<Fragment> &row : input)
      for (const Fragment &fragment : row)
        values.append(fragment);
    for (const Fragment &fragment : weight)
      values.append(fragment);
  }
};

/// Writes the kernel of one plan.
class IntegerGemm {
public:
  IntegerGemm(KernelBuilder &k, const IntegerGemmPlan &plan)
      : k(k), plan(plan), copies(k, plan.threads(), !plan.isTuring) {}
  void build();

private:
  //===--- Sizes ---===//
  int64_t rowTiles() const { return plan.wm / 16; }
  int64_t channelTiles() const { return plan.wn / 8; }
  /// Codes of a step, the columns of a block of weights.
  int64_t stepCodes() const { return plan.weightBits == 4 ? 64 : 32; }
  int64_t steps() const { return plan.bk / stepCodes(); }
  /// ldmatrix instructions per 16 rows and step.
  int64_t slabs() const { return stepCodes() * plan.inputBits / 8 / slabBytes; }
  int64_t tileRowBytes() const { return plan.bk * plan.inputBits / 8; }
  int64_t inputTileBytes() const { return plan.bm * tileRowBytes(); }
  int64_t weightTileBytes() const { return plan.bn / blockRows * steps() * blockBytes; }
  int64_t stageBytes() const { return inputTileBytes() + weightTileBytes(); }
  int64_t paddedK() const { return llvm::alignTo(plan.k, paddedCodes); }
  int64_t tiles() const { return llvm::divideCeil(plan.k, plan.bk); }
  /// 4-bit weights that become s8, times 16.
  bool isUnpacked() const { return plan.inputBits == 8 && plan.weightBits == 4; }
  bool isRaggedN() const { return plan.n % plan.bn; }
  /// Codes after which sums are scaled and added up; the whole contraction without groups.
  int64_t foldCodes() const { return plan.groups ? std::min(plan.k / plan.groups, plan.bk) : 0; }

  void placeBlock();

  void addOperands();
  void waitForTile() { copies.wait(plan.stages - 2); }
  Value nextStage(Value stage);

  //===--- Products ---===//
  void makeFragmentOffsets();
  StepFragments loadFragments(Value stage, int64_t step);
  /// Adds the products of a step to `sums`, four values per 16 rows by 8 channels.
  void multiply(const StepFragments &fragments, SmallVectorImpl<Value> &sums);
  Fragment multiplyFragments(const Fragment &rows, const Fragment &weights, const Fragment &sum);
  SmallVector<Value> loop(StepFragments fragments);
  StepFragments unflatten(ValueRange values);
  /// The integer scales of the groups of the tile that starts at code `code`: per channel that the lane holds, one for
  /// every fold of the tile.
  SmallVector<Value> loadGroupScales(Value code);
  /// The sum of products without the factor of 16 that unpacked weights bring.
  Value exactSum(Value sum) { return isUnpacked() ? k.shrS(sum, 4) : sum; }
  /// sums += scale · partial, with the scales of that fold of the tile.
  void fold(SmallVectorImpl<Value> &sums, ArrayRef<Value> partial, ArrayRef<Value> scales, int64_t number);

  //===--- Epilogue ---===//
  void store(ArrayRef<Value> sums);
  void storePair(Value row, int64_t channelTile, Value rowScale, Value sum0, Value sum1);
  /// f32 values of a vector over channels for two neighbouring ones of a channel tile.
  std::array<Value, 2> loadPair(Value pointer, int64_t channelTile);
  /// Column of the first of the two channels that this lane holds of a channel tile.
  Value channelOf(int64_t channelTile) { return k.add(laneChannel, 8 * channelTile); }

  KernelBuilder &k;
  const IntegerGemmPlan &plan;
  Value lane, rowOfBlock, channelOfBlock, rowOfWarp, channelOfWarp, laneChannel;
  TileCopies copies;
  SmallVector<Value> inputOffsets; ///< Per slab of a tile.
  Value weightOffset;
  Value input, inputScale, weight, weightScale, groupScales, bias, residual, result;
};
} // namespace

void IntegerGemm::build() {
  unsigned next = 0;
  for (Value *pointer : {&input, &inputScale, &weight, &weightScale})
    *pointer = k.pointer(next++);
  if (plan.groups)
    groupScales = k.pointer(next++);
  if (plan.hasBias)
    bias = k.pointer(next++);
  if (plan.hasResidual)
    residual = k.pointer(next++);
  result = k.pointer(next);

  lane = k.lane();
  placeBlock();
  Value warp = k.warp();
  rowOfWarp = k.mul(k.remU(warp, plan.bm / plan.wm), plan.wm);
  channelOfWarp = k.mul(k.divU(warp, plan.bm / plan.wm), plan.wn);
  laneChannel = k.add(k.add(channelOfBlock, channelOfWarp), k.mul(k.bitAnd(lane, 3), 2));

  addOperands();
  makeFragmentOffsets();
  for (int64_t tile : llvm::seq(plan.stages - 1)) {
    Value stage = k.constantI32(tile * stageBytes());
    copies.begin(k.constantI32(tile), stage);
    copies.end(stage);
  }
  waitForTile();
  store(loop(loadFragments(k.constantI32(0), 0)));
}

/// Blocks run in the order of their numbers, some hundred at a time. In the order of columns these would share few rows
/// and read nearly all of the weight, once per row of tiles; so they go down `tall` rows of tiles before the next
/// column.
void IntegerGemm::placeBlock() {
  constexpr int64_t tall = 8;
  int64_t columns = llvm::divideCeil(plan.n, plan.bn);
  Value row = k.blockY(), column = k.blockX();
  if (columns > 1) {
    Value number = k.add(k.mul(row, columns), column);
    Value inBand = k.remU(number, tall * columns);
    Value firstRow = k.mul(k.divU(number, tall * columns), tall);
    Value lines = k.divU(k.add(k.rows(), plan.bm - 1), plan.bm);
    Value height = k.min(k.sub(lines, firstRow), tall);
    row = k.add(firstRow, k.remU(inBand, height));
    column = k.divU(inBand, height);
  }
  rowOfBlock = k.mul(row, plan.bm);
  channelOfBlock = k.mul(column, plan.bn);
}

void IntegerGemm::addOperands() {
  copies.add({input, rowOfBlock, k.rows(), paddedK() * plan.inputBits / 8, plan.bm, tileRowBytes(),
              /*isSwizzled=*/true, /*sharedOffset=*/0});
  // A "row" is 16 channels: blocks one after the other along the contraction.
  int64_t blocks = llvm::divideCeil(plan.n, blockRows);
  Value limit = blocks % (plan.bn / blockRows) ? k.constantI32(blocks) : Value();
  copies.add({weight, k.divU(channelOfBlock, blockRows), limit, paddedK() / stepCodes() * blockBytes,
              plan.bn / blockRows, steps() * blockBytes, /*isSwizzled=*/false, inputTileBytes()});
}

Value IntegerGemm::nextStage(Value stage) {
  Value next = k.add(stage, stageBytes());
  return k.select(k.equal(next, plan.stages * stageBytes()), 0, next);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void IntegerGemm::makeFragmentOffsets() {
  // ldmatrix.x4: lanes 0-15 name the rows at the first chunk of a slab, lanes 16-31 those at the second.
  Value row = k.add(rowOfWarp, k.bitAnd(lane, 15)), half = k.divU(lane, 16);
  for (int64_t slab : llvm::seq(steps() * slabs()))
    inputOffsets.push_back(tileOffset(k, row, k.add(half, 2 * slab), tileRowBytes(), /*isSwizzled=*/true));
  weightOffset = k.add(k.mul(k.divU(channelOfWarp, blockRows), steps() * blockBytes), k.mul(lane, chunkBytes));
}

StepFragments IntegerGemm::loadFragments(Value stage, int64_t step) {
  StepFragments fragments;
  for (int64_t tile : llvm::seq(rowTiles())) {
    SmallVector<Fragment> &row = fragments.input.emplace_back();
    for (int64_t slab : llvm::seq(slabs())) {
      Value base = k.shared(k.add(inputOffsets[step * slabs() + slab], stage));
      row.push_back(k.loadMatrix4(k.address(base, 16 * tile * tileRowBytes())));
    }
  }
  Value base = k.shared(k.add(weightOffset, stage));
  for (int64_t block : llvm::seq(plan.wn / blockRows)) {
    Value source = k.address(base, inputTileBytes() + (block * steps() + step) * blockBytes);
    fragments.weight.push_back(k.elements(k.load(k.vectorOf(4, k.i32()), source, chunkBytes)));
  }
  return fragments;
}

void IntegerGemm::multiply(const StepFragments &fragments, SmallVectorImpl<Value> &sums) {
  for (int64_t slab : llvm::seq(slabs()))
    for (int64_t channelTile : llvm::seq(channelTiles())) {
      const Fragment &block = fragments.weight[channelTile / 2];
      int64_t half = channelTile % 2;
      Fragment weights =
          isUnpacked() ? Fragment{block[half], block[half + 2]} : Fragment{block[2 * half], block[2 * half + 1]};
      for (Value &value : weights)
        value = isUnpacked() ? k.unpackS4Times16(value)[slab] : value;
      for (int64_t rowTile : llvm::seq(rowTiles())) {
        int64_t first = 4 * (rowTile * channelTiles() + channelTile);
        Fragment sum(sums.begin() + first, sums.begin() + first + 4);
        const Fragment &rows = fragments.input[rowTile][slab];
        llvm::copy(multiplyFragments(rows, weights, sum), sums.begin() + first);
      }
    }
}

Fragment IntegerGemm::multiplyFragments(const Fragment &rows, const Fragment &weights, const Fragment &sum) {
  if (plan.inputBits == 4)
    return plan.isTuring ? k.mmaS4Turing(rows, weights, sum) : k.mmaS4(rows, weights, sum);
  return plan.isTuring ? k.mmaS8Turing(rows, weights, sum) : k.mmaS8(rows, weights, sum);
}

StepFragments IntegerGemm::unflatten(ValueRange values) {
  StepFragments fragments;
  auto take = [&] {
    Fragment fragment(values.take_front(4));
    values = values.drop_front(4);
    return fragment;
  };
  for (int64_t tile = 0; tile < rowTiles(); ++tile) {
    SmallVector<Fragment> &row = fragments.input.emplace_back();
    for (int64_t slab = 0; slab < slabs(); ++slab)
      row.push_back(take());
  }
  while (!values.empty())
    fragments.weight.push_back(take());
  return fragments;
}

SmallVector<Value> IntegerGemm::loop(StepFragments fragments) {
  int64_t numSums = rowTiles() * channelTiles() * 4;
  SmallVector<Value> carried(numSums, k.zero(k.i32()));
  fragments.appendTo(carried);
  size_t numFragments = carried.size() - numSums;
  carried.push_back(k.constantI32(0));                                // the stage that is read
  carried.push_back(k.constantI32((plan.stages - 1) * stageBytes())); // the stage that is written
  SmallVector<Value> last = k.loop(0, tiles(), 1, carried, [&](Value tile, ValueRange values) {
    SmallVector<Value> sums(values.take_front(numSums)), partial, scales;
    StepFragments current = unflatten(values.slice(numSums, numFragments));
    Value readStage = values[values.size() - 2], writeStage = values.back();
    for (int64_t step : llvm::seq(steps())) {
      if (step == 0)
        copies.begin(k.add(tile, plan.stages - 1), writeStage);
      if (step == 0 && !plan.isTuring)
        copies.end(writeStage);
      if (step == steps() - 1) {
        if (plan.isTuring)
          copies.end(writeStage);
        waitForTile();
        readStage = nextStage(readStage);
      }
      StepFragments next = loadFragments(readStage, (step + 1) % steps());
      if (!plan.groups) {
        multiply(current, sums);
      } else {
        int64_t stepsPerFold = foldCodes() / stepCodes();
        if (step == 0)
          scales = loadGroupScales(k.mul(tile, plan.bk));
        if (step % stepsPerFold == 0)
          partial.assign(numSums, k.zero(k.i32()));
        multiply(current, partial);
        if ((step + 1) % stepsPerFold == 0)
          fold(sums, partial, scales, step / stepsPerFold);
      }
      current = next;
    }
    current.appendTo(sums);
    sums.push_back(readStage);
    sums.push_back(nextStage(writeStage));
    return sums;
  });
  last.truncate(numSums);
  return last;
}

SmallVector<Value> IntegerGemm::loadGroupScales(Value code) {
  int64_t folds = plan.bk / foldCodes();
  // A tile's groups in one load, where they are a whole part of a channel's.
  bool isOneLoad = folds <= 4 && plan.groups % folds == 0;
  Value group = k.divU(code, plan.k / plan.groups);
  Value first = k.add(k.mul(laneChannel, plan.groups), group);
  SmallVector<Value> scales;
  for (int64_t channelTile : llvm::seq(channelTiles()))
    for (int64_t i : {0, 1}) {
      auto addressOf = [&](int64_t fold) {
        if (!isRaggedN() && plan.k % plan.bk == 0)
          return k.address(k.address(groupScales, first), (8 * channelTile + i) * plan.groups + fold);
        // What lies beyond the channels and groups multiplies sums of 0 or is not stored.
        Value channel = k.min(k.add(channelOf(channelTile), i), plan.n - 1);
        Value within = isOneLoad ? k.min(group, plan.groups - folds) : k.min(k.add(group, fold), plan.groups - 1);
        return k.address(groupScales, k.add(k.mul(channel, plan.groups), within));
      };
      if (isOneLoad) {
        Value word = k.load(k.builder().getIntegerType(8 * folds), addressOf(0), folds);
        word = folds == 4 ? word : k.extendU(word, k.i32());
        for (int64_t fold : llvm::seq(folds))
          scales.push_back(k.bitAnd(k.shrU(word, 8 * fold), 255));
        continue;
      }
      for (int64_t fold : llvm::seq(folds))
        scales.push_back(k.extendU(k.load(k.i8(), addressOf(fold), 1), k.i32()));
    }
  return scales;
}

void IntegerGemm::fold(SmallVectorImpl<Value> &sums, ArrayRef<Value> partial, ArrayRef<Value> scales, int64_t number) {
  int64_t folds = plan.bk / foldCodes();
  for (size_t i : llvm::seq(sums.size())) {
    int64_t channelTile = i / 4 % channelTiles();
    sums[i] = k.add(sums[i], k.mul(exactSum(partial[i]), scales[(2 * channelTile + i % 2) * folds + number]));
  }
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

std::array<Value, 2> IntegerGemm::loadPair(Value pointer, int64_t channelTile) {
  Value channel = channelOf(channelTile);
  if (plan.n % 2 == 0) {
    if (isRaggedN())
      channel = k.min(channel, plan.n - 2);
    Value pair = k.load(k.vectorOf(2, k.f32()), k.address(pointer, k.mul(channel, 4)), 8);
    return {k.element(pair, 0), k.element(pair, 1)};
  }
  std::array<Value, 2> pair;
  for (int64_t i : {0, 1})
    pair[i] = k.load(k.f32(), k.address(pointer, k.mul(k.min(k.add(channel, i), plan.n - 1), 4)), 4);
  return pair;
}

void IntegerGemm::store(ArrayRef<Value> sums) {
  SmallVector<std::array<Value, 2>> scales, biases;
  for (int64_t channelTile : llvm::seq(channelTiles())) {
    scales.push_back(loadPair(weightScale, channelTile));
    if (plan.hasBias)
      biases.push_back(loadPair(bias, channelTile));
  }
  int64_t bytes = plan.resultType.getIntOrFloatBitWidth() / 8;
  // One column of a pair is beyond the last one only where their number is odd.
  int64_t width = plan.n % 2 ? 1 : 2;
  auto typeOf = [&](Type element) { return width == 2 ? Type(k.vectorOf(2, element)) : element; };
  for (int64_t rowTile : llvm::seq(rowTiles()))
    for (int64_t half : {0, 1}) {
      Value row = k.add(k.add(rowOfBlock, rowOfWarp), k.add(k.divU(lane, 4), 16 * rowTile + 8 * half));
      k.ifThen(k.lessS(row, k.rows()), [&] {
        Value rowScale = k.load(k.f32(), k.address(inputScale, k.mul(row, 4)), 4);
        Value resultRow = k.rowPointer(result, row, plan.n * bytes);
        Value residualRow = plan.hasResidual ? k.rowPointer(residual, row, plan.n * bytes) : Value();
        for (int64_t channelTile : llvm::seq(channelTiles()))
          for (int64_t first = 0; first < 2; first += width) {
            SmallVector<Value> values;
            for (int64_t i : llvm::seq(first, first + width)) {
              Value sum = sums[4 * (rowTile * channelTiles() + channelTile) + 2 * half + i];
              if (!plan.groups)
                sum = exactSum(sum);
              Value value = k.mul(k.mul(k.toFloat(sum), rowScale), scales[channelTile][i]);
              values.push_back(plan.hasBias ? k.add(value, biases[channelTile][i]) : value);
            }
            Value value = width == 2 ? k.vector(values) : values[0];
            Value channel = k.add(channelOf(channelTile), first);
            auto storeValue = [&] {
              Value offset = k.mul(channel, bytes);
              if (plan.hasResidual) {
                Value loaded = k.load(typeOf(plan.resultType), k.address(residualRow, offset), width * bytes);
                value = k.add(value, k.convertFloat(loaded, k.f32()));
              }
              k.store(k.convertFloat(value, plan.resultType), k.address(resultRow, offset), width * bytes);
            };
            if (isRaggedN())
              k.ifThen(k.lessS(channel, plan.n), storeValue);
            else
              storeValue();
          }
      });
    }
}

void quantopt::buildIntegerGemm(KernelBuilder &k, const IntegerGemmPlan &plan) { IntegerGemm(k, plan).build(); }
