//===- Interpreter.h - runs PTX kernels on the CPU, strictly -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PTX_INTERPRETER_H
#define QUANTOPT_PTX_INTERPRETER_H

#include "quantopt/Ptx/Counters.h"
#include "quantopt/Ptx/DeviceMemory.h"
#include "quantopt/Ptx/Module.h"
#include <functional>

namespace quantopt::ptx {

/// The value of one kernel parameter, as bytes.
struct Argument {
  std::vector<uint8_t> bytes;

  template <typename T> static Argument of(T value) {
    const uint8_t *begin = reinterpret_cast<const uint8_t *>(&value);
    return {std::vector<uint8_t>(begin, begin + sizeof(T))};
  }
  static Argument u64(uint64_t value) { return of(value); }
  static Argument u32(uint32_t value) { return of(value); }
  static Argument f32(float value) { return of(value); }
};

struct Launch {
  std::string kernel;
  Dim3 grid, block;
  uint32_t dynamicSharedBytes = 0;
  /// In order of the kernel's parameters.
  std::vector<Argument> arguments;
};

struct RunOptions {
  /// CTAs run in parallel; 0 stands for one thread per processor.
  unsigned threads = 0;
  /// Whether to count bank conflicts and sectors; the instruction mix is always counted.
  bool counters = false;
  /// A warp that issues more instructions than this is taken to loop for ever.
  uint64_t instructionLimit = 200'000'000;
  /// Called after each CTA, from any thread.
  std::function<void()> progress;
};

/// Runs a kernel over its whole grid. Clusters are of one CTA. Asynchronous operations compute at once; what they do to
/// memory belongs to an agent of the warp that issued them, with a clock of its own, so that the rules below hold for
/// every order in which a device might run them. mbarrier.try_wait fails only where nothing else in the CTA can run.
///
/// Errors name the PTX line, the instruction and the threads. Beside what a device would trap (addresses outside of a
/// buffer, misaligned ones), these are errors:
/// * reading a register, or a byte of shared or global memory, that was never written;
/// * touching what a cp.async writes before the issuing thread has waited for it, and touching it in another thread
///   without a barrier after that wait;
/// * races in shared and global memory: two accesses of a byte by different threads, at least one a write and not both
///   atomic, that no barrier, bar.warp.sync or mbarrier orders. Lanes that write the same value in one instruction do
///   not race. CTAs of a launch are unordered;
/// * barriers that not every expected thread reaches, or only a part of a warp;
/// * .aligned instructions, and members of a shfl, vote, redux or match mask, with lanes that are elsewhere;
/// * touching what a bulk copy or wgmma reads or writes before a wait orders it: the phase of the copy's mbarrier, or a
///   wait_group; accumulators and fragments of a wgmma in flight; and leaving them in flight at the end;
/// * asynchronous accesses to what threads have written without a fence.proxy.async, mbarriers that bulk copies signal
///   without a fence after their initialisation, registers that enter a wgmma without a wgmma.fence;
/// * more arrivals at an mbarrier than it expects, warps that sleep through one of its phases, other uses of its bytes;
/// * warps of a warp group that issue different wgmma, or with different descriptors;
/// * launches that disagree with .reqntid, .maxntid or the target's shared memory.
llvm::Expected<Counters> launch(const Module &module, DeviceMemory &memory, const Launch &launch,
                                const RunOptions &options = {});

} // namespace quantopt::ptx

#endif // QUANTOPT_PTX_INTERPRETER_H
