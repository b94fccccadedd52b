//===- GemmHopper.cpp - 4-bit weights by products of warp groups ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// sm_90a. Weights are the left operand, out of registers: 64 channels by 32 columns a product. Rows of the input are
// the right operand, out of shared memory: up to 256 of them. The result comes out transposed, which the epilogue
// undoes.
//
// Warp groups have roles. One warp of the last group begins copies, as stages become empty: a box of the input,
// swizzled on its way, and, a lane each, rows of blocks of weights. The other groups consume stages: they turn 4-bit
// codes into 8-bit ones in registers and multiply. A stage is full when its bytes have come, and empty when every warp
// has arrived.
//
// Blocks of 64 columns: a contraction that ends within a tile of 128 columns reads the last block once more, against
// inputs that are zeros.
//
//===----------------------------------------------------------------------------===//
#include "GemmEpilogue.h"
#include "GemmKernels.h"
#include "HopperBuilder.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;

namespace {
constexpr int64_t groupThreads = 128;
/// Columns of a tile: rows of 128 bytes, as wide as the swizzle.
constexpr int64_t tileColumns = 128, rowBytes = 128;
/// A block of weights: 16 channels by 64 columns.
constexpr int64_t blockRows = 16, blockColumns = 64, blockBytes = 512, blocksPerTile = tileColumns / blockColumns;
constexpr int64_t barrierBytes = 8;
/// Registers of a thread, where two groups consume: 128 · (40 + 2 · 232) are what a multiprocessor has.
constexpr int64_t producerRegisters = 40, consumerRegisters = 232;

class HopperKernel {
public:
  HopperKernel(gpu::GPUModuleOp module, tile::GemmW4A8Op op);
  void build();

private:
  using Body = llvm::function_ref<SmallVector<Value>(Value stage, Value parity, Value tile, ValueRange carried)>;
  /// For every tile: its stage, and the parity of that stage's phase.
  SmallVector<Value> forTiles(ValueRange carried, Body body);
  void initBarriers();
  void produce();
  void copyWeights(Value stage, Value tile, Value row);
  void consume();
  SmallVector<Value> addTile(Value stage, ValueRange sums);
  SmallVector<Fragment> loadWeights(Value stage, int64_t channelTile);
  void storeSums(ArrayRef<Value> sums);

  int64_t getConsumers() const { return config.getThreads() / groupThreads - 1; }
  int64_t getInputBytes() const { return config.getBm() * rowBytes; }
  int64_t getStageBytes() const { return getInputBytes() + config.getBn() / blockRows * blocksPerTile * blockBytes; }
  /// Products of 64 channels in a consumer's tile, and registers of each one's sums.
  int64_t getChannelTiles() const { return config.getWn() / 64; }
  int64_t getSums() const { return config.getWm() / 2; }
  Value stageAddress(Value stage, Operand offset) {
    return k.address(k.address(base, k.mul(stage, getStageBytes())), offset);
  }
  Value barrierAddress(Value stage, int64_t number) {
    return k.address(barriers, k.add(k.mul(stage, 2 * barrierBytes), number * barrierBytes));
  }
  Value full(Value stage) { return barrierAddress(stage, 0); }
  Value empty(Value stage) { return barrierAddress(stage, 1); }

  tile::GemmW4A8Op op;
  tile::GemmAttr config;
  tile::GemmShape shape;
  KernelBuilder k;
  HopperBuilder h;
  GemmPointers pointers;
  int64_t tiles;
  Value base, barriers;
  Value warpInGroup, consumerRow, consumerChannel; ///< Of a consumer, within the block.
};
} // namespace

static KernelSignature getSignature(tile::GemmW4A8Op op) {
  KernelSignature signature = getGemmSignature(op);
  signature.tensorMaps = 1;
  return signature;
}

HopperKernel::HopperKernel(gpu::GPUModuleOp module, tile::GemmW4A8Op op)
    : op(op), config(op.getConfig()), shape(tile::getGemmShape(op)), k(module, op.getLoc(), getSignature(op)), h(k),
      pointers(k, tile::getGemmOperands(op)), tiles(llvm::divideCeil(shape.getPaddedK(), tileColumns)) {}

