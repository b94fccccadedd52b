//===- BulkCopyInstructions.cpp - cp.async.bulk.* -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Copies are made at once, but the agent of the warp makes them: nobody may touch what they write before an mbarrier's
// phase says that they are complete.
//
//===----------------------------------------------------------------------------===//
#include "Block.h"
#include "SharedAddress.h"
#include "quantopt/Ptx/TensorMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Error.h"

using namespace quantopt::ptx;

static constexpr unsigned chunkBytes = 16;

//===----------------------------------------------------------------------------===//
// One dimension: address is the destination, secondAddress the source, thirdAddress the mbarrier.
//===----------------------------------------------------------------------------===//

static bool copyLine(Warp &warp, unsigned lane, uint64_t offset, uint64_t source, uint32_t bytes) {
  if (bytes % chunkBytes != 0 || offset % chunkBytes != 0 || source % chunkBytes != 0) {
    warp.fail(1u << lane, "source, destination and size, " + llvm::Twine(bytes) + " bytes, must be multiples of 16");
    return false;
  }
  for (uint32_t done = 0; done < bytes; done += chunkBytes) {
    uint8_t chunk[chunkBytes];
    if (!warp.block.context.global.read(warp, lane, source + done, chunkBytes, chunk) ||
        !warp.block.shared.writeAsync(warp, lane, offset + done, chunkBytes, chunk))
      return false;
  }
  return true;
}

static void executeCopy(Warp &warp, const Instruction &instruction) {
  uint64_t destinations[warpSize], sources[warpSize], barriers[warpSize];
  warp.addresses(instruction.address, destinations);
  warp.addresses(instruction.secondAddress, sources);
  warp.addresses(instruction.thirdAddress, barriers);
  for (uint32_t mask = warp.active; mask; mask &= mask - 1) {
    unsigned lane = llvm::countr_zero(mask);
    uint32_t bytes = warp.value(instruction.operands[0], lane);
    ++warp.agentStamp;
    warp.block.shared.beginInstruction();
    if (!copyLine(warp, lane, destinations[lane], sources[lane], bytes) ||
        !warp.block.mbarriers.completeBytes(warp, lane, barriers[lane], bytes))
      return;
  }
}

/// What copies from global to shared memory have in common: shared::cluster and shared::cta are the same in a cluster
/// of one.
static void takeBulkModifiers(InstructionDecoder &decoder) {
  decoder.require(90);
  if (!decoder.take("shared::cluster") && !decoder.take("shared::cta"))
    decoder.fail("only copies to shared memory are supported");
  if (!decoder.take("global"))
    decoder.fail("only copies from global memory are supported");
  if (!decoder.take("mbarrier::complete_tx::bytes"))
    decoder.fail("expected .mbarrier::complete_tx::bytes");
  decoder.access(StateSpace::Shared, chunkBytes);
  decoder.access(StateSpace::Global, chunkBytes);
  decoder.useAsyncProxy();
}

static void decodeCopy(InstructionDecoder &decoder) {
  takeBulkModifiers(decoder);
  // The cache policy changes nothing.
  bool hasPolicy = decoder.take("L2::cache_hint");
  decoder.expectOperands(hasPolicy ? 5 : 4);
  decoder.readAddress(0);
  decoder.readAddress(1, 1);
  decoder.read(2, 32);
  decoder.readAddress(3, 2);
  if (hasPolicy)
    decoder.read(4, 64);
  decoder.execute(executeCopy);
}

//===----------------------------------------------------------------------------===//
// Tensors: secondAddress is the tensor map, its coordinates are the first operands. modifiers[0]: dimensions.
//===----------------------------------------------------------------------------===//

namespace {

/// One copy of a box.
class BoxCopy {
public:
  BoxCopy(Warp &warp, unsigned lane, const TensorMap &map, llvm::ArrayRef<int64_t> corner, uint64_t destination)
      : warp(warp), lane(lane), map(map), corner(corner), destination(destination) {}

  bool run() {
    uint64_t rowBytes = uint64_t(map.box[0]) * map.elementBytes, rows = map.boxBytes() / rowBytes;
    for (uint64_t row = 0; row < rows; ++row)
      for (uint64_t byte = 0; byte < rowBytes; byte += chunkBytes) {
        uint8_t chunk[chunkBytes] = {};
        uint32_t target = swizzledAddress(map.swizzle, destination + row * rowBytes + byte);
        if (!readChunk(row, byte / map.elementBytes, chunk) ||
            !warp.block.shared.writeAsync(warp, lane, target, chunkBytes, chunk))
          return false;
      }
    return true;
  }

private:
  /// Elements outside of the tensor are left as they are: zero.
  bool readChunk(uint64_t row, uint64_t firstElement, uint8_t *chunk) {
    uint64_t address = map.address;
    for (unsigned i = 1; i < map.rank(); ++i) {
      int64_t coordinate = corner[i] + int64_t(row % map.box[i]);
      row /= map.box[i];
      if (coordinate < 0 || coordinate >= int64_t(map.sizes[i]))
        return true;
      address += coordinate * map.strides[i - 1];
    }
    unsigned elements = chunkBytes / map.elementBytes;
    int64_t begin = corner[0] + int64_t(firstElement), end = begin + elements;
    uint64_t first = address + begin * map.elementBytes;
    GlobalMemory &global = warp.block.context.global;
    if (begin >= 0 && end <= int64_t(map.sizes[0]) && first % chunkBytes == 0)
      return global.read(warp, lane, first, chunkBytes, chunk);
    for (unsigned i = 0; i < elements; ++i)
      if (begin + i >= 0 && begin + i < int64_t(map.sizes[0]) &&
          !global.read(warp, lane, first + i * map.elementBytes, map.elementBytes, chunk + i * map.elementBytes))
        return false;
    return true;
  }

