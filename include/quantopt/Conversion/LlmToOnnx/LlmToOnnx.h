//===- LlmToOnnx.h - layers and quantized values as standard ONNX nodes -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_LLMTOONNX_LLMTOONNX_H
#define QUANTOPT_CONVERSION_LLMTOONNX_LLMTOONNX_H

#include "mlir/IR/BuiltinOps.h"

namespace quantopt {

struct LlmToOnnxOptions {
  /// `accuracy_level` of the MatMulNBits nodes: 0 and 1 compute in f32, 4 quantizes activations to 8 bits per block.
  int64_t accuracyLevel = 0;
};

/// Rewrites every function of `module` from llm, q and online rot.convert ops to nodes of opset 21 (and
/// com.microsoft::MatMulNBits for weight-only linears). Weight expressions stay: the nodes read them. Nodes of older
/// opsets are brought to 21. The bases of the model's state are recorded in the module's metadata; afterwards only
/// weight expressions have a basis in their types. A diagnostic names the op that has no ONNX form.
mlir::LogicalResult convertLlmToOnnx(mlir::ModuleOp module, const LlmToOnnxOptions &options = {});

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_LLMTOONNX_LLMTOONNX_H
