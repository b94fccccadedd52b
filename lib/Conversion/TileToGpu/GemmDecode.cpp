//===- GemmDecode.cpp - products of few rows ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// With few rows the time is that of reading the weights, once. They are the left operand: 16 channels by 64 columns are
// four registers of a lane, which come by one 16-byte load from memory. The rows are the right operand, 8 at a time.
//
// Warps of a block divide the contraction step by step (neighbours read neighbouring blocks) and add up their sums in
// shared memory, always in the same order. Each warp keeps bk columns of its weights under way in registers: a ring
// that is refilled as it is used. Rows and channels that do not exist repeat the last one and are not written.
//
//===----------------------------------------------------------------------------===//
#include "FragmentMath.h"
#include "GemmEpilogue.h"
#include "GemmKernels.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// A step of each warp: `fixed`, or that many after those of `iteration` times around the ring.
struct Step {
  Value iteration;
  int64_t fixed;
};

class DecodeKernel {
public:
  DecodeKernel(gpu::GPUModuleOp module, tile::GemmDecodeOp op);
  void build();

private:
  /// What a lane loads for one step, of each row block of weights or tile of 8 input rows.
  using Registers = SmallVector<Fragment>;

  void findPlace();
  void findWeights();
  void findInputs();
  void findScales();
  SmallVector<Value> sumSteps();
  Registers loadWeights(Step step);
  Registers loadInputs(Step step);
  Registers loadScales(Step step);
  Fragment loadWeightRegisters(Value pointer, Value exists);
  Value exists(Step step, int64_t column, int64_t limit, int64_t laneColumns);
  Value addressOf(Value pointer, Step step, int64_t stepBytes, int64_t bytes);
  SmallVector<Value> addStep(const Registers &weights, const Registers &inputs, const Registers &scales,
                             ValueRange sums);
  Fragment addProducts(ArrayRef<Fragment> weights, const Fragment &inputs, ArrayRef<Value> scales, Fragment sums);
  Fragment addScaled(const Fragment &products, ArrayRef<Value> scales, const Fragment &sums);
  Value sumOverWarps(ArrayRef<Value> sums, int64_t turn);
  void storeSums(ArrayRef<Value> sums);
  void storeSum(Value sum, Value item);

  bool isRowMajor() const { return shape.weightBits == 16; }
  int64_t getGroupSize() const { return shape.k / shape.groups; }
  /// Groups that begin in one step.
  int64_t getGroupsPerStep() const { return std::max<int64_t>(1, columns / getGroupSize()); }

  tile::GemmDecodeOp op;
  tile::GemmAttr config;
  tile::GemmShape shape;
  KernelBuilder k;
  FragmentMath math;
  GemmPointers pointers;

  int64_t splitK, columns, rowBlocks, tiles;
  int64_t totalSteps; ///< Of the contraction.
  int64_t steps;      ///< Of a warp; some warps may not have the last one.
  int64_t ring;       ///< Steps whose weights are under way.

  Value split, firstChannel, firstRow, rowInTile, quad; ///< rowInTile: lane / 4, quad: lane % 4.
  SmallVector<Value> weightPointers, inputPointers, scalePointers;
};
} // namespace

DecodeKernel::DecodeKernel(gpu::GPUModuleOp module, tile::GemmDecodeOp op)
    : op(op), config(op.getConfig()), shape(tile::getGemmShape(op)), k(module, op.getLoc(), getGemmSignature(op)),
      math(k, op), pointers(k, tile::getGemmOperands(op)), splitK(config.getSplitK()), columns(math.getStepColumns()),
      rowBlocks(config.getWn() / 16), tiles(config.getBm() / 8) {
  int64_t stored = isRowMajor() ? shape.k : numerics::Layout::getPaddedColumns(shape.k);
  totalSteps = llvm::divideCeil(stored, columns);
  steps = llvm::divideCeil(totalSteps, splitK);
  ring = std::clamp<int64_t>(config.getBk() / columns, 1, steps);
}

void DecodeKernel::build() {
  findPlace();
  findWeights();
  findInputs();
  findScales();
  storeSums(sumSteps());
  k.finish();
}

void DecodeKernel::findPlace() {
  split = k.remU(k.warp(), splitK);
  Value group = k.divU(k.warp(), splitK);
  firstChannel = k.add(k.mul(k.blockX(), config.getBn()), k.mul(group, config.getWn()));
  firstRow = k.mul(k.blockY(), config.getBm());
  rowInTile = k.shrU(k.lane(), 2);
  quad = k.bitAnd(k.lane(), 3);
}

