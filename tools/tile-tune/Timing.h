//===- Timing.h - how long a kernel takes on a GPU ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_TILE_TUNE_TIMING_H
#define QUANTOPT_TOOLS_TILE_TUNE_TIMING_H

#include "Candidate.h"
#include "quantopt/Runtime/Driver.h"

namespace quantopt::tiletune {

/// The GPU of this machine, if it is of the architecture.
llvm::Expected<std::unique_ptr<runtime::Device>> openDevice(tile::Arch arch);

/// Seconds of one launch over `rows` rows: the least of several averages, over operands that are all zero.
llvm::Expected<double> timeKernel(runtime::Device &device, tile::KernelOpInterface op, llvm::StringRef ptx,
                                  int64_t rows);

} // namespace quantopt::tiletune

#endif // QUANTOPT_TOOLS_TILE_TUNE_TIMING_H
