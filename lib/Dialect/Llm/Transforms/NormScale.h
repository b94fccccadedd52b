//===- NormScale.h - where the scale of a norm can go --------------------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_LLM_TRANSFORMS_NORMSCALE_H
#define QUANTOPT_DIALECT_LLM_TRANSFORMS_NORMSCALE_H

#include "quantopt/Dialect/Llm/IR/Llm.h"

namespace quantopt::llm {

/// The op for whose sake a norm (RmsNormOp or LayerNormOp) has to keep its scale: the first reader that is not a linear
/// over a weight expression, or the norm itself if its scale or bias is not a weight expression. Null if they can move
/// into the weights.
mlir::Operation *findNormScaleBlocker(mlir::Operation *norm);

} // namespace quantopt::llm

#endif // QUANTOPT_DIALECT_LLM_TRANSFORMS_NORMSCALE_H