void HopperKernel::build() {
  constexpr int64_t swizzlePeriod = 1024;
  base = h.alignedShared(swizzlePeriod);
  barriers = k.address(base, config.getStages() * getStageBytes());
  initBarriers();
  Value group = k.shrU(k.threadX(), 7);
  bool sharesRegisters = getConsumers() == 2;
  k.ifThen(k.equal(group, getConsumers()), [&] {
    if (sharesRegisters)
      h.setRegisters(producerRegisters, /*isIncrease=*/false);
    k.ifThen(k.equal(k.warp(), 4 * getConsumers()), [&] { produce(); });
  });
  k.ifThen(k.lessS(group, getConsumers()), [&] {
    if (sharesRegisters)
      h.setRegisters(consumerRegisters, /*isIncrease=*/true);
    int64_t groupsAlongRows = config.getBm() / config.getWm();
    consumerRow = k.mul(k.remU(group, groupsAlongRows), config.getWm());
    consumerChannel = k.mul(k.divU(group, groupsAlongRows), config.getWn());
    warpInGroup = k.bitAnd(k.warp(), 3);
    consume();
  });
  k.finish();
}

void HopperKernel::initBarriers() {
  k.ifThen(k.equal(k.threadX(), 0), [&] {
    for (int64_t stage = 0; stage < config.getStages(); ++stage) {
      h.initBarrier(full(k.constantI32(stage)), /*arrivals=*/1);
      h.initBarrier(empty(k.constantI32(stage)), /*arrivals=*/4 * getConsumers());
    }
    h.fenceBarriers();
  });
  k.barrier();
}

SmallVector<Value> HopperKernel::forTiles(ValueRange carried, Body body) {
  SmallVector<Value> all{k.constantI32(0), k.constantI32(0)};
  all.append(carried.begin(), carried.end());
  SmallVector<Value> last = k.loop(0, tiles, 1, all, [&](Value tile, ValueRange values) {
    Value stage = values[0], parity = values[1];
    SmallVector<Value> given = body(stage, parity, tile, values.drop_front(2));
    Value next = k.add(stage, 1), isLast = k.equal(next, config.getStages());
    SmallVector<Value> result{k.select(isLast, 0, next), k.bitXor(parity, k.extendU(isLast, k.i32()))};
    result.append(given);
    return result;
  });
  return SmallVector<Value>(ArrayRef(last).drop_front(2));
}

//===----------------------------------------------------------------------===//
// The producer
//===----------------------------------------------------------------------===//

/// The phase before the first one, of parity 1, is taken to be over: stages are empty at first.
void HopperKernel::produce() {
  forTiles({}, [&](Value stage, Value parity, Value tile, ValueRange) {
    h.wait(empty(stage), k.bitXor(parity, 1));
    k.ifThen(k.equal(k.lane(), 0), [&] {
      h.arriveExpecting(full(stage), getStageBytes());
      Value column = k.mul(tile, tileColumns), row = k.mul(k.blockY(), config.getBm());
      h.copyBox(stageAddress(stage, 0), pointers.input, column, row, full(stage));
    });
    int64_t rows = config.getBn() / blockRows;
    k.ifThen(k.lessS(k.lane(), rows), [&] { copyWeights(stage, tile, k.lane()); });
    return SmallVector<Value>();
  });
}

/// Blocks of 16 channels follow one another along the contraction: a lane copies those of row `row`.
void HopperKernel::copyWeights(Value stage, Value tile, Value row) {
  int64_t blocks = shape.getPaddedK() / blockColumns;
  int64_t lastRow = numerics::Layout::getPaddedRows(shape.n) / blockRows - 1;
  int64_t blocksPerCopy = blocks % blocksPerTile ? 1 : blocksPerTile;
  Value sourceRow = k.min(k.add(k.mul(k.blockX(), config.getBn() / blockRows), row), lastRow);
  Value source = k.rowPointer(pointers.weight, sourceRow, blocks * blockBytes);
  Value destination = stageAddress(stage, k.add(k.mul(row, blocksPerTile * blockBytes), getInputBytes()));
  for (int64_t first = 0; first < blocksPerTile; first += blocksPerCopy) {
    Value block = k.min(k.add(k.mul(tile, blocksPerTile), first), blocks - 1);
    h.copyBytes(k.address(destination, first * blockBytes), k.address(source, k.mul(block, blockBytes)),
                blocksPerCopy * blockBytes, full(stage));
  }
}

