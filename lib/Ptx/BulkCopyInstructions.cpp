//===- BulkCopyInstructions.cpp - cp.async.bulk.* -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Copies are made at once, but the agent of the warp makes them: nobody may touch what they write to shared memory
// before an mbarrier's phase says that they are complete, or write what they read there before a wait_group does.
//
//===----------------------------------------------------------------------------===//
#include "SharedAddress.h"
#include "quantopt/Ptx/TensorMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Error.h"

using namespace quantopt::ptx;

static constexpr unsigned chunkBytes = 16;

//===----------------------------------------------------------------------------===//
// Between one lane's places in global and shared memory
//===----------------------------------------------------------------------------===//

/// A direction of copies.
enum class Direction { Load, Store };

namespace {

/// What one lane copies.
struct Copy {
  Warp &warp;
  const Instruction &instruction;
  unsigned lane;
  Direction direction;

  void fail(const llvm::Twine &what) const { warp.fail(1u << lane, what); }

  /// `bytes` of global memory and as many of shared memory; both are aligned to them.
  bool move(uint64_t global, uint64_t shared, unsigned bytes) const {
    uint8_t data[chunkBytes];
    Block &block = warp.block;
    if (direction == Direction::Load)
      return block.context.global.read(warp, lane, global, bytes, data) &&
             block.shared.writeAsync(warp, lane, shared, bytes, data);
    return block.shared.readAsync(warp, lane, shared, bytes, data) &&
           block.context.global.write(warp, lane, global, bytes, data);
  }
  void count(uint64_t global, unsigned bytes) const {
    countBulkCopy(warp, instruction, global, bytes, direction == Direction::Store);
  }
};

/// One copy of a box.
class BoxCopy {
public:
  BoxCopy(const Copy &copy, const TensorMap &map, llvm::ArrayRef<int64_t> corner, uint64_t sharedBase)
      : copy(copy), map(map), corner(corner), sharedBase(sharedBase) {}

  bool run() const {
    uint64_t rowBytes = uint64_t(map.box[0]) * map.elementBytes, rows = map.boxBytes() / rowBytes;
    for (uint64_t row = 0; row < rows; ++row) {
      std::optional<uint64_t> address = findRow(row);
      for (uint64_t byte = 0; byte < rowBytes; byte += chunkBytes) {
        uint32_t shared = swizzledAddress(map.swizzle, sharedBase + row * rowBytes + byte);
        if (!copyChunk(address, byte / map.elementBytes, shared))
          return false;
      }
      if (address)
        countRow(*address);
    }
    return true;
  }

private:
  /// Where a row of the tensor begins; nothing where the box's row is outside of it.
  std::optional<uint64_t> findRow(uint64_t row) const {
    uint64_t address = map.address;
    for (unsigned i = 1; i < map.rank(); ++i) {
      int64_t coordinate = corner[i] + int64_t(row % map.box[i]);
      row /= map.box[i];
      if (coordinate < 0 || coordinate >= int64_t(map.sizes[i]))
        return std::nullopt;
      address += coordinate * map.strides[i - 1];
    }
    return address;
  }

  void countRow(uint64_t address) const {
    int64_t begin = std::max<int64_t>(corner[0], 0),
            end = std::min<int64_t>(corner[0] + int64_t(map.box[0]), map.sizes[0]);
    if (begin < end)
      copy.count(address + begin * map.elementBytes, (end - begin) * map.elementBytes);
  }

  /// Elements outside of the tensor are zero, or stay unwritten.
  bool copyChunk(std::optional<uint64_t> row, uint64_t firstElement, uint64_t shared) const {
    unsigned elements = chunkBytes / map.elementBytes;
    int64_t begin = corner[0] + int64_t(firstElement), end = begin + elements;
    bool isWhole = row && begin >= 0 && end <= int64_t(map.sizes[0]);
    uint64_t address = row.value_or(0) + begin * map.elementBytes;
    if (isWhole && address % chunkBytes == 0)
      return copy.move(address, shared, chunkBytes);
    SharedMemory &memory = copy.warp.block.shared;
    GlobalMemory &global = copy.warp.block.context.global;
    uint8_t chunk[chunkBytes] = {};
    if (copy.direction == Direction::Store && !memory.readAsync(copy.warp, copy.lane, shared, chunkBytes, chunk))
      return false;
    for (unsigned i = 0; i < elements; ++i) {
      if (!row || begin + i < 0 || begin + i >= int64_t(map.sizes[0]))
        continue;
      uint64_t element = address + i * map.elementBytes;
      uint8_t *data = chunk + i * map.elementBytes;
      if (copy.direction == Direction::Load ? !global.read(copy.warp, copy.lane, element, map.elementBytes, data)
                                            : !global.write(copy.warp, copy.lane, element, map.elementBytes, data))
        return false;
    }
    return copy.direction == Direction::Store || memory.writeAsync(copy.warp, copy.lane, shared, chunkBytes, chunk);
  }