  Warp &warp;
  unsigned lane;
  const TensorMap &map;
  llvm::ArrayRef<int64_t> corner;
  uint64_t destination;
};

} // namespace

/// The 128 bytes at a generic address: a parameter, or global memory.
static bool readTensorMap(Warp &warp, unsigned lane, uint64_t address, TensorMap &map) {
  uint8_t bytes[tensorMapBytes];
  llvm::ArrayRef<uint8_t> parameters = warp.block.context.parameters;
  uint64_t offset = address - paramWindow;
  if (address % 64 != 0) {
    warp.fail(1u << lane, "the tensor map's address is not a multiple of 64");
    return false;
  }
  if (offset < parameters.size() && parameters.size() - offset >= tensorMapBytes) {
    llvm::copy(parameters.slice(offset, tensorMapBytes), bytes);
  } else {
    for (unsigned i = 0; i < tensorMapBytes; i += chunkBytes)
      if (!warp.block.context.global.read(warp, lane, address + i, chunkBytes, bytes + i))
        return false;
  }
  llvm::Expected<TensorMap> decoded = decodeTensorMap(bytes);
  if (!decoded) {
    warp.fail(1u << lane, llvm::toString(decoded.takeError()));
    return false;
  }
  map = std::move(*decoded);
  return true;
}

static bool copyBox(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t destination, uint64_t address,
                    uint64_t barrier) {
  TensorMap map;
  if (!readTensorMap(warp, lane, address, map))
    return false;
  unsigned dimensions = instruction.modifiers[0];
  if (map.rank() != dimensions) {
    warp.fail(1u << lane, "the tensor map has " + llvm::Twine(map.rank()) + " dimensions, the instruction " +
                              llvm::Twine(dimensions));
    return false;
  }
  if (destination % 128 != 0) {
    warp.fail(1u << lane,
              "the destination " + warp.block.shared.describe(destination) + " is not a multiple of 128 bytes");
    return false;
  }
  int64_t corner[5];
  for (unsigned i = 0; i < dimensions; ++i)
    corner[i] = int32_t(warp.value(instruction.operands[i], lane));
  ++warp.agentStamp;
  warp.block.shared.beginInstruction();
  return BoxCopy(warp, lane, map, llvm::ArrayRef(corner, dimensions), destination).run() &&
         warp.block.mbarriers.completeBytes(warp, lane, barrier, map.boxBytes());
}

static void executeTensorCopy(Warp &warp, const Instruction &instruction) {
  uint64_t destinations[warpSize], maps[warpSize], barriers[warpSize];
  warp.addresses(instruction.address, destinations);
  warp.addresses(instruction.secondAddress, maps);
  warp.addresses(instruction.thirdAddress, barriers);
  for (uint32_t mask = warp.active; mask; mask &= mask - 1) {
    unsigned lane = llvm::countr_zero(mask);
    if (!copyBox(warp, instruction, lane, destinations[lane], maps[lane], barriers[lane]))
      return;
  }
}

static void decodeTensorCopy(InstructionDecoder &decoder) {
  int dimensions = decoder.takeOneOf({"1d", "2d", "3d", "4d", "5d"}) + 1;
  if (dimensions == 0)
    return decoder.fail("expected .1d to .5d");
  takeBulkModifiers(decoder);
  decoder.take("tile");
  bool hasPolicy = decoder.take("L2::cache_hint");
  decoder.expectOperands(hasPolicy ? 4 : 3);
  decoder.readAddress(0);
  decoder.readAddress(1, 1);
  if (decoder.result.operands.size() != size_t(dimensions))
    decoder.fail("expected " + llvm::Twine(dimensions) + " coordinates");
  decoder.readAddress(2, 2);
  if (hasPolicy)
    decoder.read(3, 64);
  decoder.result.modifiers[0] = dimensions;
  decoder.execute(executeTensorCopy);
}

static void executeNothing(Warp &, const Instruction &) {}

/// prefetch.tensormap: the descriptor will be needed.
static void decodePrefetchMap(InstructionDecoder &decoder) {
  decoder.require(90);
  decoder.takeSpace();
  decoder.expectOperands(1);
  decoder.readAddress(0);
  decoder.execute(executeNothing);
}

void quantopt::ptx::addBulkCopyInstructions(InstructionTable &table) {
  table.add("cp.async.bulk", decodeCopy);
  table.add("cp.async.bulk.tensor", decodeTensorCopy);
  table.add("prefetch.tensormap", decodePrefetchMap);
}
