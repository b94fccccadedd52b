//===- GroupQueryInputs.h - the inputs of com.microsoft::GroupQueryAttention -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_IR_GROUPQUERYINPUTS_H
#define QUANTOPT_DIALECT_ONNX_IR_GROUPQUERYINPUTS_H

/// In their order (onnxruntime, docs/ContribOperators.md).
namespace quantopt::onnx::group_query {
enum Input : unsigned {
  Queries,
  Keys,
  Values,
  PastKey,
  PastValue,
  LastPositions, // seqlens_k: the length of each sequence, its new tokens included, minus 1
  TotalLength,
  Cos,
  Sin,
  Positions,
  Bias,
  HeadSink,
  KeyScale,
  ValueScale,
  QueryNorm,
  KeyNorm,
  NumInputs
};
} // namespace quantopt::onnx::group_query

#endif // QUANTOPT_DIALECT_ONNX_IR_GROUPQUERYINPUTS_H
