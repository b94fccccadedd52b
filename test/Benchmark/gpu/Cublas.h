//===- Cublas.h - matrix products of cuBLAS, where it is installed ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_BENCHMARK_GPU_CUBLAS_H
#define QUANTOPT_TEST_BENCHMARK_GPU_CUBLAS_H

#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>

namespace quantopt::benchmark {

/// cuBLAS, found at run time; works in the calling thread's current context.
class Cublas {
public:
  /// An error if no version of the library is found.
  static llvm::Expected<std::unique_ptr<Cublas>> open();
  ~Cublas();

  /// Queues y = x·wᵀ in f16 with f32 sums: x [m, k], w [n, k], y [m, n], row-major, addresses on the device.
  llvm::Error multiplyHalf(int m, int n, int k, uint64_t x, uint64_t w, uint64_t y) const;

private:
  Cublas() = default;

  int (*destroy)(void *handle) = nullptr;
  int (*gemmEx)(void *handle, int transposeA, int transposeB, int m, int n, int k, const void *alpha, const void *a,
                int typeA, int lda, const void *b, int typeB, int ldb, const void *beta, void *c, int typeC, int ldc,
                int computeType, int algorithm) = nullptr;
  void *handle = nullptr;
};

} // namespace quantopt::benchmark

#endif // QUANTOPT_TEST_BENCHMARK_GPU_CUBLAS_H
