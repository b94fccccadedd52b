//===- Backend.h - what runs kernels ----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_BACKEND_H
#define QUANTOPT_RUNTIME_BACKEND_H

#include "quantopt/Runtime/Driver.h"

namespace quantopt::runtime {

/// Device memory and the launches of one loaded module: a GPU, or the PTX interpreter. Work is done in the order in
/// which it is queued. One thread at a time, which begins with enter().
class Backend {
public:
  virtual ~Backend();

  /// Before the calling thread uses what follows, if another one did last.
  virtual llvm::Error enter() = 0;

  /// For people: "NVIDIA H200 (sm_90)", "PTX interpreter".
  virtual std::string describe() const = 0;
  /// Whether the time that work takes says something of a GPU.
  virtual bool measuresTime() const = 0;
  /// Fails where kernels of `arch` ("sm_80", "sm_90a") do not run.
  virtual llvm::Error checkArchitecture(llvm::StringRef arch) const = 0;
  /// What of `arch` the device only emulates, for people; empty if nothing.
  virtual std::string describeEmulation(llvm::StringRef arch) const = 0;

  struct Request {
    std::string name;
    uint64_t bytes;
  };
  /// One address for each array, at least 256-byte aligned, their contents undefined; all are released together, by
  /// the first one. The error of a device without so much memory names `what`, the bytes and what is free.
  virtual llvm::Expected<std::vector<uint64_t>> allocate(llvm::StringRef what, llvm::ArrayRef<Request> requests) = 0;
  virtual void release(uint64_t first) = 0;
  /// Bytes that may still be allocated, where that is known.
  virtual std::optional<uint64_t> freeBytes() const = 0;

  /// Queues a copy; `source` stays as it is until synchronize().
  virtual llvm::Error write(uint64_t address, llvm::ArrayRef<char> source) = 0;
  /// Waits for what is queued, and copies.
  virtual llvm::Error read(uint64_t address, llvm::MutableArrayRef<char> destination) = 0;
  /// Queues a copy between two places on the device that do not overlap.
  virtual llvm::Error copy(uint64_t destination, uint64_t source, uint64_t bytes) = 0;
  /// Says that nobody will read what is there now: where memory is watched, a read before the next write is an error.
  virtual void discard(uint64_t address, uint64_t bytes) = 0;

  /// Loads the module whose `kernels` (name, dynamic shared bytes) will be launched. Errors name a kernel that is not
  /// there.
  struct KernelUse {
    std::string name;
    unsigned dynamicSharedBytes;
    unsigned parameters;
  };
  virtual llvm::Error load(llvm::StringRef ptx, llvm::ArrayRef<KernelUse> kernels) = 0;
  /// Queues a launch.
  virtual llvm::Error launch(const KernelLaunch &launch) = 0;
  virtual llvm::Error synchronize() = 0;

  /// Launches that can be queued again as one, with the same arguments.
  class Recording {
  public:
    virtual ~Recording();
    virtual llvm::Error replay() = 0;
  };
  /// Records the launches of `work` without running them; null where that brings nothing. Everything that is launched
  /// must have been launched before.
  virtual llvm::Expected<std::unique_ptr<Recording>> record(llvm::function_ref<llvm::Error()> work) = 0;
};

/// A GPU by number. Errors say what is missing: the driver, or the device.
llvm::Expected<std::unique_ptr<Backend>> createCudaBackend(int ordinal = 0);

/// The strict PTX interpreter (quantopt/Ptx/Interpreter.h) with `threads` threads, 0 for one per processor.
std::unique_ptr<Backend> createInterpreterBackend(unsigned threads = 0);

/// "cuda", "cuda:1", "interpreter".
llvm::Expected<std::unique_ptr<Backend>> createBackend(llvm::StringRef device, unsigned threads = 0);

/// Whether kernels of `arch` run on a GPU of a compute capability (10·major + minor): those of "sm_90a" on 9.0 alone,
/// those of "sm_80" from 8.0 on.
llvm::Error checkCapability(llvm::StringRef arch, unsigned capability, llvm::StringRef device);

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_BACKEND_H
