//===- GpuRun.h - a kernel of the harness on a GPU -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_BENCHMARK_GPU_GPURUN_H
#define QUANTOPT_TEST_BENCHMARK_GPU_GPURUN_H

#include "Harness.h"
#include "quantopt/Runtime/Driver.h"

namespace quantopt::benchmark {

/// A kernel loaded on a device, with operands and room for results in its memory.
class GpuRun {
public:
  static llvm::Expected<GpuRun> prepare(runtime::Device &device, const kerneltest::Kernel &kernel,
                                        llvm::ArrayRef<Tensor> operands, int64_t rows);

  /// Queues the kernel.
  llvm::Error launch() const { return device->launch(module, kernelLaunch); }
  /// Waits, and fetches the results: of one that takes over an operand's memory, that.
  llvm::Expected<std::vector<Tensor>> results() const;

private:
  GpuRun() = default;

  runtime::Device *device = nullptr;
  const kerneltest::Kernel *kernel = nullptr;
  int64_t rows = 0;
  runtime::LoadedModule module;
  std::vector<runtime::Buffer> operandBuffers;
  std::vector<llvm::SmallVector<int64_t>> operandShapes;
  /// Of the results that have memory of their own.
  std::vector<runtime::Buffer> resultBuffers;
  runtime::KernelLaunch kernelLaunch;
};

} // namespace quantopt::benchmark

#endif // QUANTOPT_TEST_BENCHMARK_GPU_GPURUN_H
