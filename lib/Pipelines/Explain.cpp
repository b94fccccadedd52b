//===- Explain.cpp - what a model is, and what this compiler makes of it ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Pipelines/Explain.h"
#include "Explanation.h"
#include "quantopt/Interp/Recognize/Recognize.h"
#include "quantopt/Onnx/Import.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::explain;

std::string explain::operatorOf(onnx::NodeOpInterface node) {
  return node.getDomain().empty() ? node.getOpType().str() : node.getQualifiedType();
}

LogicalResult quantopt::explainModel(StringRef path, MLIRContext &context, bool asJson, raw_ostream &stream) {
  OwningOpRef<ModuleOp> module;
  {
    llvm::SourceMgr sources;
    SourceMgrDiagnosticHandler diagnostics(sources, &context);
    module = importOnnx(path, context);
    if (!module)
      return failure();
  }
  auto function = module->lookupSymbol<func::FuncOp>("main");
  Explanation explanation;
  // Whatever passes remark is part of the explanation where it matters.
  ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
  explainFile(*module, function, explanation);
  explainUnsupported(function, explanation);
  recognize(function);
  explain::explainModel(function, explanation);
  explainNodes(function, explanation);
  explainRotations(*module, explanation);
  if (asJson)
    printJson(explanation, path, stream);
  else
    printText(explanation, path, stream);
  return success();
}
