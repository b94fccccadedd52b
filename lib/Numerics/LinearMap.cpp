//===- LinearMap.cpp - diagonal, dense and composed maps -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/LinearMap.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cassert>

using namespace quantopt::numerics;

/// Fibres gathered at once by transformAxis: a cache line of floats.
static constexpr int64_t panelWidth = 16;

template <typename T>
static void transformFibres(const LinearMap &map, T *data, int64_t outer, int64_t inner, MapForm form) {
  if (inner == 1)
    return map.transform(data, outer, form);
  int64_t n = map.size();
  std::vector<T> panel(n * panelWidth);
  for (int64_t o = 0; o < outer; ++o, data += n * inner)
    for (int64_t start = 0; start < inner; start += panelWidth) {
      int64_t width = std::min(panelWidth, inner - start);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < width; ++j)
          panel[j * n + i] = data[i * inner + start + j];
      map.transform(panel.data(), width, form);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < width; ++j)
          data[i * inner + start + j] = panel[j * n + i];
    }
}

void LinearMap::transformAxis(float *data, int64_t outer, int64_t inner, MapForm form) const {
  transformFibres(*this, data, outer, inner, form);
}
void LinearMap::transformAxis(double *data, int64_t outer, int64_t inner, MapForm form) const {
  transformFibres(*this, data, outer, inner, form);
}

std::vector<double> LinearMap::dense() const {
  std::vector<double> matrix(order * order);
  for (int64_t i = 0; i < order; ++i)
    matrix[i * (order + 1)] = 1;
  apply(matrix.data(), order);
  return matrix;
}

static bool isTransposing(MapForm form) { return form == MapForm::Transposed || form == MapForm::InverseTransposed; }
static bool isInverting(MapForm form) { return form == MapForm::Inverse || form == MapForm::InverseTransposed; }

namespace {
class DiagonalMap final : public LinearMap {
public:
  explicit DiagonalMap(std::vector<double> values) : LinearMap(values.size()), values(std::move(values)) {}
  bool isOrthogonal() const override {
    return llvm::all_of(values, [](double value) { return value == 1 || value == -1; });
  }
  void transform(float *rows, int64_t count, MapForm form) const override { run(rows, count, form); }
  void transform(double *rows, int64_t count, MapForm form) const override { run(rows, count, form); }

private:
  template <typename T> void run(T *rows, int64_t count, MapForm form) const {
    bool inverse = isInverting(form);
    for (T *row = rows; row != rows + count * size(); row += size())
      for (int64_t i = 0; i < size(); ++i)
        row[i] = inverse ? row[i] / T(values[i]) : row[i] * T(values[i]);
  }
  std::vector<double> values;
};

/// Sums in f64 for rows of either type: the result is the rounded product.
class OrthogonalMap final : public LinearMap {
public:
  OrthogonalMap(int64_t n, std::vector<double> dense) : LinearMap(n), matrix(std::move(dense)), transposed(n * n) {
    assert(int64_t(matrix.size()) == n * n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        transposed[j * n + i] = matrix[i * n + j];
  }
  bool isOrthogonal() const override { return true; }
  void transform(float *rows, int64_t count, MapForm form) const override { run(rows, count, form); }
  void transform(double *rows, int64_t count, MapForm form) const override { run(rows, count, form); }

private:
  template <typename T> void run(T *rows, int64_t count, MapForm form) const {
    bool plain = form == MapForm::Plain || form == MapForm::InverseTransposed;
    const double *factor = plain ? matrix.data() : transposed.data();
    int64_t n = size();
    std::vector<double> sum(n);
    for (T *row = rows; row != rows + count * n; row += n) {
      std::fill(sum.begin(), sum.end(), 0);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
          sum[j] += row[i] * factor[i * n + j];
      std::copy(sum.begin(), sum.end(), row);
    }
  }
  std::vector<double> matrix, transposed;
};

class KroneckerMap final : public LinearMap {
public:
  KroneckerMap(int64_t before, std::shared_ptr<const LinearMap> map, int64_t after)
      : LinearMap(before * map->size() * after), before(before), after(after), inner(std::move(map)) {}
  bool isOrthogonal() const override { return inner->isOrthogonal(); }
  void transform(float *rows, int64_t count, MapForm form) const override {
    inner->transformAxis(rows, count * before, after, form);
  }
  void transform(double *rows, int64_t count, MapForm form) const override {
    inner->transformAxis(rows, count * before, after, form);
  }

private:
  int64_t before, after;
  std::shared_ptr<const LinearMap> inner;
};

class ChainMap final : public LinearMap {
public:
  explicit ChainMap(std::vector<std::shared_ptr<const LinearMap>> parts)
      : LinearMap(parts.front()->size()), maps(std::move(parts)) {
    assert(llvm::all_of(maps, [&](const auto &map) { return map->size() == size(); }));
  }
  bool isOrthogonal() const override {
    return llvm::all_of(maps, [](const auto &map) { return map->isOrthogonal(); });
  }
  void transform(float *rows, int64_t count, MapForm form) const override { run(rows, count, form); }
  void transform(double *rows, int64_t count, MapForm form) const override { run(rows, count, form); }

private:
  /// (T₁·T₂)ᵀ and (T₁·T₂)⁻¹ reverse the order; doing both keeps it.
  template <typename T> void run(T *rows, int64_t count, MapForm form) const {
    if (isTransposing(form) == isInverting(form)) {
      for (const auto &map : maps)
        map->transform(rows, count, form);
      return;
    }
    for (const auto &map : llvm::reverse(maps))
      map->transform(rows, count, form);
  }
  std::vector<std::shared_ptr<const LinearMap>> maps;
};
} // namespace

std::unique_ptr<LinearMap> quantopt::numerics::makeDiagonal(std::vector<double> values) {
  return std::make_unique<DiagonalMap>(std::move(values));
}

std::unique_ptr<LinearMap> quantopt::numerics::makeOrthogonal(int64_t n, std::vector<double> matrix) {
  return std::make_unique<OrthogonalMap>(n, std::move(matrix));
}

std::unique_ptr<LinearMap> quantopt::numerics::makeKronecker(int64_t before, std::shared_ptr<const LinearMap> inner,
                                                             int64_t after) {
  return std::make_unique<KroneckerMap>(before, std::move(inner), after);
}

std::unique_ptr<LinearMap> quantopt::numerics::makeChain(std::vector<std::shared_ptr<const LinearMap>> maps) {
  assert(!maps.empty());
  return std::make_unique<ChainMap>(std::move(maps));
}
