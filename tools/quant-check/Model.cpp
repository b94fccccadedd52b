//===- Model.cpp - models and tensors that quant-check compares ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/OnnxToLlm/OnnxToLlm.h"
#include "quantopt/InitAllDialects.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/Diagnostics.h"
#include "quantopt/Onnx/Import.h"
#include "quantopt/Pipelines/Pipelines.h"
#include "quantopt/Support/FileAccess.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::check;

llvm::StringRef check::toString(Form form) {
  return form == Form::Onnx ? "onnx" : form == Form::Llm ? "llm" : "rotated";
}

static llvm::LogicalResult transform(Model &model, Form form) {
  mlir::PassManager manager(model.context.get());
  if (form == Form::Llm)
    manager.addPass(createRecognizePass());
  else if (form == Form::Rotated)
    buildRotationPipeline(manager);
  return manager.run(*model.module);
}

llvm::Expected<Model> check::loadModel(llvm::StringRef path, Form form) {
  Model model;
  mlir::DialectRegistry dialects;
  registerAllDialects(dialects);
  model.context = std::make_unique<mlir::MLIRContext>(dialects, mlir::MLIRContext::Threading::DISABLED);
  interp::CollectedDiagnostics diagnostics(*model.context);
  if (path.ends_with(".onnx"))
    model.module = importOnnx(path, *model.context);
  else {
    allowInput(path);
    model.module = mlir::parseSourceFile<mlir::ModuleOp>(path, model.context.get());
  }
  if (!model.module)
    return diagnostics.error("cannot be read");
  if (failed(transform(model, form)))
    return diagnostics.error("cannot be brought into form '" + toString(form) + "'");
  model.remarks = diagnostics.remarks().vec();
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
  int64_t element = 0;
  for (int64_t i = 0; i < a.numElements(); ++i) {
    double x = a.data<double>()[i], y = b.data<double>()[i];
    if (std::isfinite(y))
      worst.largest = std::max(worst.largest, std::abs(y));
    if (double difference = distance(x, y); difference > worst.difference) {
      worst.difference = difference;
      element = i;
      worst.computed = x;
      worst.expected = y;
    }
  }
  if (worst.difference > 0)
    for (int64_t dim = b.rank(); dim-- > 0; element /= b.dim(dim))
      worst.index.insert(worst.index.begin(), element % b.dim(dim));
  return worst;
}

std::string check::describe(const Deviation &deviation) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "worst element [";
  llvm::interleaveComma(deviation.index, stream);
  stream << "]: computed " << deviation.computed << ", expected " << deviation.expected;
  return text;
}
