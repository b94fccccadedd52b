//===- Hadamard.h - Hadamard and Hartley transforms of any size ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_HADAMARD_H
#define QUANTOPT_NUMERICS_HADAMARD_H

#include "quantopt/Numerics/LinearMap.h"
#include "llvm/Support/Error.h"

namespace quantopt::numerics {

/// H_n = (A ⊗ B)/√n, orthonormal: an element of a row sits at i·b + j with i on the slow axis and j on the fast one. B
/// is Sylvester's matrix; A has order `a`.
struct HadamardStructure {
  int64_t a = 1, b = 1;
  /// No Hadamard matrix of a suitable order is known here: A is Hartley's cas(2πjk/a), cas = cos + sin, which is
  /// symmetric.
  bool isHartley = false;
};

/// b is the greatest power of two such that a Hadamard matrix of order a = n/b can be constructed (Sylvester, Paley I
/// and II over GF(p^k), Williamson, Kronecker products of these); failing that, a is the odd part of n. An error if n <
/// 1 or a would exceed 4096.
llvm::Expected<HadamardStructure> hadamardStructure(int64_t n);

/// The same H_n as two dense factors for matrix products. With V = v reshaped to [a, b]:
///   v·H_n = scale·(slowᵀ·V·fast)   and   v·H_nᵀ = scale·(slow·V·fast).
/// As ONNX nodes: Reshape [-1, a, b] → MatMul(·, fast) → MatMul(slowᵀ or slow, ·) → Mul scale → Reshape back. `fast` is
/// symmetric and `slow` is [[1]] if a = 1. b is at most 256: greater powers of two are moved to `slow`.
struct HadamardFactors {
  int64_t a = 1, b = 1;
  /// [a, a] and [b, b], row-major; ±1 or, in `slow`, Hartley's entries.
  std::vector<double> slow, fast;
  /// 1/√(a·b).
  double scale = 1;
  bool isHartley = false;
};

/// Fails as hadamardStructure does.
llvm::Expected<HadamardFactors> hadamardFactors(int64_t n);

/// Whether constructHadamard knows a matrix of this order.
bool hadamardExists(int64_t order);
/// A Hadamard matrix of this order (±1 entries, row-major); empty if none can be constructed here.
std::vector<int8_t> constructHadamard(int64_t order);

/// Sign of row `index` of diag(signs(seed)): the top bit of output number `index` (from 0) of SplitMix64 (Steele, Lea,
/// Flood 2014) started at `seed`; seed 0 has no signs.
inline int randomSign(uint64_t seed, uint64_t index) {
  if (seed == 0)
    return 1;
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return z >> 63 ? -1 : 1;
}

/// T = diag(signs(seed))·H_n (QuaRot, arXiv 2404.00456, section 4).
llvm::Expected<std::unique_ptr<LinearMap>> makeHadamard(int64_t n, uint64_t seed);

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_HADAMARD_H
