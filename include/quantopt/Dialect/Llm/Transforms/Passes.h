//===- Passes.h - passes over the llm dialect -----------------------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_LLM_TRANSFORMS_PASSES_H
#define QUANTOPT_DIALECT_LLM_TRANSFORMS_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Q/IR/Q.h"

namespace quantopt {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "llm/LlmPasses.h.inc"

namespace llm {
/// Whether llm-kv-lower has given the function the form of a step.
bool isStep(mlir::func::FuncOp function);
} // namespace llm

} // namespace quantopt

#endif // QUANTOPT_DIALECT_LLM_TRANSFORMS_PASSES_H