/// Pointers to this lane's part of the first step of this warp, for each row block; of row-major weights for each of
/// the lane's two rows in a block.
void DecodeKernel::findWeights() {
  if (isRowMajor()) {
    Value part = k.add(k.mul(quad, 16), k.mul(split, columns * 2));
    for (int64_t half = 0; half < 2 * rowBlocks; ++half) {
      Value channel = k.min(k.add(k.add(firstChannel, 8 * half), rowInTile), shape.n - 1);
      weightPointers.push_back(k.address(k.rowPointer(pointers.weight, channel, shape.k * 2), part));
    }
    return;
  }
  int64_t lastBlock = numerics::Layout::getPaddedRows(shape.n) / 16 - 1;
  Value part = k.add(k.mul(k.lane(), 16), k.mul(split, 512));
  for (int64_t r = 0; r < rowBlocks; ++r) {
    Value block = k.min(k.add(k.shrU(firstChannel, 4), r), lastBlock);
    weightPointers.push_back(k.address(k.rowPointer(pointers.weight, block, totalSteps * 512), part));
  }
}

/// Pointers to this lane's part of the first step of this warp, for each tile of rows.
void DecodeKernel::findInputs() {
  int64_t rowBytes = shape.getPaddedK() * shape.inputBits / 8, stepBytes = columns * shape.inputBits / 8;
  Value part = k.add(k.mul(quad, isRowMajor() ? 16 : 4), k.mul(split, stepBytes));
  Value lastRow = k.sub(k.rows(), 1);
  for (int64_t j = 0; j < tiles; ++j) {
    Value row = k.min(k.add(k.add(firstRow, 8 * j), rowInTile), lastRow);
    inputPointers.push_back(k.address(k.rowPointer(pointers.input, row, rowBytes), part));
  }
}

static Value getGroupScales(tile::GemmDecodeOp op) {
  return op.getGroupScales() ? op.getGroupScales() : op.getWeightScale();
}

/// Pointers to the scales of the lane's channels, two of each row block, where groups of the contraction have their
/// own.
void DecodeKernel::findScales() {
  if (shape.groups == 1)
    return;
  int64_t bytes = getElementTypeOrSelf(getGroupScales(op)).getIntOrFloatBitWidth() / 8;
  Value scales = pointers.groupScales ? pointers.groupScales : pointers.weightScale;
  for (int64_t half = 0; half < 2 * rowBlocks; ++half) {
    Value channel = k.min(k.add(k.add(firstChannel, 8 * half), rowInTile), shape.n - 1);
    scalePointers.push_back(k.rowPointer(scales, channel, shape.groups * bytes));
  }
}

//===----------------------------------------------------------------------===//
// Loads of a step
//===----------------------------------------------------------------------===//

/// Whether column `column` of a step, plus this lane's share of the `laneColumns` that a warp loads at once, lies
/// before `limit`; null where it does for every warp and lane. Only the last step is ever asked for more than there is.
Value DecodeKernel::exists(Step step, int64_t column, int64_t limit, int64_t laneColumns) {
  int64_t left = limit - step.fixed * splitK * columns - column;
  if (step.iteration || (splitK - 1) * columns + laneColumns <= left)
    return {};
  Value first = k.mul(split, columns);
  if (laneColumns > 8)
    first = k.add(first, k.mul(quad, 8));
  return k.lessS(first, left);
}

Value DecodeKernel::addressOf(Value pointer, Step step, int64_t stepBytes, int64_t bytes) {
  if (step.iteration)
    pointer = k.address(pointer, k.mul(step.iteration, ring * splitK * stepBytes));
  return k.address(pointer, step.fixed * splitK * stepBytes + bytes);
}

Fragment DecodeKernel::loadWeightRegisters(Value pointer, Value exists) {
  if (!exists)
    return k.loadStreaming(pointer);
  return k.ifElse(exists, [&] { return k.loadStreaming(pointer); }, [&] { return Fragment(4, k.constantI32(0)); });
}

DecodeKernel::Registers DecodeKernel::loadWeights(Step step) {
  Registers weights;
  if (!isRowMajor()) {
    Value here = exists(step, 0, totalSteps * columns, /*laneColumns=*/1);
    for (Value pointer : weightPointers)
      weights.push_back(loadWeightRegisters(addressOf(pointer, step, 512, 0), here));
    return weights;
  }
  // A lane has 8 columns of two rows: four pairs, of which two and two make a product. Which columns meet in a product
  // is free as long as weights and inputs agree.
  Value here = exists(step, 0, shape.k, columns);
  for (int64_t r = 0; r < rowBlocks; ++r) {
    Fragment upper = loadWeightRegisters(addressOf(weightPointers[2 * r], step, columns * 2, 0), here);
    Fragment lower = loadWeightRegisters(addressOf(weightPointers[2 * r + 1], step, columns * 2, 0), here);
    Fragment &registers = weights.emplace_back();
    for (auto [first, second] : llvm::zip(upper, lower))
      registers.append({first, second});
  }
  return weights;
}

