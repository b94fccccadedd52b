//===- WeightFile.h - all weights of a module in one file -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TARGET_COMMON_WEIGHTFILE_H
#define QUANTOPT_TARGET_COMMON_WEIGHTFILE_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace quantopt {

struct WeightFileOptions {
  /// The file to write; a name ending in ".safetensors" means that format.
  std::string output;
  /// 0: one per core.
  unsigned threads = 0;
  /// Bytes of working memory of all threads together.
  uint64_t maxMemory = uint64_t(128) << 20;
  /// Print what will be computed and how much memory it takes, before it is done.
  bool printPlan = false;
  /// Stored weights of fewer bytes stay where they are.
  uint64_t smallestCopied = 0;
};

/// Computes every weight expression that functions of `module` read, and copies every stored weight that they read,
/// into one file; the module then reads that file. Parameters that nothing reads any more are removed, and copies take
/// the names of their originals. Reports failures; then no file has been left behind.
mlir::LogicalResult writeWeightFile(mlir::ModuleOp module, const WeightFileOptions &options);

} // namespace quantopt

#endif // QUANTOPT_TARGET_COMMON_WEIGHTFILE_H