//===----------------------------------------------------------------------===//
// Consumers
//===----------------------------------------------------------------------===//

void HopperKernel::consume() {
  SmallVector<Value> sums(getChannelTiles() * getSums(), k.constantI32(0));
  storeSums(forTiles(sums, [&](Value stage, Value parity, Value, ValueRange carried) {
    h.wait(full(stage), parity);
    SmallVector<Value> next = addTile(stage, carried);
    k.syncWarp();
    k.ifThen(k.equal(k.lane(), 0), [&] { h.arrive(empty(stage)); });
    return next;
  }));
}

/// Weights of each product of a tile: warps take 16 of 64 channels each.
SmallVector<Fragment> HopperKernel::loadWeights(Value stage, int64_t channelTile) {
  Value block = k.add(k.add(k.divU(consumerChannel, blockRows), warpInGroup), 4 * channelTile);
  Value offset = k.add(k.mul(block, blocksPerTile * blockBytes), k.mul(k.lane(), 16));
  Value address = stageAddress(stage, k.add(offset, getInputBytes()));
  SmallVector<Fragment> products(2 * blocksPerTile);
  for (int64_t i = 0; i < blocksPerTile; ++i)
    for (Value codes : k.elements(k.load(k.vectorOf(4, k.i32()), k.address(address, i * blockBytes), 16)))
      for (auto [half, unpacked] : llvm::enumerate(k.unpackS4Times16(codes)))
        products[2 * i + half].push_back(unpacked);
  return products;
}

SmallVector<Value> HopperKernel::addTile(Value stage, ValueRange sums) {
  constexpr int64_t unitsPerProduct = 32 / 16; // of a descriptor's address
  Value rows = h.describeRows(stageAddress(stage, k.mul(consumerRow, rowBytes)));
  Fragment registers(sums);
  for (int64_t i = 0; i < getChannelTiles(); ++i)
    for (const Fragment &fragment : loadWeights(stage, i))
      registers.append(fragment);
  registers = h.fenceProducts(registers);
  ArrayRef<Value> weights = ArrayRef(registers).drop_front(sums.size());
  SmallVector<Value> next;
  for (int64_t i = 0; i < getChannelTiles(); ++i) {
    Fragment tile(ArrayRef(registers).slice(i * getSums(), getSums()));
    for (int64_t product = 0; product < 2 * blocksPerTile; ++product, weights = weights.drop_front(4)) {
      Value columns = k.add(rows, k.constantI64(product * unitsPerProduct));
      tile = h.multiplyS8(Fragment(weights.take_front(4)), columns, tile);
    }
    next.append(tile);
  }
  h.commitProducts();
  return SmallVector<Value>(h.waitProducts(Fragment(next)));
}

/// Registers 4j + 2i + e of a lane: channel lane/4 + 8i of the warp's 16, row 8j + 2(lane%4) + e.
void HopperKernel::storeSums(ArrayRef<Value> sums) {
  GemmEpilogue epilogue(k, op);
  Value firstRow = k.add(k.add(k.mul(k.blockY(), config.getBm()), consumerRow), k.mul(k.bitAnd(k.lane(), 3), 2));
  Value warpChannel = k.add(k.add(consumerChannel, k.mul(warpInGroup, blockRows)), k.shrU(k.lane(), 2));
  Value firstChannel = k.add(k.mul(k.blockX(), config.getBn()), warpChannel);
  SmallVector<GemmEpilogue::Column> channels;
  for (int64_t i = 0; i < 2 * getChannelTiles(); ++i)
    channels.push_back(epilogue.findColumn(k.add(firstChannel, i / 2 * 64 + i % 2 * 8)));
  for (int64_t row = 0; row < config.getWm(); row += 8)
    for (int64_t e : {0, 1}) {
      SmallVector<Value> column;
      for (int64_t i = 0; i < 2 * getChannelTiles(); ++i)
        column.push_back(k.shrS(sums[i / 2 * getSums() + row / 2 + i % 2 * 2 + e], 4)); // exact: weights were times 16
      epilogue.storeRow(column, channels, k.add(firstRow, row + e));
    }
}

void quantopt::buildGemmHopper(gpu::GPUModuleOp module, tile::GemmW4A8Op op) { HopperKernel(module, op).build(); }