  const Copy &copy;
  const TensorMap &map;
  llvm::ArrayRef<int64_t> corner;
  uint64_t sharedBase;
};

} // namespace

/// A load signals its mbarrier, a store joins the thread's group.
static bool finish(const Copy &copy, uint64_t barrier, uint64_t bytes) {
  if (copy.direction == Direction::Load)
    return copy.warp.block.mbarriers.completeBytes(copy.warp, copy.lane, barrier, bytes);
  copy.warp.bulkGroups.add(copy.lane, copy.warp.agentStamp, copy.instruction.line);
  return true;
}

//===----------------------------------------------------------------------------===//
// One dimension: address is in shared memory, secondAddress in global memory, thirdAddress the mbarrier.
//===----------------------------------------------------------------------------===//

static bool copyLine(const Copy &copy, uint64_t shared, uint64_t global, uint32_t bytes) {
  if (bytes % chunkBytes != 0 || shared % chunkBytes != 0 || global % chunkBytes != 0) {
    copy.fail("source, destination and size, " + llvm::Twine(bytes) + " bytes, must be multiples of 16");
    return false;
  }
  for (uint32_t done = 0; done < bytes; done += chunkBytes)
    if (!copy.move(global + done, shared + done, chunkBytes))
      return false;
  copy.count(global, bytes);
  return true;
}

template <Direction direction> static void executeCopy(Warp &warp, const Instruction &instruction) {
  uint64_t shared[warpSize], global[warpSize], barriers[warpSize] = {};
  warp.addresses(instruction.address, shared);
  warp.addresses(instruction.secondAddress, global);
  if (direction == Direction::Load)
    warp.addresses(instruction.thirdAddress, barriers);
  for (uint32_t mask = warp.active; mask; mask &= mask - 1) {
    unsigned lane = llvm::countr_zero(mask);
    uint32_t bytes = warp.value(instruction.operands[0], lane);
    ++warp.agentStamp;
    warp.block.shared.beginInstruction();
    Copy copy{warp, instruction, lane, direction};
    if (!copyLine(copy, shared[lane], global[lane], bytes) || !finish(copy, barriers[lane], bytes))
      return;
  }
}

/// .shared::cluster.global.mbarrier::complete_tx::bytes or .global.shared::cta.bulk_group. In a cluster of one,
/// shared::cluster and shared::cta are the same.
static Direction takeDirection(InstructionDecoder &decoder) {
  decoder.require(90);
  bool isShared = decoder.take("shared::cluster") || decoder.take("shared::cta"), isGlobal = decoder.take("global");
  bool isStore = decoder.take("bulk_group");
  if (!isShared || !isGlobal || isStore == decoder.take("mbarrier::complete_tx::bytes"))
    decoder.fail("expected a copy from global to shared memory with .mbarrier::complete_tx::bytes, or from shared to "
                 "global memory with .bulk_group");
  decoder.access(StateSpace::Shared, chunkBytes);
  decoder.access(StateSpace::Global, chunkBytes);
  decoder.useAsyncProxy();
  return isStore ? Direction::Store : Direction::Load;
}

/// The cache policy, which changes nothing, and the number of operands with it.
static void decodePolicy(InstructionDecoder &decoder, unsigned operands) {
  bool hasPolicy = decoder.take("L2::cache_hint");
  decoder.expectOperands(operands + hasPolicy);
  if (hasPolicy)
    decoder.read(operands, 64);
}

static void decodeCopy(InstructionDecoder &decoder) {
  bool isLoad = takeDirection(decoder) == Direction::Load;
  decoder.readAddress(isLoad ? 0 : 1, 0);
  decoder.readAddress(isLoad ? 1 : 0, 1);
  decoder.read(2, 32);
  if (isLoad)
    decoder.readAddress(3, 2);
  decodePolicy(decoder, isLoad ? 4 : 3);
  decoder.execute(isLoad ? executeCopy<Direction::Load> : executeCopy<Direction::Store>);
}

//===----------------------------------------------------------------------------===//
// Tensors: secondAddress is the tensor map, its coordinates are the first operands. modifiers[0]: dimensions.
//===----------------------------------------------------------------------------===//

/// The 128 bytes at a generic address: a parameter, or global memory.
static bool readTensorMap(const Copy &copy, uint64_t address, TensorMap &map) {
  uint8_t bytes[tensorMapBytes];
  const LaunchContext &context = copy.warp.block.context;
  llvm::ArrayRef<uint8_t> parameters = context.parameters;
  uint64_t offset = address - paramWindow;
  if (address % 64 != 0) {
    copy.fail("the tensor map's address is not a multiple of 64");
    return false;
  }
  if (offset < parameters.size() && parameters.size() - offset >= tensorMapBytes) {
    llvm::copy(parameters.slice(offset, tensorMapBytes), bytes);
  } else {
    for (unsigned i = 0; i < tensorMapBytes; i += chunkBytes)
      if (!context.global.read(copy.warp, copy.lane, address + i, chunkBytes, bytes + i))
        return false;
  }
  llvm::Expected<TensorMap> decoded = decodeTensorMap(bytes);
  if (!decoded) {
    copy.fail(llvm::toString(decoded.takeError()));
    return false;
  }
  map = std::move(*decoded);
  return true;
}

