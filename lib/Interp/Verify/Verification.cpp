//===- Verification.cpp - whether two forms of a function compute the same ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Verify/Verification.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/Support/FormatVariadic.h"
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
  Tensor changed = convert(tensor.clone(), DType::F64);
  if (llvm::Error error = rot::applyConversion(changed, source, target, read))
    return error;
  return convert(changed, tensor.dtype());
}

FormRunner::FormRunner(func::FuncOp function, const param::WeightEvaluator *evaluator, InterpreterOptions options,
                       GivenBases given)
    : function(function), interpreter(function, evaluator, options),
      weights(evaluator, /*keepF64=*/true, /*cacheBytes=*/0), given(given) {}

llvm::Expected<SmallVector<Tensor>> FormRunner::run(ArrayRef<Tensor> inputs) {
  if (inputs.size() != function.getNumArguments())
    return llvm::createStringError("expected " + llvm::Twine(function.getNumArguments()) + " inputs, got " +
                                   llvm::Twine(inputs.size()));
  if (given == GivenBases::Own)
    return interpreter.run(inputs);
  auto read = [&](FlatSymbolRefAttr name) { return weights.parameter(name); };
  SmallVector<Tensor> arguments(inputs);
  for (auto [argument, type] : llvm::zip(arguments, function.getArgumentTypes()))
    if (auto ranked = dyn_cast<RankedTensorType>(type); ranked && argument) {
      llvm::Expected<Tensor> converted = changeBasis(argument, rot::inStandardBasis(ranked), ranked, read);
      if (!converted)
        return converted.takeError();
      argument = *converted;
    }
  llvm::Expected<SmallVector<Tensor>> results = interpreter.run(arguments);
  if (!results)
    return results;
  for (auto [result, type] : llvm::zip(*results, function.getResultTypes()))
    if (auto ranked = dyn_cast<RankedTensorType>(type); ranked && result) {
      llvm::Expected<Tensor> converted = changeBasis(result, ranked, rot::inStandardBasis(ranked), read);
      if (!converted)
        return converted.takeError();
      result = *converted;
    }
  return results;
}

llvm::Expected<std::vector<SmallVector<Tensor>>> interp::runVerificationSteps(func::FuncOp function,
                                                                              ArrayRef<VerificationStep> steps) {
  InterpreterOptions options;
  options.precision = Precision::F64;
  WeightStore store;
  param::WeightEvaluator evaluator(function->getParentOfType<ModuleOp>(), store);
  FormRunner runner(function, &evaluator, options);
  std::vector<SmallVector<Tensor>> results;
  for (const VerificationStep &step : steps) {
    llvm::Expected<SmallVector<Tensor>> outputs = runner.run(step.inputs);
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

static llvm::Error compareStep(func::FuncOp function, const VerificationStep &step, ArrayRef<Tensor> before,
                               ArrayRef<Tensor> after) {
  if (before.size() != after.size())
    return llvm::createStringError("changed the number of results of function '" + function.getName() + "'");
  for (auto [i, expected, actual] : llvm::enumerate(before, after)) {
    if (!expected && !actual)
      continue;
    double error = expected && actual ? relativeMeanSquareError(expected, actual) : INFINITY;
    if (error <= maxRelativeMeanSquareError)
      continue;
    auto name = function.getResultAttrOfType<StringAttr>(i, onnx::OnnxDialect::nameAttrName);
    return llvm::createStringError(
        llvm::formatv("changed what function '{0}' computes: {1}, result #{2}{3} has a relative mean square "
                      "error of {4:e2}, expected at most {5:e0}",
                      function.getName(), step.name, i, name ? " '" + name.getValue().str() + "'" : "", error,
                      maxRelativeMeanSquareError)
            .str());
  }
  return llvm::Error::success();
}

llvm::Error interp::compareVerificationResults(func::FuncOp function, ArrayRef<VerificationStep> steps,
                                               ArrayRef<SmallVector<Tensor>> before,
                                               ArrayRef<SmallVector<Tensor>> after) {
  for (auto [step, expected, actual] : llvm::zip_equal(steps, before, after))
    if (llvm::Error error = compareStep(function, step, expected, actual))
      return error;
  return llvm::Error::success();
}
