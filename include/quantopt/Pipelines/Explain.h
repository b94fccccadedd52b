//===- Explain.h - what a model is, and what this compiler makes of it --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PIPELINES_EXPLAIN_H
#define QUANTOPT_PIPELINES_EXPLAIN_H

#include "mlir/IR/MLIRContext.h"

namespace quantopt {

/// Writes what the model of an .onnx file is: who exported it, its architecture, its parameters, what llm-recognize
/// makes of it, every node that it leaves or that lib/Interp cannot run, and the rotations that it allows. As text, or
/// as JSON with the same facts. Payloads of weights are not read, but for a few rows of the embedding and the head (are
/// they tied?) and what positions and masks are computed from. The context needs all dialects loaded. Fails,
/// after errors on stderr, where the file cannot be read.
llvm::LogicalResult explainModel(llvm::StringRef path, mlir::MLIRContext &context, bool asJson,
                                 llvm::raw_ostream &stream);

} // namespace quantopt

#endif // QUANTOPT_PIPELINES_EXPLAIN_H