static bool copyBox(const Copy &copy, uint64_t shared, uint64_t mapAddress, uint64_t barrier) {
  TensorMap map;
  if (!readTensorMap(copy, mapAddress, map))
    return false;
  unsigned dimensions = copy.instruction.modifiers[0];
  if (map.rank() != dimensions) {
    copy.fail("the tensor map has " + llvm::Twine(map.rank()) + " dimensions, the instruction " +
              llvm::Twine(dimensions));
    return false;
  }
  if (shared % 128 != 0) {
    copy.fail("the box's place " + copy.warp.block.shared.describe(shared) + " is not a multiple of 128 bytes");
    return false;
  }
  int64_t corner[5];
  for (unsigned i = 0; i < dimensions; ++i)
    corner[i] = int32_t(copy.warp.value(copy.instruction.operands[i], copy.lane));
  ++copy.warp.agentStamp;
  copy.warp.block.shared.beginInstruction();
  return BoxCopy(copy, map, llvm::ArrayRef(corner, dimensions), shared).run() && finish(copy, barrier, map.boxBytes());
}

template <Direction direction> static void executeTensorCopy(Warp &warp, const Instruction &instruction) {
  uint64_t shared[warpSize], maps[warpSize], barriers[warpSize] = {};
  warp.addresses(instruction.address, shared);
  warp.addresses(instruction.secondAddress, maps);
  if (direction == Direction::Load)
    warp.addresses(instruction.thirdAddress, barriers);
  for (uint32_t mask = warp.active; mask; mask &= mask - 1) {
    unsigned lane = llvm::countr_zero(mask);
    if (!copyBox({warp, instruction, lane, direction}, shared[lane], maps[lane], barriers[lane]))
      return;
  }
}

static void decodeTensorCopy(InstructionDecoder &decoder) {
  int dimensions = decoder.takeOneOf({"1d", "2d", "3d", "4d", "5d"}) + 1;
  if (dimensions == 0)
    return decoder.fail("expected .1d to .5d");
  bool isLoad = takeDirection(decoder) == Direction::Load;
  decoder.take("tile");
  decoder.readAddress(isLoad ? 1 : 0, 1);
  if (decoder.result.operands.size() != size_t(dimensions))
    decoder.fail("expected " + llvm::Twine(dimensions) + " coordinates");
  decoder.readAddress(isLoad ? 0 : 1, 0);
  if (isLoad)
    decoder.readAddress(2, 2);
  decodePolicy(decoder, isLoad ? 3 : 2);
  decoder.result.modifiers[0] = dimensions;
  decoder.execute(isLoad ? executeTensorCopy<Direction::Load> : executeTensorCopy<Direction::Store>);
}

//===----------------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------------===//

static void executeCommit(Warp &warp, const Instruction &) {
  forEachLane(warp.active, [&](unsigned lane) { warp.bulkGroups.commit(lane); });
}

static void decodeCommit(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.expectOperands(0);
  decoder.useAsyncProxy();
  decoder.execute(executeCommit);
}

/// With .read it is shared memory that is free again; global memory has no more to say here either way.
static void executeWait(Warp &warp, const Instruction &instruction) {
  uint32_t &agent = warp.clock.known[warp.block.agentOf(warp)];
  forEachLane(warp.active,
              [&](unsigned lane) { agent = std::max(agent, warp.bulkGroups.wait(lane, instruction.modifiers[0])); });
}

static void decodeWait(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.take("read");
  decoder.expectOperands(1);
  decoder.result.modifiers[0] = decoder.readImmediate(0);
  decoder.useAsyncProxy();
  decoder.execute(executeWait);
}

/// prefetch.tensormap: the descriptor will be needed.
static void decodePrefetchMap(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.takeSpace();
  decoder.expectOperands(1);
  decoder.readAddress(0);
  decoder.execute([](Warp &, const Instruction &) {});
}

void quantopt::ptx::addBulkCopyInstructions(InstructionTable &table) {
  table.add("cp.async.bulk", decodeCopy);
  table.add("cp.async.bulk.tensor", decodeTensorCopy);
  table.add("cp.async.bulk.commit_group", decodeCommit);
  table.add("cp.async.bulk.wait_group", decodeWait);
  table.add("prefetch.tensormap", decodePrefetchMap);
}
