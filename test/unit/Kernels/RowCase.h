//===- RowCase.h - kernels that quantize rows: text, operands, reference ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_ROWCASE_H
#define QUANTOPT_TEST_UNIT_KERNELS_ROWCASE_H

#include "Harness.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"
#include <random>

namespace quantopt::kerneltest {

/// Every architecture of the table.
inline constexpr const char *allArchs[] = {"sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90a", "sm_100a", "sm_120a"};

/// One norm_quant, swiglu_quant or quant to test.
struct RowCase {
  int64_t rows, columns;
  const char *input = "f16";
  const char *codes = "i4";
  int64_t bits = 4;
  /// An attribute; empty: no transform.
  std::string hadamard = {};
  int64_t threads = 128, rowsPerBlock = 1;
  bool hasResidual = false;
  const char *arch = "sm_80";

  std::string describe() const;
  /// The op in a function. `attributes` are those that it has beside what every case has.
  std::string text(const std::string &op, const std::string &attributes = "") const;
  RowCase on(const char *otherArch) const {
    RowCase other = *this;
    other.arch = otherArch;
    return other;
  }
};

inline constexpr double clip = 0.9f;
/// Half the distance between 1 and the next f32: what one rounding contributes at most, relatively.
inline constexpr double unit = 0x1p-24;

/// [rows, columns] of a type, normally distributed with a few large elements, as activations are.
Tensor randomRows(DType type, int64_t rows, int64_t columns, std::mt19937 &random);

/// Rows in exact arithmetic before they are transformed, and how far a kernel's may be off: relatively to every
/// element.
struct ReferenceRows {
  std::vector<double> values;
  double relativeError = 0;
  /// The kernel divides by the length of rows after they were transformed.
  bool isNormalised = false;
};

/// The sum of input and residual, rounded to their type.
Tensor addRows(const Tensor &x, const Tensor &residual);

/// Rows over their root mean square, with an epsilon of 1e-5.
ReferenceRows normalise(const Tensor &rows, const tile::RowPlan &plan);

/// By how much the elements of a row may be off after the plan's transform, of inputs that are off by `relativeError`;
/// see expectQuantized().
std::vector<double> boundTransform(const tile::RowPlan &plan, llvm::ArrayRef<double> inputs, double relativeError);

/// Rows of the reference after the plan's transform.
std::vector<double> transformReference(const tile::RowPlan &plan, std::vector<double> rows);

/// Half an ulp of a float of that type, relatively; and absolutely where it is subnormal.
double roundingBound(DType type, double value);

/// Expects codes and scales of transformed rows, as lib/Numerics computes them in f64: scales within a relative bound;
/// codes equal, except next to a tie of the rounding, where the neighbour is as good.
///
/// An element y_j of the transform is a sum of n products, in a tree of depth L = levels + a: it is off by
/// (L + e)·u·Σ|A_kj x_k|, where e·u bounds the error of the x_k (u = 2^-24; Higham 2002, section 4.2); ≤ (L + e)·u·c·
/// Σ|x_k|/√n with |A_kj| ≤ c/√n, c = √2 of Hartley's factors and 1 of a Hadamard matrix. Tensor cores take x_k as two
/// f16, off by 2^-22, or by 2^-25 where the greatest is 2^14, that is 2^-39 of Σ|x_k|; they have two terms for each
/// input, whose sums they may cut off instead of rounding (2u). So is the greatest magnitude,
/// and the scale has roundings of its own on top: clip, division, the row's factor. A length that is measured on
/// transformed rows is off by as much as an element in the mean. A quotient y_j/s adds the bounds of
/// both; where it is within that of a half-integer, either code is right.
void expectQuantized(const RowCase &row, const Kernel &kernel, const ReferenceRows &reference, const KernelRun &run);

/// Shared memory is accessed without bank conflicts, except where Hartley's factors are looked up.
void expectNoConflicts(const Kernel &kernel, const KernelRun &run);

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_ROWCASE_H
