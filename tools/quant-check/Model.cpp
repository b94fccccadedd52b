//===- Model.cpp - models and tensors that quant-check compares ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "quantopt/InitAllDialects.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Onnx/Import.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::check;

llvm::Expected<Model> check::loadModel(llvm::StringRef path) {
  Model model;
  mlir::DialectRegistry dialects;
  registerAllDialects(dialects);
  model.context = std::make_unique<mlir::MLIRContext>(dialects, mlir::MLIRContext::Threading::DISABLED);
  std::string diagnostics;
  mlir::ScopedDiagnosticHandler handler(model.context.get(), [&](mlir::Diagnostic &diagnostic) {
    diagnostics += (diagnostics.empty() ? "" : "; ") + diagnostic.str();
  });
  if (path.ends_with(".onnx"))
    model.module = importOnnx(path, *model.context);
  else
    model.module = mlir::parseSourceFile<mlir::ModuleOp>(path, model.context.get());
  if (!model.module)
    return llvm::createStringError(diagnostics);
  model.store = std::make_unique<WeightStore>();
  model.evaluator = std::make_unique<param::WeightEvaluator>(*model.module, *model.store);
  model.function = model.module->lookupSymbol<mlir::func::FuncOp>("main");
  if (!model.function)
    return llvm::createStringError(path + " has no function @main");
  return model;
}

/// How far apart two elements are; equal infinities and NaNs are not.
static double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b)))
    return 0;
  double difference = std::abs(a - b);
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

Deviation check::compare(const Tensor &computed, const Tensor &expected) {
  Tensor a = convert(computed, DType::F64), b = convert(expected, DType::F64);
  Deviation worst;
  for (int64_t i = 0; i < a.numElements(); ++i) {
    double x = a.data<double>()[i], y = b.data<double>()[i];
    if (std::isfinite(y))
      worst.largest = std::max(worst.largest, std::abs(y));
    if (double difference = distance(x, y); difference > worst.difference) {
      worst.difference = difference;
      worst.element = i;
      worst.computed = x;
      worst.expected = y;
    }
  }
  return worst;
}

std::string check::describe(const Deviation &deviation) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "worst element " << deviation.element << ": computed " << deviation.computed << ", expected "
         << deviation.expected;
  return text;
}
