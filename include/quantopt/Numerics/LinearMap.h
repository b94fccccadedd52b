//===- LinearMap.h - invertible matrices acting on row vectors -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_LINEARMAP_H
#define QUANTOPT_NUMERICS_LINEARMAP_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <memory>
#include <vector>

namespace quantopt::numerics {

/// Which matrix made from T multiplies a row vector from the right.
enum class MapForm { Plain, Transposed, Inverse, InverseTransposed };

/// An invertible n×n matrix T acting on row vectors: a dimension in basis T stores each fibre v as v·T. A weight [out,
/// in] that reads such a dimension becomes W·T^-T (`applyInverseTransposed` of its rows); orthogonal maps have T^-T =
/// T.
///
/// Rows are dense and stored one after the other. The operations of a row and their order depend on T alone, so a row
/// has the same bits whatever its position, the number of rows, the processor and the number of threads. Maps are
/// immutable and may be used from many threads at once.
class LinearMap {
public:
  virtual ~LinearMap() = default;

  int64_t size() const { return order; }
  /// T·Tᵀ = I up to rounding: the inverse is the transpose.
  virtual bool isOrthogonal() const = 0;

  /// Each of `count` rows v becomes v·T, in place. float computes in f32, double in f64.
  void apply(float *rows, int64_t count) const { transform(rows, count, MapForm::Plain); }
  void apply(double *rows, int64_t count) const { transform(rows, count, MapForm::Plain); }
  /// v·Tᵀ.
  void applyTransposed(float *rows, int64_t count) const { transform(rows, count, MapForm::Transposed); }
  void applyTransposed(double *rows, int64_t count) const { transform(rows, count, MapForm::Transposed); }
  /// v·T⁻¹.
  void applyInverse(float *rows, int64_t count) const { transform(rows, count, MapForm::Inverse); }
  void applyInverse(double *rows, int64_t count) const { transform(rows, count, MapForm::Inverse); }
  /// v·T⁻ᵀ.
  void applyInverseTransposed(float *rows, int64_t count) const { transform(rows, count, MapForm::InverseTransposed); }
  void applyInverseTransposed(double *rows, int64_t count) const { transform(rows, count, MapForm::InverseTransposed); }

  virtual void transform(float *rows, int64_t count, MapForm form) const = 0;
  virtual void transform(double *rows, int64_t count, MapForm form) const = 0;

  /// Transforms the middle axis of data [outer, size(), inner] in place: every fibre gets the bits it would have as a
  /// row.
  void transformAxis(float *data, int64_t outer, int64_t inner, MapForm form) const;
  void transformAxis(double *data, int64_t outer, int64_t inner, MapForm form) const;

  /// T as n·n numbers, row-major.
  std::vector<double> dense() const;

protected:
  explicit LinearMap(int64_t order) : order(order) {}

private:
  int64_t order;
};

/// T = diag(values), every value non-zero.
std::unique_ptr<LinearMap> makeDiagonal(std::vector<double> values);
/// T = `matrix` (n·n numbers, row-major), which must be orthogonal.
std::unique_ptr<LinearMap> makeOrthogonal(int64_t n, std::vector<double> matrix);
/// T = I_before ⊗ inner ⊗ I_after.
std::unique_ptr<LinearMap> makeKronecker(int64_t before, std::shared_ptr<const LinearMap> inner, int64_t after);
/// T = maps[0]·maps[1]·…: the first acts on the row first. All of one size, at least one.
std::unique_ptr<LinearMap> makeChain(std::vector<std::shared_ptr<const LinearMap>> maps);

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_LINEARMAP_H
