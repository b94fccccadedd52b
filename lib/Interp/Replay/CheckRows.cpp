//===- CheckRows.cpp - results of kernels that work row by row ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Checks.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"
#include "quantopt/Interp/Tile/Oracle.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::interp;

/// How far elements may be off before they are transformed, relatively.
///
/// A norm: the sum of squares runs in chains of a quarter of a thread's elements and a tree over the threads; the root
/// takes half of its error, and rsqrt.approx is off by 2^-22.9 (PTX ISA). SwiGLU: e^-x is off by 2u|x| for its rounded
/// argument; ex2.approx, rcp.approx and four roundings come on top.
static double inputError(const LaunchedOp &launch, const tile::RowPlan &plan) {
  if (llvm::isa<tile::NormQuantOp, tile::NormOp>(launch.op)) {
    double chain = plan.vectors * plan.width / 4.0 + 3 + std::log2(double(plan.threadsPerRow));
    return (chain + 3) / 2 * u + 0x1p-22;
  }
  if (!llvm::isa<tile::SwigluQuantOp, tile::SwigluOp>(launch.op))
    return 0;
  double greatest = 0;
  for (double x : toDoubles(launch.operands[0]))
    greatest = std::max(greatest, std::fabs(x));
  return 2 * greatest * u + 0x1p-22 + 6 * u;
}

/// By how much the elements of a transformed row may be off.
///
/// An element of the transform is a sum of n products in a tree of depth L = levels + a: it is off by (L + e)·u·Σ|A_kj
/// x_k|, where e·u bounds the error of the x_k (Higham 2002, section 4.2). With |A_kj| ≤ c/√n, c = √2 of Hartley's
/// factors and 1 of a Hadamard matrix, and Σ|x_k| ≤ √n·‖x‖, that is (L + e)·u·c·‖x‖, and ‖x‖ is the length of the
/// transformed block. Tensor cores take x_k as two f16, off by 2^-22, or by 2^-39 of Σ|x_k|, and may cut sums off.
static llvm::SmallVector<double, 0> boundsOf(const tile::RowPlan &plan, llvm::ArrayRef<double> row, double error,
                                             bool isNormalised) {
  const tile::RowTransform &transform = plan.transform;
  int64_t size = transform ? transform.a * transform.b : 1;
  double depth = transform ? std::log2(double(transform.b)) + (transform.a > 1 ? transform.a + 1 : 0) : 0;
  if (plan.usesTensorCores) {
    depth = plan.elementLevels + plan.laneLevels + 2 * (2 * plan.denseOrder + 2 * plan.getDenseTiles());
    error += 4 * u + double(plan.columns) * 0x1p-39;
  }
  double factor = transform.isHartley ? std::sqrt(2.0) : 1, greatest = 0, squares = 0;
  llvm::SmallVector<double, 0> bounds;
  for (size_t begin = 0; begin < row.size(); begin += size) {
    double length = 0;
    for (double x : row.slice(begin, size))
      length += x * x;
    squares += length;
    bounds.append(size, (depth * u + error) * factor * std::sqrt(length));
    greatest = std::max(greatest, bounds.back());
  }
  // A length that is measured on transformed rows is off by as much as an element in the mean.
  if (isNormalised && transform && squares > 0)
    for (auto [bound, x] : llvm::zip(bounds, row))
      bound += greatest / std::sqrt(squares / row.size()) * std::fabs(x);
  return bounds;
}

/// What a quantizing op makes of rows.
struct Quantizer {
  double clip;
  int64_t bits;
  int64_t greatest() const { return (int64_t(1) << (bits - 1)) - 1; }
};
static Quantizer quantizerOf(mlir::Operation *op) {
  return llvm::TypeSwitch<mlir::Operation *, Quantizer>(op).Case<tile::NormQuantOp, tile::SwigluQuantOp, tile::QuantOp>(
      [](auto quantize) {
        return Quantizer{float(quantize.getClip().convertToDouble()), int64_t(quantize.getBits())};
      });
}

llvm::Error interp::checkQuantizedRows(const LaunchedOp &launch, Outcome &outcome) {
  llvm::Expected<tile::RowPlan> plan = tile::getRowPlan(launch.op);
  if (!plan)
    return plan.takeError();
  auto exact = launch.compute(rowsToQuantize);
  if (!exact)
    return exact.takeError();
  Quantizer quantizer = quantizerOf(launch.op);
  double error = inputError(launch, *plan);
  bool isNormalised = llvm::isa<tile::NormQuantOp>(launch.op);
  auto rows = toDoubles(*exact), codes = toDoubles(launch.actual[0]), scales = toDoubles(launch.actual[1]);
  auto expectedCodes = toDoubles(launch.expected[0]);
  int64_t columns = plan->columns;
  for (size_t m = 0; m < scales.size(); ++m) {
    auto row = llvm::ArrayRef(rows).slice(m * columns, columns);
    auto bounds = boundsOf(*plan, row, error, isNormalised);
    double greatest = 0;
    for (double x : row)
      greatest = std::max(greatest, std::fabs(x));
    double scale = std::max(quantizer.clip * greatest / quantizer.greatest(), double(1e-8f));
    // Clip, the row's factor and three products are rounded, and so is the division.
    double scaleBound = quantizer.clip / quantizer.greatest() * *llvm::max_element(bounds) + 6 * u * scale;
    outcome.compare("scale", m, scales[m], scale, scaleBound);
    for (int64_t j = 0, i = m * columns; j < columns; ++j, ++i)
      outcome.compareCode("codes", i, codes[i], expectedCodes[i], row[j] / scale);
  }
  if (launch.actual.size() > 2)
    outcome.compareBits("sum", launch.actual[2], launch.expected[2]);
  return llvm::Error::success();
}

llvm::Error interp::checkFloatRows(const LaunchedOp &launch, Outcome &outcome) {
  llvm::Expected<tile::RowPlan> plan = tile::getRowPlan(launch.op);
  if (!plan)
    return plan.takeError();
  auto exact = launch.exact.runOp(launch.op, launch.exactOperands());
  if (!exact)
    return exact.takeError();
  DType type = launch.actual[0].dtype();
  double error = inputError(launch, *plan);
  auto rows = toDoubles((*exact)[0]), actual = toDoubles(launch.actual[0]);
  int64_t columns = plan->columns;
  for (size_t first = 0; first < rows.size(); first += columns) {
    auto row = llvm::ArrayRef(rows).slice(first, columns);
    auto bounds = boundsOf(*plan, row, error, /*isNormalised=*/false);
    for (int64_t j = 0; j < columns; ++j)
      outcome.compare("result", first + j, actual[first + j], row[j],
                      bounds[j] + u * std::fabs(row[j]) + 1.01 * roundingOf(type, row[j]));
  }
  if (launch.actual.size() > 1)
    outcome.compareBits("sum", launch.actual[1], launch.expected[1]);
  return llvm::Error::success();
}
