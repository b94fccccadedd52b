//===- QuantizeDynamic.h - codes of a value that the model computes ------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_LLM_TRANSFORMS_QUANTIZEDYNAMIC_H
#define QUANTOPT_DIALECT_LLM_TRANSFORMS_QUANTIZEDYNAMIC_H

#include "quantopt/Dialect/Q/IR/Q.h"

namespace quantopt::llm {

struct DynamicCodeOptions {
  int64_t bits;
  /// 0: one group.
  int64_t groupSize;
  double clip;
  bool hasZero;
  bool hasHalfScales = false;
  /// What is grouped: -1, elements of a token; -2, tokens.
  int64_t axis = -1;
};

/// A value as codes and, once somebody asked for them, the values of its codes.
struct DynamicCodes {
  q::QuantizeDynamicOp op;
  mlir::Value dequantized;
};

/// Quantizes `value`, right behind its definition.
DynamicCodes quantizeDynamic(mlir::Value value, const DynamicCodeOptions &options);
/// What the codes stand for; made once.
mlir::Value dequantize(DynamicCodes &codes);

} // namespace quantopt::llm

#endif // QUANTOPT_DIALECT_LLM_TRANSFORMS_QUANTIZEDYNAMIC_H
