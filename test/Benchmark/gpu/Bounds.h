//===- Bounds.h - what a GPU reaches at best, measured ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_BENCHMARK_GPU_BOUNDS_H
#define QUANTOPT_TEST_BENCHMARK_GPU_BOUNDS_H

#include "quantopt/Runtime/Driver.h"

namespace quantopt::benchmark {

/// The median time in seconds of one call of `work` among `repetitions`, after one call that is not counted. Before
/// each, `scratch` is overwritten, so that the caches hold nothing of the last one (no scratch: they may).
llvm::Expected<double> medianSeconds(runtime::Device &device, runtime::Buffer *scratch, unsigned repetitions,
                                     llvm::function_ref<llvm::Error()> work);

/// Bytes read and written per second by copies from memory to memory larger than the caches.
llvm::Expected<double> measureCopyBandwidth(runtime::Device &device);

/// Integer operations (two to a multiply-add) per second of s8 matrix instructions whose operands are in registers
/// (mma.sync), for devices from sm_80 on.
llvm::Expected<double> measureMmaPeak(runtime::Device &device);

/// The same of wgmma with operands in shared memory: devices of compute capability 9.0 only.
llvm::Expected<double> measureWgmmaPeak(runtime::Device &device);

/// The PTX of the two measurements, for the assembler to judge where there is no GPU.
std::string mmaPeakPtx();
std::string wgmmaPeakPtx();

} // namespace quantopt::benchmark

#endif // QUANTOPT_TEST_BENCHMARK_GPU_BOUNDS_H
