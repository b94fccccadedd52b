//===- Launcher.h - one launch of a plan -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_REPLAY_LAUNCHER_H
#define QUANTOPT_LIB_INTERP_REPLAY_LAUNCHER_H

#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Runtime/Backend.h"
#include "quantopt/Runtime/Bundle.h"
#include "quantopt/Support/Tensor.h"

namespace quantopt::interp {

/// Tokens of one launch.
struct LaunchSize {
  int64_t sequences, newTokens;
  int64_t rows() const { return sequences * newTokens; }
};

/// Runs single launches of a bundle on a device, each in memory of its own: what the arena's plan lets overlap does.
class Launcher {
public:
  /// Loads kernels and weights.
  static llvm::Expected<std::unique_ptr<Launcher>> create(const runtime::Bundle &bundle, runtime::Backend &backend);
  Launcher(const Launcher &) = delete;
  Launcher &operator=(const Launcher &) = delete;
  ~Launcher();

  /// Results of `launch`, in the types and shapes of `expected`. Operands are null where they are weights of the
  /// bundle; rows of codes have a byte each and no padding. Errors: operands that are not what the plan says; a kernel
  /// that fails; padding of codes that is not zero.
  llvm::Expected<llvm::SmallVector<Tensor>> run(const runtime::PlannedPhase &phase,
                                                const runtime::PlannedLaunch &launch, tile::KernelOpInterface op,
                                                llvm::ArrayRef<Tensor> operands, llvm::ArrayRef<Tensor> expected,
                                                LaunchSize size);

private:
  /// An argument of the kernel with its place on the device.
  struct Array {
    const runtime::PlannedKernelArgument *argument;
    runtime::PlannedLaunch::Operand operand;
    /// What is written there before the launch; empty for results and weights.
    std::vector<char> contents;
    uint64_t bytes = 0, address = 0;
  };

  Launcher(const runtime::Bundle &bundle, runtime::Backend &backend) : bundle(bundle), backend(backend) {}
  llvm::Error load();
  llvm::Expected<std::vector<Array>> describe(const runtime::PlannedPhase &phase, const runtime::PlannedLaunch &launch,
                                              tile::KernelOpInterface op, llvm::ArrayRef<Tensor> operands,
                                              LaunchSize size) const;
  /// Gives arrays their places: those that overlap in the arena in one piece of memory.
  llvm::Error place(const runtime::PlannedPhase &phase, std::vector<Array> &arrays, LaunchSize size);
  llvm::Error write(const std::vector<Array> &arrays);
  llvm::Error launch(const runtime::PlannedKernel &kernel, const std::vector<Array> &arrays, LaunchSize size);
  llvm::Expected<Tensor> read(const Array &array, const Tensor &like);

  const runtime::Bundle &bundle;
  runtime::Backend &backend;
  std::vector<uint64_t> weightAddresses;
  /// Of the launch that runs.
  std::vector<uint64_t> addresses;
};

} // namespace quantopt::interp

#endif // QUANTOPT_LIB_INTERP_REPLAY_LAUNCHER_H
