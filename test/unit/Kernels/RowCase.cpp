//===- RowCase.cpp - kernels that quantize rows: text, operands, reference --===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RowCase.h"
#include "Comparison.h"
#include "quantopt/Numerics/Hadamard.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::kerneltest;

std::string RowCase::describe() const {
  return llvm::formatv("{0} {1}x{2} {3} to {4} ({5} bits) {6} on {7} threads for {8} rows{9}", arch, rows, columns,
                       input, codes, bits, hadamard, threads, rowsPerBlock, hasResidual ? ", residual" : "");
}

std::string RowCase::text(const std::string &op, const std::string &attributes) const {
  std::string in = llvm::formatv("tensor<?x{0}x{1}>", columns, input);
  std::string results = llvm::formatv("tensor<?x{0}x{1}>, tensor<?x1xf32>", columns, codes), operands = "%x";
  bool isSwiglu = op == "swiglu_quant", hasTwo = isSwiglu || hasResidual;
  if (hasTwo)
    operands += isSwiglu ? ", %y" : " residual %y";
  std::string types = hasTwo ? in + ", " + in : in;
  if (hasResidual)
    results += ", " + in;
  std::string transform = hadamard.empty() ? "" : "hadamard = " + hadamard + ", ";
  return llvm::formatv(
      "func.func @f(%x: {0}, %y: {0}) {{\n  %r:{1} = tile.{2} {3} {{{4}{5}clip = 0.9 : f64, bits = {6} : "
      "i64,\n    config = #tile.rows<arch = {7}, threads = {8}, rows = {9}>}\n    : ({10}) -> ({11})\n"
      "  return\n}\n",
      in, hasResidual ? 3 : 2, op, operands, attributes, transform, bits, arch, threads, rowsPerBlock, types, results);
}

Tensor kerneltest::randomRows(DType type, int64_t rows, int64_t columns, std::mt19937 &random) {
  std::normal_distribution<float> normal;
  Tensor tensor(DType::F32, {rows, columns});
  for (float &x : tensor.mutableData<float>())
    x = normal(random) * (random() % 97 ? 1.0f : 12.0f);
  return convert(tensor, type);
}

/// f32 holds the sum of two 16-bit floats well enough that rounding it again changes nothing.
Tensor kerneltest::addRows(const Tensor &x, const Tensor &residual) {
  Tensor left = convert(x, DType::F32), right = convert(residual, DType::F32), sum(DType::F32, x.shape());
  for (int64_t i = 0; i < x.numElements(); ++i)
    sum.mutableData<float>()[i] = left.data<float>()[i] + right.data<float>()[i];
  return convert(sum, x.dtype());
}

/// The factor of a row: a sum of squares, in chains of a quarter of a thread's elements and a tree over the threads, of
/// which the root takes half the error; rsqrt.approx is off by 2^-22.9 (PTX ISA).
static double normError(const tile::RowPlan &plan) {
  double chain = plan.vectors * plan.width / 4.0 + 3 + std::log2(double(plan.threadsPerRow));
  return (chain + 3) / 2 * unit + 0x1p-22;
}

ReferenceRows kerneltest::normalise(const Tensor &rows, const tile::RowPlan &plan) {
  ReferenceRows reference{toDoubles(rows), normError(plan), /*isNormalised=*/true};
  int64_t columns = rows.dim(1);
  for (int64_t m = 0; m < rows.dim(0); ++m) {
    double *row = reference.values.data() + m * columns, squares = 0;
    for (int64_t j = 0; j < columns; ++j)
      squares += row[j] * row[j];
    double factor = 1 / std::sqrt(squares / columns + 1e-5);
    for (int64_t j = 0; j < columns; ++j)
      row[j] *= factor;
  }
  return reference;
}

static double distanceToTie(double x) { return std::fabs(x - std::floor(x) - 0.5); }

namespace {
/// What is expected of one row.
struct ExpectedRow {
  llvm::ArrayRef<double> values;
  /// By how much a value may be off.
  std::vector<double> bounds;
  double scale, scaleBound;
};
} // namespace

