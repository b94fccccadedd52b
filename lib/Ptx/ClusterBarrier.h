//===- ClusterBarrier.h - barrier.cluster in a cluster of one -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_CLUSTERBARRIER_H
#define QUANTOPT_LIB_PTX_CLUSTERBARRIER_H

#include <cstdint>
#include <vector>

namespace quantopt::ptx {

class Block;
class Warp;

/// Every thread of the CTA that has not exited arrives, then waits, and so on: it is an error to arrive twice without a
/// wait, or to wait without having arrived.
class ClusterBarrier {
public:
  explicit ClusterBarrier(Block &block);
  void arrive(Warp &warp);
  void wait(Warp &warp);

private:
  bool isComplete(uint32_t phase) const;

  Block &block;
  /// By thread: how often it has arrived, and waited.
  std::vector<uint32_t> arrivals, waits;
  /// By phase: what the threads that arrived knew.
  std::vector<std::vector<uint32_t>> clocks;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_CLUSTERBARRIER_H
