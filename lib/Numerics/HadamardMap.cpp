//===- HadamardMap.cpp - the fast transform diag(signs)·H_n ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Hadamard.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace quantopt::numerics;

/// Greatest dense factor: n·4096 multiply-adds per row are no longer a fast transform.
static constexpr int64_t maxDenseOrder = 4096;

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

llvm::Expected<HadamardFactors> quantopt::numerics::hadamardFactors(int64_t n) {
  if (n < 1)
    return llvm::createStringError("a Hadamard transform needs a positive size, got %lld", (long long)n);
  int64_t odd = n >> llvm::countr_zero(uint64_t(n));
  int64_t order = odd;
  while (order < n && order <= maxDenseOrder && !hadamardExists(order))
    order *= 2;
  HadamardFactors factors;
  factors.isHartley = order > maxDenseOrder || !hadamardExists(order);
  factors.a = factors.isHartley ? odd : order;
  if (factors.a > maxDenseOrder)
    return llvm::createStringError(
        "no fast orthogonal transform of size %lld: its dense factor would be %lld, more than "
        "%lld; transform blocks of a smaller size",
        (long long)n, (long long)factors.a, (long long)maxDenseOrder);
  factors.b = n / factors.a;
  factors.scale = 1 / std::sqrt(double(n));
  if (factors.isHartley) {
    for (int64_t i = 0; i < odd; ++i)
      for (int64_t j = 0; j < odd; ++j)
        factors.slow.push_back(cas(i * j % odd, odd));
  } else {
    std::vector<int8_t> slow = constructHadamard(factors.a);
    factors.slow.assign(slow.begin(), slow.end());
  }
  factors.fast.resize(factors.b * factors.b);
  for (int64_t i = 0; i < factors.b; ++i)
    for (int64_t j = 0; j < factors.b; ++j)
      factors.fast[i * factors.b + j] = llvm::popcount(uint64_t(i & j)) % 2 ? -1 : 1;
  return factors;
}

/// v becomes v·B for Sylvester's B of order `b`, unscaled.
template <typename T> static void walshHadamard(T *v, int64_t b) {
  for (int64_t half = 1; half < b; half *= 2)
    for (int64_t start = 0; start < b; start += 2 * half)
      for (int64_t j = start; j < start + half; ++j) {
        T x = v[j], y = v[j + half];
        v[j] = x + y;
        v[j + half] = x - y;
      }
}

/// out = matrix·in for in, out [a, b].
template <typename T> static void multiplySlowAxis(const T *matrix, const T *in, T *out, int64_t a, int64_t b) {
  for (int64_t i = 0; i < a; ++i) {
    T *row = out + i * b;
    std::fill(row, row + b, T(0));
    for (int64_t k = 0; k < a; ++k)
      for (int64_t j = 0; j < b; ++j)
        row[j] += matrix[i * a + k] * in[k * b + j];
  }
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
  HadamardMap(const HadamardFactors &factors, uint64_t seed)
      : LinearMap(factors.a * factors.b), a(factors.a), b(factors.b) {
    fill(single, factors, seed);
    fill(twofold, factors, seed);
  }
  bool isOrthogonal() const override { return true; }
  void transform(float *rows, int64_t count, MapForm form) const override { run(single, rows, count, form); }
  void transform(double *rows, int64_t count, MapForm form) const override { run(twofold, rows, count, form); }

private:
  template <typename T> void fill(Parts<T> &parts, const HadamardFactors &factors, uint64_t seed) {
    parts.scale = T(factors.scale);
    parts.slow.assign(factors.slow.begin(), factors.slow.end());
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < a; ++j)
        parts.slowTransposed.push_back(parts.slow[j * a + i]);
    for (int64_t i = 0; seed && i < size(); ++i)
      parts.signs.push_back(randomSign(seed, i));
  }

  template <typename T> void run(const Parts<T> &parts, T *rows, int64_t count, MapForm form) const {
    bool transposed = form == MapForm::Transposed || form == MapForm::Inverse;
    const std::vector<T> &slow = transposed ? parts.slow : parts.slowTransposed;
    std::vector<T> scratch(a > 1 ? size() : 0);
    for (T *row = rows; row != rows + count * size(); row += size()) {
      if (!transposed)
        flip(parts.signs, row);
      for (int64_t i = 0; i < a; ++i)
        walshHadamard(row + i * b, b);
      if (a > 1) {
        multiplySlowAxis(slow.data(), row, scratch.data(), a, b);
        std::copy(scratch.begin(), scratch.end(), row);
      }
      for (int64_t j = 0; j < size(); ++j)
        row[j] *= parts.scale;
      if (transposed)
        flip(parts.signs, row);
    }
  }

  template <typename T> static void flip(const std::vector<T> &signs, T *row) {
    for (size_t i = 0; i < signs.size(); ++i)
      row[i] *= signs[i];
  }

  int64_t a, b;
  Parts<float> single;
  Parts<double> twofold;
};
} // namespace

llvm::Expected<std::unique_ptr<LinearMap>> quantopt::numerics::makeHadamard(int64_t n, uint64_t seed) {
  llvm::Expected<HadamardFactors> factors = hadamardFactors(n);
  if (!factors)
    return factors.takeError();
  return std::make_unique<HadamardMap>(*factors, seed);
}