std::vector<double> kerneltest::boundTransform(const tile::RowPlan &plan, llvm::ArrayRef<double> inputs,
                                               double relativeError) {
  const tile::RowTransform &transform = plan.transform;
  int64_t size = transform ? transform.a * transform.b : 1;
  double depth = transform ? std::log2(double(transform.b)) + (transform.a > 1 ? transform.a + 1 : 0) : 0;
  if (plan.usesTensorCores) {
    depth = plan.elementLevels + plan.laneLevels + 2 * (2 * plan.denseOrder + 2 * plan.getDenseTiles());
    relativeError += 4 * unit + double(plan.columns) * 0x1p-39;
  }
  double factor = transform.isHartley ? std::sqrt(2.0) : 1;
  std::vector<double> bounds;
  for (int64_t begin = 0; begin < plan.columns; begin += size) {
    double sum = 0;
    for (double x : inputs.slice(begin, size))
      sum += std::fabs(x);
    bounds.insert(bounds.end(), size, (depth * unit + relativeError) * factor * sum / std::sqrt(double(size)));
  }
  return bounds;
}

std::vector<double> kerneltest::transformReference(const tile::RowPlan &plan, std::vector<double> rows) {
  if (const tile::RowTransform &transform = plan.transform)
    llvm::cantFail(numerics::makeHadamard(transform.a * transform.b, transform.seed))
        ->apply(rows.data(), int64_t(rows.size()) / (transform.a * transform.b));
  return rows;
}

double kerneltest::roundingBound(DType type, double value) {
  if (type == DType::F32)
    return unit * std::fabs(value);
  return type == DType::F16 ? std::max(0x1p-11 * std::fabs(value), 0x1p-25) : 0x1p-8 * std::fabs(value);
}

/// Bounds of a row before (`inputs`) and after (`values`) its transform.
static ExpectedRow expectRow(const tile::RowPlan &plan, llvm::ArrayRef<double> inputs, llvm::ArrayRef<double> values,
                             double relativeError, bool isNormalised, double greatestCode) {
  ExpectedRow row;
  row.values = values;
  row.bounds = boundTransform(plan, inputs, relativeError);
  double greatest = 0, greatestBound = 0;
  for (auto [value, bound] : llvm::zip(values, row.bounds)) {
    greatest = std::max(greatest, std::fabs(value));
    greatestBound = std::max(greatestBound, bound);
  }
  double squares = 0;
  for (double value : values)
    squares += value * value;
  double lengthError = isNormalised && plan.transform ? greatestBound / std::sqrt(squares / values.size()) : 0;
  for (auto [value, bound] : llvm::zip(values, row.bounds))
    bound += lengthError * std::fabs(value);
  greatestBound += lengthError * greatest;
  row.scale = std::max(clip * greatest / greatestCode, double(1e-8f));
  // The factor and three products, the division, each rounded.
  row.scaleBound = clip / greatestCode * greatestBound + 6 * unit * row.scale;
  return row;
}

void kerneltest::expectQuantized(const RowCase &row, const Kernel &kernel, const ReferenceRows &reference,
                                 const KernelRun &run) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(kernel.op()));
  std::vector<double> values = transformReference(plan, reference.values);
  double greatestCode = (1 << (row.bits - 1)) - 1;
  std::vector<double> codes = toDoubles(run.results[0]), scales = toDoubles(run.results[1]);
  int64_t nearTies = 0;
  for (int64_t m = 0; m < row.rows; ++m) {
    ExpectedRow expected = expectRow(plan, llvm::ArrayRef(reference.values).slice(m * row.columns, row.columns),
                                     llvm::ArrayRef(values).slice(m * row.columns, row.columns),
                                     reference.relativeError, reference.isNormalised, greatestCode);
    ASSERT_NEAR(scales[m], expected.scale, expected.scaleBound) << "scale of row " << m;
    for (int64_t j = 0; j < row.columns; ++j) {
      double quotient = expected.values[j] / expected.scale, code = codes[m * row.columns + j];
      double right = std::min(std::max(std::nearbyint(quotient), -greatestCode - 1), greatestCode);
      // The product with the reciprocal has two roundings more than a division, the reciprocal is 1 ulp off.
      double bound =
          expected.bounds[j] / expected.scale + std::fabs(quotient) * (expected.scaleBound / expected.scale + 4 * unit);
      bool isNearTie = distanceToTie(quotient) <= bound;
      nearTies += isNearTie;
      ASSERT_LE(std::fabs(code - right), isNearTie ? 1 : 0)
          << "code [" << m << ", " << j << "] of " << quotient << " is " << code;
    }
  }
  // A bound that excuses everything would show nothing.
  EXPECT_LE(nearTies, 2 + row.rows * row.columns / 25);
}

void kerneltest::expectNoConflicts(const Kernel &kernel, const KernelRun &run) {
  if (!llvm::cantFail(tile::getRowPlan(kernel.op())).transform.isHartley)
    EXPECT_EQ(run.counters.sharedConflicts, 0u);
}
