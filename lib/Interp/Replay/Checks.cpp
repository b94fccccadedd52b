//===- Checks.cpp - whether results of a launch are what they should be -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Checks.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Tile/Oracle.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;
using mlir::Value;

llvm::SmallVector<Tensor> LaunchedOp::exactOperands() const {
  llvm::SmallVector<Tensor> exact(operands);
  if (!llvm::isa<tile::NormOp, tile::NormQuantOp>(op) || operands.size() < 2)
    return exact;
  auto wide = [](const Tensor &tensor) { return convert(tensor, DType::F32); };
  Tensor sum = llvm::cantFail(compute::binary(compute::Binary::Add, wide(operands[0]), wide(operands[1])));
  return {convert(sum, operands[0].dtype()), Tensor()};
}

llvm::Expected<llvm::SmallVector<Slot>> LaunchedOp::makeSlots() const {
  const KernelEntry *kernel = KernelRegistry::standard().lookup(op);
  llvm::SmallVector<Slot> slots;
  for (auto [i, operand] : llvm::enumerate(exactOperands())) {
    Slot &slot = slots.emplace_back();
    Value value = op->getOperand(i);
    if (operand) {
      slot.tensor = isFloat(operand.dtype()) ? convert(operand, DType::F64) : operand;
    } else if (param::isWeightExpression(value) && llvm::is_contained(kernel->deferred, i)) {
      slot.weight = WeightView{value};
    } else if (param::isWeightExpression(value)) {
      llvm::Expected<Tensor> whole = weights.whole(value);
      if (!whole)
        return whole.takeError();
      slot.tensor = std::move(*whole);
    }
  }
  return slots;
}

void Outcome::fail(const llvm::Twine &message) {
  if (failure.empty())
    failure = message.str();
}

void Outcome::compare(llvm::StringRef name, int64_t index, double actual, double expected, double bound) {
  ++elements;
  double difference = std::fabs(actual - expected);
  if (difference > 0)
    worst = std::max(worst, difference / bound);
  if (!(difference <= bound))
    fail(llvm::formatv("{0}: element {1} is {2:g9}, expected {3:g9} +- {4:g3}", name, index, actual, expected, bound));
}

void Outcome::compareCode(llvm::StringRef name, int64_t index, int64_t actual, int64_t expected, double quotient) {
  ++elements;
  if (actual == expected)
    return;
  ++ties;
  bool isTie = std::fabs(quotient - std::floor(quotient) - 0.5) <= tieDistance;
  if (!isTie || std::abs(actual - expected) > 1)
    fail(llvm::formatv("{0}: code {1} is {2}, expected {3} for a quotient of {4:f6}", name, index, actual, expected,
                       quotient));
}

void Outcome::compareBits(llvm::StringRef name, const Tensor &actual, const Tensor &expected) {
  elements += expected.numElements();
  if (actual.dtype() != expected.dtype() || actual.shape() != expected.shape())
    return fail(name + ": is of another shape");
  unsigned width = bytesInMemory(actual.dtype());
  for (int64_t i = 0; i < actual.numElements(); ++i)
    if (std::memcmp(actual.raw() + i * width, expected.raw() + i * width, width)) {
      double a = toDoubles(actual)[i], b = toDoubles(expected)[i];
      if (!std::isnan(a) || !std::isnan(b))
        return fail(llvm::formatv("{0}: element {1} is {2:g9}, expected exactly {3:g9}", name, i, a, b));
    }
}

double interp::roundingOf(DType type, double value) {
  double magnitude = std::fabs(value);
  if (type == DType::F32)
    return u * magnitude;
  return type == DType::F16 ? std::max(0x1p-11 * magnitude, 0x1p-25) : 0x1p-8 * magnitude;
}

llvm::SmallVector<double, 0> interp::toDoubles(const Tensor &tensor) {
  Tensor wide = convert(tensor, DType::F64);
  return {wide.data<double>().begin(), wide.data<double>().end()};
}

/// Let S = Σ|x·w| + |bias| + |residual|. A weight times its scale is rounded at most twice, the scale's own conversion
/// among them: 2r·S, r the roundoff of the input's type (weights that are floats are not rounded, and products of two
/// 11-bit numbers are exact). Sums of K products are off by (K + 8)·v·S at most, whatever their order, scaling and
/// the parts of the contraction among the 8; bias and residual add 2v·S. The type of the result rounds once.
static llvm::Error checkFloatProduct(const LaunchedOp &launch, Outcome &outcome) {
  tile::GemmShape shape = tile::getGemmShape(launch.op);
  auto exact = launch.exact.runOp(launch.op, launch.operands);
  if (!exact)
    return exact.takeError();
  auto magnitudes = launch.compute(magnitudesOfSums);
  if (!magnitudes)
    return magnitudes.takeError();
  double weightError = shape.weightBits == 4 ? 2 * roundingOf(launch.operands[0].dtype(), 1) : 0;
  auto actual = toDoubles(launch.actual[0]), expected = toDoubles((*exact)[0]), sums = toDoubles(*magnitudes);
  for (size_t i = 0; i < actual.size(); ++i) {
    double bound = (weightError + (shape.k + 10) * v) * sums[i];
    bound += 1.01 * roundingOf(launch.actual[0].dtype(), std::fabs(expected[i]) + bound);
    outcome.compare("result", i, actual[i], expected[i], bound);
  }
  return llvm::Error::success();
}

static llvm::Error checkEveryBit(const LaunchedOp &launch, Outcome &outcome) {
  for (auto [i, actual] : llvm::enumerate(launch.actual))
    outcome.compareBits("result " + std::to_string(i), actual, launch.expected[i]);
  return llvm::Error::success();
}

llvm::Expected<Outcome> interp::checkLaunch(const LaunchedOp &launch) {
  Outcome outcome;
  auto checkProduct = [&](auto) {
    return tile::getGemmOperands(launch.op).inputScale ? checkEveryBit(launch, outcome)
                                                       : checkFloatProduct(launch, outcome);
  };
  llvm::Error error =
      llvm::TypeSwitch<mlir::Operation *, llvm::Error>(launch.op)
          .Case<tile::GemmW4A4Op, tile::GemmW4A8Op, tile::GemmW8A8Op, tile::GemmW4A16Op, tile::GemmF16Op,
                tile::GemmDecodeOp>(checkProduct)
          .Case<tile::NormQuantOp, tile::SwigluQuantOp, tile::QuantOp>(
              [&](auto) { return checkQuantizedRows(launch, outcome); })
          .Case<tile::NormOp, tile::SwigluOp>([&](auto) { return checkFloatRows(launch, outcome); })
          .Case([&](tile::RopeAppendOp) { return checkRopeAppend(launch, outcome); })
          .Case<tile::AttentionOp, tile::AttentionDecodeOp>([&](auto) { return checkAttention(launch, outcome); })
          .Case([&](tile::AttentionCombineOp) { return checkCombine(launch, outcome); })
          .Case<tile::EmbeddingOp, tile::ArgMaxOp, tile::TopKOp>([&](auto) { return checkEveryBit(launch, outcome); })
          .Default([](mlir::Operation *op) {
            return llvm::createStringError("nothing says what to expect of " + op->getName().getStringRef());
          });
  if (error)
    return error;
  return outcome;
}
