//===- Model.cpp - how long a kernel takes, without a GPU --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Model.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>

using namespace quantopt;
using namespace quantopt::tiletune;

/// Registers are handed out to warps in pieces of 256, shared memory to blocks with a kilobyte of the system's.
static constexpr int64_t registerPiece = 256, systemShared = 1024;
/// Round trips to memory, to begin and to end a block, and to the cache, for a tile: round numbers.
static constexpr double memoryLatency = 600e-9, cacheLatency = 400e-9;
/// Cycles that a block loses where its warps meet at the end of a tile.
static constexpr double barrierCycles = 40;
/// A warp issues in one of four schedulers; with less than two warps each, an instruction waits for the one before.
static constexpr double schedulers = 4, warpsToHideIssue = 2;

// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"; vendor's datasheets. Nobody states the
// bandwidth of caches.
static constexpr Processor processors[] = {
    {1024, 16, 1.59, 1000},  // sm_75: Tesla T4
    {2048, 32, 1.41, 3700},  // sm_80: A100
    {1536, 16, 1.695, 1700}, // sm_86: RTX 3090
    {1536, 16, 1.3, 400},    // sm_87: Jetson AGX Orin
    {1536, 24, 2.52, 4500},  // sm_89: RTX 4090
    {2048, 32, 1.83, 5500},  // sm_90a: H100
    {2048, 32, 1.85, 9000},  // sm_100a: B200
    {1536, 32, 2.41, 6000},  // sm_120a: RTX 5090
};

const Processor &tiletune::getProcessor(tile::Arch arch) { return processors[unsigned(arch)]; }

int64_t tiletune::countResidentBlocks(tile::Arch arch, const tile::Launch &launch, int64_t registers) {
  const tile::Architecture &gpu = tile::getArchitecture(arch);
  const Processor &processor = getProcessor(arch);
  int64_t warps = launch.threads / 32;
  int64_t byRegisters = gpu.registersPerSm / (warps * llvm::alignTo(registers * 32, registerPiece));
  int64_t byShared = gpu.sharedPerSm / (launch.dynamicSharedBytes + systemShared);
  return std::min({byRegisters, byShared, processor.threadsPerSm / launch.threads, processor.blocksPerSm});
}

double tiletune::estimateSeconds(tile::KernelOpInterface op, const BlockWork &work, int64_t registers, Tiles tiles,
                                 int64_t rows) {
  const tile::Architecture &gpu = tile::getArchitecture(op.getArch());
  tile::Launch launch = op.getLaunch();
  tile::GemmShape shape = tile::getGemmShape(op);
  int64_t resident = countResidentBlocks(op.getArch(), launch, registers);
  if (!resident)
    return HUGE_VAL;
  double clock = getProcessor(op.getArch()).clockGHz * 1e9, tileCount = llvm::divideCeil(shape.k, tiles.bk);
  double tops = shape.mma == tile::Mma::S4 ? gpu.s4Tops : shape.mma == tile::Mma::F16 ? gpu.f16Tops : gpu.s8Tops;
  double tensor = 2.0 * tiles.bm * tiles.bn * tiles.bk * tileCount / (tops * 1e12 / gpu.sms);
  double instructions = work.fixed.instructions + tileCount * work.perTile.instructions;
  double shared = (work.fixed.sharedCycles + tileCount * work.perTile.sharedCycles) / clock;

  int64_t blocks = launch.gridX * llvm::divideCeil(rows, launch.rowsPerBlock), perBatch = gpu.sms * resident;
  // One batch of `count` blocks on a multiprocessor.
  auto batch = [&](int64_t count) {
    double issueRate = schedulers * std::min(1.0, count * launch.threads / 32 / (schedulers * warpsToHideIssue));
    double busy = count * std::max({tensor, instructions / issueRate / clock, shared});
    // A block by itself: other blocks of the batch use what it leaves. A tile is under way while those before it in
    // the pipeline are used.
    double period = std::max(busy / count / tileCount, cacheLatency / (tiles.stages - 1));
    double alone = 2 * memoryLatency + tileCount * (period + barrierCycles / clock);
    return std::max(busy, alone);
  };
  int64_t rest = blocks % perBatch;
  double compute = double(blocks / perBatch) * batch(resident);
  if (rest)
    compute += batch(llvm::divideCeil(rest, gpu.sms));

  double bandwidth = gpu.dramGBs * 1e9;
  tile::Cost cost = op.getCost(rows);
  double blockBytes = (tiles.bm * shape.inputBits + tiles.bn * shape.weightBits) / 8.0 * tileCount * tiles.bk;
  double memory = double(cost.bytesRead + cost.bytesWritten) / bandwidth;
  double cache = (blocks * blockBytes + cost.bytesWritten) / (getProcessor(op.getArch()).cacheGBs * 1e9);
  return std::max({compute, memory, cache});
}
