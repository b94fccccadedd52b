//===- Passes.h - passes over parameters -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_PARAM_TRANSFORMS_PASSES_H
#define QUANTOPT_DIALECT_PARAM_TRANSFORMS_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace quantopt {

#define GEN_PASS_DECL
#include "param/ParamPasses.h.inc"
#define GEN_PASS_REGISTRATION
#include "param/ParamPasses.h.inc"

namespace param {

struct MaterializeOptions {
  /// The file to write; not one that the module reads. A name ending in ".safetensors" means that format.
  std::string output;
  /// 0: one per core.
  unsigned threads = 0;
  /// Bytes of working memory of all threads together.
  uint64_t maxMemory = uint64_t(128) << 20;
  /// A progress bar on stderr.
  bool showProgress = true;
};

/// Computes every param.derived of `module` into `options.output` and leaves param.globals of that file: the pass
/// param-materialize. A module without any stays as it is, and no file is written. On failure, which has been reported
/// on the module, neither the module has changed nor a file appeared.
mlir::LogicalResult materialize(mlir::ModuleOp module, const MaterializeOptions &options);

/// A table of what materialize would do: per unit and in total the bytes read and written and the peak of working
/// memory. Reads no weights.
std::string planModule(mlir::ModuleOp module, const MaterializeOptions &options);

} // namespace param
} // namespace quantopt

#endif // QUANTOPT_DIALECT_PARAM_TRANSFORMS_PASSES_H
