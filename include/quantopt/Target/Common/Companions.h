//===- Companions.h - what lies beside a model's weights --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TARGET_COMMON_COMPANIONS_H
#define QUANTOPT_TARGET_COMMON_COMPANIONS_H

#include "mlir/IR/BuiltinOps.h"

namespace quantopt {

/// Copies what generation needs beside the weights (the tokenizer and configurations), where the model that `module`
/// was read from has it, into `folder` ("": the working folder). Reports failures.
mlir::LogicalResult copyCompanions(mlir::ModuleOp module, llvm::StringRef folder);

} // namespace quantopt

#endif // QUANTOPT_TARGET_COMMON_COMPANIONS_H
