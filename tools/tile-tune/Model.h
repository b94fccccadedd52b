//===- Model.h - how long a kernel takes, without a GPU ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_TILE_TUNE_MODEL_H
#define QUANTOPT_TOOLS_TILE_TUNE_MODEL_H

#include "Candidate.h"

namespace quantopt::tiletune {

/// What the table of architectures does not say of the reference GPU, since only the model asks for it.
struct Processor {
  int64_t threadsPerSm, blocksPerSm;
  double clockGHz; ///< Boost, at which the peaks hold.
  double cacheGBs; ///< Bandwidth of the second-level cache for reads, in GB/s: a rough figure.
};
const Processor &getProcessor(tile::Arch arch);

/// Blocks that one multiprocessor runs at once: what registers, shared memory and threads allow.
int64_t countResidentBlocks(tile::Arch arch, const tile::Launch &launch, int64_t registers);

/// Seconds that a kernel takes over `rows` rows of a problem, of which n are its channels.
///
/// A multiprocessor works through its blocks `resident` at a time; a batch takes as long as the busiest of tensor
/// cores, issue slots and shared memory, and once the latency of the first tile and of the epilogue, which other blocks
/// of the batch hide. Meanwhile memory and the second-level cache move what blocks read. An estimate for comparing
/// tiles of one kernel, not a forecast.
double estimateSeconds(tile::KernelOpInterface op, const BlockWork &work, int64_t registers, Tiles tiles, int64_t rows);

} // namespace quantopt::tiletune

#endif // QUANTOPT_TOOLS_TILE_TUNE_MODEL_H
