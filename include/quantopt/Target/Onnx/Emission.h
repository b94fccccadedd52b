//===- Emission.h - compiled models as ONNX files ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TARGET_ONNX_EMISSION_H
#define QUANTOPT_TARGET_ONNX_EMISSION_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace quantopt {

struct EmissionOptions {
  /// The model; its weights go to "<output>.data" beside it.
  std::string output;
  /// 0: one per core.
  unsigned threads = 0;
  /// Bytes of working memory of all threads together, for weights.
  uint64_t maxMemory = uint64_t(128) << 20;
  /// Print what will be computed and how much memory it takes, before it is done.
  bool printPlan = false;
  /// `accuracy_level` of MatMulNBits nodes.
  int64_t accuracyLevel = 0;
};

/// Writes `module` as an ONNX model, without changing it. A module of onnx ops alone is re-emitted (exportOnnx); any
/// other is lowered on a copy (convertLlmToOnnx), and its weights are computed into the data file. The tokenizer and
/// the configuration that lie beside the source model are copied. After a failure, which has been reported, no file has
/// been left behind.
mlir::LogicalResult emitOnnx(mlir::ModuleOp module, const EmissionOptions &options);

} // namespace quantopt

#endif // QUANTOPT_TARGET_ONNX_EMISSION_H
