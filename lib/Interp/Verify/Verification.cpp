//===- Verification.cpp - whether two forms of a function compute the same ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Verify/Verification.h"
#include "quantopt/Interp/Interpreter.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace quantopt;
using namespace quantopt::interp;

/// `tensor` in the bases of `target` instead of those of `source`; itself when they are equal.
static llvm::Expected<Tensor> changeBasis(const Tensor &tensor, RankedTensorType source, RankedTensorType target,
                                          rot::ParameterReader read) {
  if (source == target)
    return tensor;
  Tensor changed = tensor.clone();
  if (llvm::Error error = rot::applyConversion(changed, source, target, read))
    return error;
  return changed;
}

namespace {
/// One form of a function.
class Runner {
public:
  explicit Runner(func::FuncOp function)
      : function(function), evaluator(function->getParentOfType<ModuleOp>(), store),
        interpreter(function, &evaluator, options()), weights(&evaluator, /*keepF64=*/true, /*cacheBytes=*/0) {}

  llvm::Expected<SmallVector<Tensor>> run(const VerificationStep &step) {
    auto read = [&](FlatSymbolRefAttr name) { return weights.parameter(name); };
    SmallVector<Tensor> inputs;
    for (auto [input, type] : llvm::zip(step.inputs, function.getArgumentTypes())) {
      auto ranked = dyn_cast<RankedTensorType>(type);
      if (!input || !ranked)
        return llvm::createStringError("random values cannot be made for all arguments");
      llvm::Expected<Tensor> converted = changeBasis(input, rot::inStandardBasis(ranked), ranked, read);
      if (!converted)
        return converted.takeError();
      inputs.push_back(*converted);
    }
    llvm::Expected<SmallVector<Tensor>> results = interpreter.run(inputs);
    if (!results)
      return results;
    for (auto [result, type] : llvm::zip(*results, function.getResultTypes()))
      if (auto ranked = dyn_cast<RankedTensorType>(type)) {
        llvm::Expected<Tensor> converted = changeBasis(result, ranked, rot::inStandardBasis(ranked), read);
        if (!converted)
          return converted.takeError();
        result = *converted;
      }
    return results;
  }

private:
  static InterpreterOptions options() {
    InterpreterOptions options;
    options.precision = Precision::F64;
    return options;
  }
  func::FuncOp function;
  WeightStore store;
  param::WeightEvaluator evaluator;
  Interpreter interpreter;
  WeightReader weights;
};
} // namespace

llvm::Expected<std::vector<SmallVector<Tensor>>> interp::runVerificationSteps(func::FuncOp function,
                                                                              ArrayRef<VerificationStep> steps) {
  Runner runner(function);
  std::vector<SmallVector<Tensor>> results;
  for (const VerificationStep &step : steps) {
    if (step.inputs.size() != function.getNumArguments())
      return llvm::createStringError("the number of arguments has changed");
    llvm::Expected<SmallVector<Tensor>> outputs = runner.run(step);
    if (!outputs)
      return outputs.takeError();
    results.push_back(std::move(*outputs));
  }
  return results;
}

double interp::relativeMeanSquareError(const Tensor &expected, const Tensor &actual) {
  constexpr double different = std::numeric_limits<double>::infinity();
  if (expected.shape() != actual.shape() || expected.dtype() != actual.dtype())
    return different;
  if (expected.dtype() != DType::F64)
    return std::memcmp(expected.raw(), actual.raw(), expected.sizeInBytes()) == 0 ? 0 : different;
  double error = 0, power = 0;
  for (auto [x, y] : llvm::zip_equal(expected.data<double>(), actual.data<double>())) {
    if (x == y || (std::isnan(x) && std::isnan(y))) {
      power += std::isfinite(x) ? x * x : 0;
      continue;
    }
    if (!std::isfinite(x) || !std::isfinite(y))
      return different;
    error += (x - y) * (x - y);
    power += x * x;
  }
  return error == 0 ? 0 : error / power;
}
