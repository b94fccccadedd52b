//===- Timing.cpp - how long a kernel takes on a GPU ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Timing.h"
#include "llvm/Support/MathExtras.h"

using namespace quantopt;
using namespace quantopt::tiletune;

/// Launches that are timed together, and how often.
static constexpr int launchesPerRun = 20, runs = 5;

llvm::Expected<std::unique_ptr<runtime::Device>> tiletune::openDevice(tile::Arch arch) {
  auto device = runtime::Device::open();
  if (!device)
    return device.takeError();
  llvm::StringRef wanted = tile::stringifyArch(arch).drop_front(3).rtrim('a');
  std::string found = std::to_string((*device)->properties().computeCapability);
  if (wanted != found)
    return llvm::createStringError("this machine has a " + (*device)->properties().name + " (sm_" + found +
                                   "); times for sm_" + wanted + " are taken on another");
  return device;
}

llvm::Expected<double> tiletune::timeKernel(runtime::Device &device, tile::KernelOpInterface op, llvm::StringRef ptx,
                                            int64_t rows) {
  auto module = device.load(ptx);
  if (!module)
    return module.takeError();
  tile::Launch launch = op.getLaunch();
  runtime::KernelLaunch run;
  run.kernel = op.getKernelName();
  run.grid = {unsigned(launch.gridX), unsigned(llvm::divideCeil(rows, launch.rowsPerBlock)), 1};
  run.block = {unsigned(launch.threads), 1, 1};
  run.dynamicSharedBytes = unsigned(launch.dynamicSharedBytes);
  std::vector<runtime::Buffer> buffers;
  for (uint64_t bytes : argumentBytes(op, rows)) {
    auto buffer = device.allocate(bytes);
    if (!buffer)
      return buffer.takeError();
    if (llvm::Error error = buffer->fill(0))
      return error;
    run.arguments.push_back({buffer->address()});
    buffers.push_back(std::move(*buffer));
  }
  run.arguments.push_back({uint64_t(rows)});
  auto launchAll = [&]() -> llvm::Error {
    for (int i = 0; i < launchesPerRun; ++i)
      if (llvm::Error error = device.launch(*module, run))
        return error;
    return llvm::Error::success();
  };
  double best = HUGE_VAL;
  for (int i = 0; i < runs; ++i) {
    auto seconds = device.time(launchAll);
    if (!seconds)
      return seconds.takeError();
    best = std::min(best, *seconds / launchesPerRun);
  }
  return best;
}
