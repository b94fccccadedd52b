//===- OnnxToLlm.h - recognition of decoder layers ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_ONNXTOLLM_ONNXTOLLM_H
#define QUANTOPT_CONVERSION_ONNXTOLLM_ONNXTOLLM_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace quantopt {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "onnx/OnnxPasses.h.inc"

/// Turns the nodes of a function into layers, as pass llm-recognize does, whose object is in lib/Interp/Recognize: its
/// proof needs the interpreter.
void recognizeDecoder(mlir::func::FuncOp function);
/// Remarks how many ops of each kind there are: first what was recognised, then what stayed a node.
void summarizeRecognition(mlir::func::FuncOp function);

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_ONNXTOLLM_ONNXTOLLM_H
