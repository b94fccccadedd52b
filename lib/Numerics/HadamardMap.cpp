//===- HadamardMap.cpp - the fast transform diag(signs)·H_n ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HadamardKernel.h"
#include "quantopt/Numerics/Hadamard.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>

using namespace quantopt::numerics;

/// Greatest dense factor: n·4096 multiply-adds per row are no longer a fast transform.
static constexpr int64_t maxDenseOrder = 4096;
/// Greatest Sylvester factor that is worth a matrix product.
static constexpr int64_t maxFastOrder = 256;

/// cos(2πr/m) + sin(2πr/m) for 0 <= r < m, without the C library, whose last bits vary between processors. Octants are
/// reduced in integers, so that the series runs on [0, π/4] only.
static double cas(int64_t r, int64_t m) {
  constexpr double pi = 3.14159265358979323846;
  int64_t octant = 8 * r / m;
  int64_t rest = 8 * r - octant * m; // in units of π/4 / m
  double angle = pi / 4 * (octant % 2 ? m - rest : rest) / m;
  double square = angle * angle, cosine = 0, sine = 0;
  for (int i = 20; i > 0; i -= 2) {
    cosine = (1 + cosine) * (-square / (i * (i - 1)));
    sine = (1 + sine) * (-square / (i * (i + 1)));
  }
  cosine = 1 + cosine;
  sine = (1 + sine) * angle;
  bool swapped = octant % 4 == 1 || octant % 4 == 2;
  double x = swapped ? sine : cosine, y = swapped ? cosine : sine;
  int64_t quadrant = octant / 2;
  return (quadrant == 1 || quadrant == 2 ? -x : x) + (quadrant >= 2 ? -y : y);
}

llvm::Expected<HadamardStructure> quantopt::numerics::hadamardStructure(int64_t n) {
  if (n < 1)
    return llvm::createStringError("a Hadamard transform needs a positive size, got %lld", (long long)n);
  int64_t odd = n >> llvm::countr_zero(uint64_t(n));
  int64_t order = odd;
  while (order < n && order <= maxDenseOrder && !hadamardExists(order))
    order *= 2;
  HadamardStructure structure;
  structure.isHartley = order > maxDenseOrder || !hadamardExists(order);
  structure.a = structure.isHartley ? odd : order;
  structure.b = n / structure.a;
  if (structure.a > maxDenseOrder)
    return llvm::createStringError(
        "no fast orthogonal transform of size %lld: its dense factor would be %lld, more than "
        "%lld; transform blocks of a smaller size",
        (long long)n, (long long)structure.a, (long long)maxDenseOrder);
  return structure;
}

/// A of the structure, [a, a].
static std::vector<double> denseFactor(const HadamardStructure &structure) {
  if (!structure.isHartley) {
    std::vector<int8_t> entries = constructHadamard(structure.a);
    return std::vector<double>(entries.begin(), entries.end());
  }
  std::vector<double> matrix;
  for (int64_t i = 0; i < structure.a; ++i)
    for (int64_t j = 0; j < structure.a; ++j)
      matrix.push_back(cas(i * j % structure.a, structure.a));
  return matrix;
}

static double sylvesterEntry(int64_t i, int64_t j) { return llvm::popcount(uint64_t(i & j)) % 2 ? -1 : 1; }

llvm::Expected<HadamardFactors> quantopt::numerics::hadamardFactors(int64_t n) {
  llvm::Expected<HadamardStructure> structure = hadamardStructure(n);
  if (!structure)
    return structure.takeError();
  HadamardFactors factors;
  factors.b = std::min(structure->b, maxFastOrder);
  factors.a = n / factors.b;
  factors.scale = 1 / std::sqrt(double(n));
  factors.isHartley = structure->isHartley;
  std::vector<double> dense = denseFactor(*structure);
  int64_t moved = structure->b / factors.b;
  for (int64_t i = 0; i < factors.a; ++i)
    for (int64_t j = 0; j < factors.a; ++j)
      factors.slow.push_back(dense[i / moved * structure->a + j / moved] * sylvesterEntry(i % moved, j % moved));
  for (int64_t i = 0; i < factors.b; ++i)
    for (int64_t j = 0; j < factors.b; ++j)
      factors.fast.push_back(sylvesterEntry(i, j));
  return factors;
}

namespace {
/// The parts of a map in one arithmetic.
template <typename T> struct Parts {
  /// A and Aᵀ, and the signs (empty without).
  std::vector<T> slow, slowTransposed, signs;
  T scale;
};

class HadamardMap final : public LinearMap {
public:
  HadamardMap(const HadamardStructure &structure, uint64_t seed)
      : LinearMap(structure.a * structure.b), a(structure.a), b(structure.b), isExact(!structure.isHartley) {
    std::vector<double> dense = denseFactor(structure);
    fill(single, dense, seed);
    fill(twofold, dense, seed);
  }
  bool isOrthogonal() const override { return true; }
  void transform(float *rows, int64_t count, MapForm form) const override { run(single, rows, count, form); }
  void transform(double *rows, int64_t count, MapForm form) const override { run(twofold, rows, count, form); }

private:
  template <typename T> void fill(Parts<T> &parts, const std::vector<double> &dense, uint64_t seed) {
    parts.scale = T(1 / std::sqrt(double(size())));
    parts.slow.assign(dense.begin(), dense.end());
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < a; ++j)
        parts.slowTransposed.push_back(parts.slow[j * a + i]);
    for (int64_t i = 0; seed && i < size(); ++i)
      parts.signs.push_back(randomSign(seed, i));
  }

  template <typename T> void run(const Parts<T> &parts, T *rows, int64_t count, MapForm form) const {
    bool isTransposed = form == MapForm::Transposed || form == MapForm::Inverse;
    const T *signs = parts.signs.empty() ? nullptr : parts.signs.data();
    HadamardKernel<T> kernel;
    kernel.a = a;
    kernel.b = b;
    kernel.slow = isTransposed ? parts.slow.data() : parts.slowTransposed.data();
    kernel.isExact = isExact;
    kernel.scale = parts.scale;
    kernel.before = isTransposed ? nullptr : signs;
    kernel.after = isTransposed ? signs : nullptr;
    std::vector<T> scratch(size());
    runHadamardKernel(kernel, rows, count, scratch.data());
  }

  int64_t a, b;
  bool isExact;
  Parts<float> single;
  Parts<double> twofold;
};
} // namespace

llvm::Expected<std::unique_ptr<LinearMap>> quantopt::numerics::makeHadamard(int64_t n, uint64_t seed) {
  llvm::Expected<HadamardStructure> structure = hadamardStructure(n);
  if (!structure)
    return structure.takeError();
  return std::make_unique<HadamardMap>(*structure, seed);
}
