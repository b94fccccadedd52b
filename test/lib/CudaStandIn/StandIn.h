//===- StandIn.h - a CUDA driver on the PTX interpreter -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// The functions of the CUDA driver API that lib/Runtime calls, with the signatures of cuda.h. What is queued waits
// until something waits for it: a caller that changes the source of a copy too early is found out. A kernel that fails
// makes everything after it fail, as on a device.
//
// CUDA_STAND_IN_CAPABILITY: 10·major + minor, 80 by default. CUDA_STAND_IN_MEMORY: bytes that can be allocated.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_LIB_CUDASTANDIN_STANDIN_H
#define QUANTOPT_TEST_LIB_CUDASTANDIN_STANDIN_H

#include "quantopt/Ptx/Interpreter.h"
#include "llvm/ADT/StringMap.h"
#include <functional>
#include <map>

#define STAND_IN_API extern "C" __attribute__((visibility("default"))) int

namespace standin {

/// CUresult.
enum Status : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  InvalidContext = 201,
  InvalidPtx = 218,
  NotFound = 500,
  LaunchFailed = 719,
  CaptureUnsupported = 900
};

struct Kernel;

struct Module {
  std::unique_ptr<quantopt::ptx::Module> module;
  llvm::StringMap<std::unique_ptr<Kernel>> kernels;
};

struct Kernel {
  Module *module;
  quantopt::ptx::KernelInfo info;
  /// More than 48 KB have to be asked for.
  unsigned maxDynamicSharedBytes = 48 << 10;
};

using Work = std::function<Status()>;
struct Graph {
  std::vector<Work> work;
};

struct State {
  quantopt::ptx::DeviceMemory memory;
  /// By address.
  std::map<uint64_t, uint64_t> allocations;
  uint64_t allocatedBytes = 0;
  std::vector<Work> queue;
  /// What launches go to while a stream is captured.
  std::unique_ptr<Graph> capture;
  /// Of the first kernel that failed.
  Status failure = Success;
  uint64_t launches = 0, graphLaunches = 0;
};
State &state();
/// The context of this thread.
extern thread_local void *current;

/// Does what is queued.
Status flush();
/// Queues, or captures, work.
Status enqueue(Work work);
uint64_t numberFromEnvironment(const char *name, uint64_t otherwise);

} // namespace standin

#endif // QUANTOPT_TEST_LIB_CUDASTANDIN_STANDIN_H