DecodeKernel::Registers DecodeKernel::loadInputs(Step step) {
  int64_t stepBytes = columns * shape.inputBits / 8;
  Registers inputs(tiles);
  for (auto [pointer, registers] : llvm::zip(inputPointers, inputs)) {
    if (isRowMajor()) {
      Type type = k.vectorOf(4, k.i32());
      Value address = addressOf(pointer, step, stepBytes, 0), here = exists(step, 0, shape.k, columns);
      registers = k.elements(here ? k.loadIf(here, type, address, 16, k.zero(type)) : k.load(type, address, 16));
      continue;
    }
    for (int64_t bytes = 0; bytes < stepBytes; bytes += 16) {
      Value address = addressOf(pointer, step, stepBytes, bytes);
      Value here = math.isFloat() ? exists(step, bytes / 2, shape.k, /*laneColumns=*/8)
                                  : exists(step, 0, totalSteps * columns, /*laneColumns=*/1);
      registers.push_back(here ? k.loadIf(here, k.i32(), address, 4, k.constantI32(0)) : k.load(k.i32(), address, 4));
    }
  }
  return inputs;
}

/// For each row block, group by group, the scale of the lane's first channel and of its second.
DecodeKernel::Registers DecodeKernel::loadScales(Step step) {
  if (shape.groups == 1)
    return Registers(rowBlocks);
  Value number = k.add(split, step.fixed * splitK);
  if (step.iteration)
    number = k.add(number, k.mul(step.iteration, ring * splitK));
  Value group = k.mul(k.divU(number, std::max<int64_t>(1, getGroupSize() / columns)), getGroupsPerStep());
  Type type = getElementTypeOrSelf(getGroupScales(op));
  unsigned bytes = type.getIntOrFloatBitWidth() / 8;
  Type loaded = type.isInteger(8) ? k.i8() : type;
  Registers scales(rowBlocks);
  for (int64_t i = 0; i < getGroupsPerStep(); ++i) {
    Value index = k.min(k.add(group, i), shape.groups - 1);
    for (int64_t half = 0; half < 2 * rowBlocks; ++half) {
      Value scale = k.load(loaded, k.address(scalePointers[half], k.mul(index, bytes)), bytes);
      scales[half / 2].push_back(math.isFloat() ? k.convertFloat(scale, k.f32()) : k.extendU(scale, k.i32()));
    }
  }
  return scales;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// The sums of the whole contraction in this warp: row block by row block, tile by tile, 4 registers each.
SmallVector<Value> DecodeKernel::sumSteps() {
  SmallVector<Registers> weights(ring);
  for (int64_t u = 0; u < ring; ++u)
    weights[u] = loadWeights({{}, u});

  // Around the ring as long as all that is loaded on the way is there for every warp.
  int64_t wholeSteps = (math.isFloat() ? shape.k : totalSteps * columns) / (splitK * columns);
  int64_t rounds = std::max<int64_t>(0, wholeSteps / ring - 1);
  SmallVector<Value> carried(4 * rowBlocks * tiles, k.zero(math.getSumType()));
  size_t sums = carried.size();
  for (const Registers &step : weights)
    for (const Fragment &block : step)
      carried.append(block);
  auto readRing = [&](ValueRange values) {
    for (Registers &step : weights)
      for (Fragment &block : step) {
        block = Fragment(values.take_front(block.size()));
        values = values.drop_front(block.size());
      }
  };
  if (rounds > 0) {
    carried = k.loop(0, rounds, 1, carried, [&](Value iteration, ValueRange values) {
      readRing(values.drop_front(sums));
      SmallVector<Value> next(values.take_front(sums));
      for (int64_t u = 0; u < ring; ++u) {
        Step step{iteration, u};
        next = addStep(weights[u], loadInputs(step), loadScales(step), next);
        weights[u] = loadWeights({iteration, u + ring});
      }
      for (const Registers &step : weights)
        for (const Fragment &block : step)
          next.append(block);
      return next;
    });
    readRing(ValueRange(carried).drop_front(sums));
    carried.truncate(sums);
  } else {
    carried.truncate(sums);
  }
  for (int64_t s = rounds * ring; s < steps; ++s) {
    Step step{{}, s};
    carried = addStep(weights[s % ring], loadInputs(step), loadScales(step), carried);
    if (s + ring < steps)
      weights[s % ring] = loadWeights({{}, s + ring});
  }
  return carried;
}

SmallVector<Value> DecodeKernel::addStep(const Registers &weights, const Registers &inputs, const Registers &scales,
                                         ValueRange sums) {
  SmallVector<Value> next;
  for (auto [packed, blockScales] : llvm::zip(weights, scales)) {
    SmallVector<Fragment> fragments = math.unpack(packed);
    for (const Fragment &tile : inputs) {
      next.append(addProducts(fragments, tile, blockScales, Fragment(sums.take_front(4))));
      sums = sums.drop_front(4);
    }
  }
  return next;
}

/// The products of a step, group by group where there are scales.
Fragment DecodeKernel::addProducts(ArrayRef<Fragment> weights, const Fragment &inputs, ArrayRef<Value> scales,
                                   Fragment sums) {
  int64_t perGroup = weights.size() / (scales.empty() ? 1 : getGroupsPerStep());
  for (int64_t first = 0, i = 0; first < int64_t(weights.size()); first += perGroup, ++i) {
    Fragment products = scales.empty() ? sums : Fragment(4, k.zero(math.getSumType()));
    for (int64_t p = first; p < first + perGroup; ++p)
      products = math.multiply(weights[p], {inputs[2 * p], inputs[2 * p + 1]}, products);
    sums = scales.empty() ? products : addScaled(products, scales.slice(2 * i, 2), sums);
  }
  return sums;
}

/// sums + scale · products: registers 0 and 1 are of the first channel, 2 and 3 of the second.
Fragment DecodeKernel::addScaled(const Fragment &products, ArrayRef<Value> scales, const Fragment &sums) {
  Fragment next;
  for (int64_t i = 0; i < 4; ++i) {
    if (math.isFloat())
      next.push_back(k.fma(products[i], scales[i / 2], sums[i]));
    else
      next.push_back(k.add(sums[i], k.mul(k.shrS(products[i], math.getSumShift()), scales[i / 2])));
  }
  return next;
}

//===----------------------------------------------------------------------===//
// From sums to the result
//===----------------------------------------------------------------------===//

/// Warps that share a contraction take turns with the registers: each finishes every splitK-th.
void DecodeKernel::storeSums(ArrayRef<Value> sums) {
  int64_t items = sums.size();
  if (splitK == 1) {
    for (int64_t item = 0; item < items; ++item)
      storeSum(sums[item], k.constantI32(item));
    return;
  }
  Value group = k.mul(k.divU(k.warp(), splitK), splitK * items * 128);
  Value base = k.shared(k.add(group, k.mul(k.lane(), 4)));
  for (int64_t item = 0; item < items; ++item)
    k.store(sums[item], k.address(base, k.add(k.mul(split, items * 128), item * 128)), 4);
  k.barrier();
  for (int64_t first = 0; first < items; first += splitK) {
    Value item = k.add(split, first);
    auto finish = [&] {
      Value sum;
      for (int64_t part = 0; part < splitK; ++part) {
        Value address = k.address(base, k.add(k.mul(item, 128), part * items * 128));
        Value other = k.load(math.getSumType(), address, 4);
        sum = sum ? k.add(sum, other) : other;
      }
      storeSum(sum, item);
    };
    if (first + splitK <= items)
      finish();
    else
      k.ifThen(k.lessS(item, items), finish);
  }
}

/// Register `item` of a lane's sums: 4 of each tile of each row block.
void DecodeKernel::storeSum(Value sum, Value item) {
  Value reg = k.bitAnd(item, 3), tile = k.shrU(item, 2);
  Value channel = k.add(k.add(firstChannel, k.mul(k.divU(tile, tiles), 16)), k.mul(k.shrU(reg, 1), 8));
  Value row = k.add(k.add(firstRow, k.mul(k.remU(tile, tiles), 8)), k.bitAnd(reg, 1));
  if (shape.groups == 1 && math.getSumShift())
    sum = k.shrS(sum, math.getSumShift());
  GemmEpilogue(k, op).store(sum, k.add(row, k.mul(quad, 2)), k.add(channel, rowInTile));
}

void quantopt::buildGemmDecode(gpu::GPUModuleOp module, tile::GemmDecodeOp op) { DecodeKernel(module, op).build(); }
